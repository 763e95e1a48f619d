"""Browsing and redriving dead letters for callers of the gateway, with the code of ``asya dlq``.

A pass over a dead letter queue takes its entries out for the moment, so each actor has one pass at a time in this process. A
pass ends after ``LIMIT_S``; repeating the request continues where it ended.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from asya_gateway.actors.board import ActorBoard
from asya_gateway.pubsub import PubSub
from asya_protocol.names import DLQ_SUFFIX
from asya_transport.dead_letters.filter import same_id
from asya_transport.dead_letters.redrive import Listing, Selection, Tally, browse, count_dead_letters, redrive
from asya_transport.port import QueueAdmin, Transport

LIMIT_S: Final = 25.0
"""Below the usual timeout of proxies, 30 s."""


class UnderWay(Exception):
    """Another request is working on this actor's dead letters."""


class DeadLetters:
    """The dead letters of a broker.

    Args:
        transport: Connected.
        admin: Of the same broker.
        board: Knows the actors.
        pubsub: Notifies of the gateway's stop.
    """

    def __init__(self, transport: Transport, admin: QueueAdmin, board: ActorBoard, pubsub: PubSub) -> None:
        self._transport = transport
        self._admin = admin
        self._board = board
        self._names = board.queue_names
        self._pubsub = pubsub
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def counts(self) -> dict[str, int]:
        """Count them by actor; actors without any are left out.

        Raises:
            TransportError: The broker is away.
        """
        counts = await count_dead_letters(self._admin, self._names.prefix, await self._board.queues())
        return {self._names.actor(name.removesuffix(DLQ_SUFFIX)): count for name, count in counts.items() if count}

    async def look(self, actor: str, limit: int) -> Listing:
        """Show up to ``limit`` of an actor's; all stay in their queue.

        Raises:
            UnderWay: Another request is working on them.
            QueueMissing: There is no such actor.
            TransportError: The broker is away.
        """
        async with self._alone(actor) as stopping:
            chosen = Selection(stopping=stopping)
            return await browse(self._transport, self._admin, self._names.dlq(actor), limit=limit, selection=chosen)

    async def redrive(
        self, actor: str, *, envelope_id: str | None = None, to: str | None = None, dry_run: bool = False
    ) -> Tally:
        """Redrive an actor's, all or those of one envelope; ``interrupted`` means that the time limit ended it.

        Args:
            actor: The actor whose dead letters they are.
            envelope_id: Only with this id; ``None`` is all.
            to: The actor to send them to; ``None`` is the one that each came from.
            dry_run: Only count.

        Raises:
            UnderWay: Another request is working on them.
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
            if self._pubsub.stopping:
                stopping.set()

        try:
            async with lock:
                timer = asyncio.get_running_loop().call_later(LIMIT_S, stopping.set)
                try:
                    with self._pubsub.watching(woken):
                        yield stopping
                finally:
                    timer.cancel()
        finally:
            # Also after a look that failed: names that do not exist are a stranger's to choose.
            if not lock.locked():
                self._locks.pop(actor, None)
