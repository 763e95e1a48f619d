"""Dead letters as the gateway's callers look at them and send them again; the work is that of ``asya dlq``.

A pass over a queue holds what it looks at, so there is one at a time for each actor in this process, and it ends after a
while: a request is no place to wait for hours in. The same request goes on where it ended.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from asya_gateway.actors.board import ActorBoard
from asya_gateway.wakeups import PubSub
from asya_protocol.names import DLQ_SUFFIX
from asya_transport.dead_letters.filter import same_id
from asya_transport.dead_letters.redrive import Listing, Selection, Tally, browse, count_dead_letters, redrive
from asya_transport.port import QueueAdmin, Transport

LIMIT_S: Final = 25.0
"""Below the 30 s after which proxies in front of us lose patience."""


class UnderWay(Exception):
    """Somebody else is at this actor's dead letters."""


class DeadLetters:
    """The dead letters of a broker.

    Args:
        transport: Connected.
        admin: Of the same broker.
        board: Knows the actors.
        wakeups: Tells when the gateway stops.
    """

    def __init__(self, transport: Transport, admin: QueueAdmin, board: ActorBoard, wakeups: PubSub) -> None:
        self._transport = transport
        self._admin = admin
        self._board = board
        self._names = board.queue_names
        self._wakeups = wakeups
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def counts(self) -> dict[str, int]:
        """Count them by actor; actors without any are left out.

        Raises:
            TransportError: The broker is away.
        """
        counts = await count_dead_letters(self._admin, self._names.prefix, await self._board.queues())
        return {self._names.actor(name.removesuffix(DLQ_SUFFIX)): count for name, count in counts.items() if count}

    async def look(self, actor: str, limit: int) -> Listing:
        """Look at up to ``limit`` of an actor's, and leave all where they are.

        Raises:
            UnderWay: Somebody else is at them.
            QueueMissing: There is no such actor.
            TransportError: The broker is away.
        """
        async with self._alone(actor) as stopping:
            chosen = Selection(stopping=stopping)
            return await browse(self._transport, self._admin, self._names.dlq(actor), limit=limit, selection=chosen)

    async def redrive(
        self, actor: str, *, envelope_id: str | None = None, to: str | None = None, dry_run: bool = False
    ) -> Tally:
        """Send an actor's out again, all or those of one envelope; ``interrupted`` says that the time was over.

        Args:
            actor: Whose.
            envelope_id: Only with this id; ``None`` is all.
            to: The actor that gets them; ``None`` is the one that each was taken from.
            dry_run: Only count.

        Raises:
            UnderWay: Somebody else is at them.
            QueueMissing: There is no such actor, or no actor ``to``.
            TransportError: The broker is away.
        """
        where = () if envelope_id is None else (same_id(envelope_id),)
        async with self._alone(actor) as stopping:
            chosen = Selection(where=where, dry_run=dry_run, stopping=stopping)
            target = None if to is None else self._names.queue(to)
            return await redrive(self._transport, self._admin, self._names.dlq(actor), to=target, selection=chosen)

    @asynccontextmanager
    async def _alone(self, actor: str) -> AsyncIterator[asyncio.Event]:
        lock = self._locks[actor]
        if lock.locked():
            raise UnderWay(f"somebody is at the dead letters of {actor}; try again in a moment")
        stopping = asyncio.Event()

        def woken(_: str) -> None:
            if self._wakeups.stopping:
                stopping.set()

        async with lock:
            timer = asyncio.get_running_loop().call_later(LIMIT_S, stopping.set)
            try:
                with self._wakeups.watching(woken):
                    yield stopping
            finally:
                timer.cancel()
        if not lock.locked():
            self._locks.pop(actor, None)
