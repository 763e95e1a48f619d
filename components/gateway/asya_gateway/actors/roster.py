"""Which actors exist, asked before a call is sent: a route that names none is refused before its first hop.

An actor exists when it has a queue, or when the source of actors lists it. Only where both say no is it missing; while either
cannot say, nothing is refused, for the broker takes nothing that it has no queue for anyway.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from asya_gateway.actors.port import ActorSource, ActorsUnknown
from asya_protocol import names
from asya_protocol.errors import QueueMissing, TransportError
from asya_protocol.nearest import nearest
from asya_transport.port import QueueAdmin

log: Final = logging.getLogger(__name__)

BELIEVED_S: Final = 60.0
"""How long an actor that was there is not looked for again."""
LIST_S: Final = 2.0
"""How old the source's list may be before it is asked again for an actor that is not in it."""
PATIENCE_S: Final = 3.0


class Roster:
    """The actors that exist.

    Args:
        source: Lists actors.
        admin: Of the broker.
        queue_names: Of the mesh.
    """

    def __init__(self, source: ActorSource, admin: QueueAdmin, queue_names: names.QueueNames) -> None:
        self._source = source
        self._admin = admin
        self._queue_names = queue_names
        self._seen_s: dict[str, float] = {}
        self._listed: frozenset[str] = frozenset()
        self._listed_s = -LIST_S
        self._unknown = False

    async def problem(self, route: Iterable[str]) -> str | None:
        """Say what is wrong with a route: its first actor that does not exist, and the nearest that does."""
        for actor in dict.fromkeys(route):
            if await self._has_no_queue(actor) and await self._is_not_listed(actor):
                return f"its route names the actor {actor!r}, which does not exist{nearest(actor, await self._known())}"
        return None

    async def aclose(self) -> None:
        """Disconnect from the source."""
        await self._source.close()

    async def _has_no_queue(self, actor: str) -> bool:
        """Ask the broker, which is asked for one queue; no answer is no."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._seen_s.get(actor, -BELIEVED_S) < BELIEVED_S:
            return False
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._admin.measure(self._queue_names.queue(actor))
        except QueueMissing:
            return True
        except (TransportError, TimeoutError) as exc:
            log.debug("queue not looked for", extra={"actor": actor, "error": str(exc)})
            return False
        self._seen_s[actor] = now_s
        return False

    async def _is_not_listed(self, actor: str) -> bool:
        """Ask the source, which may have an actor whose queue is still to come; no answer is no."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._listed_s >= LIST_S:
            self._listed_s = now_s
            try:
                async with asyncio.timeout(PATIENCE_S):
                    views = await self._source.actors()
                self._listed, self._unknown = frozenset(view.name for view in views or ()), False
            except (ActorsUnknown, TimeoutError) as exc:
                self._unknown = True
                log.debug("actors not listed", extra={"error": str(exc)})
        return not self._unknown and actor not in self._listed

    async def _known(self) -> set[str]:
        known = set(self._listed | self._seen_s.keys())
        try:
            async with asyncio.timeout(PATIENCE_S):
                queues = await self._admin.list_queues(self._queue_names.prefix)
            known |= {self._queue_names.actor(queue) for queue in queues if not queue.endswith(names.DLQ_SUFFIX)}
        except (TransportError, TimeoutError) as exc:
            log.debug("queues not listed", extra={"error": str(exc)})
        return known
