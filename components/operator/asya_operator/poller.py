"""Asks the brokers, which announce nothing when a queue disappears or fills: in rounds, with few requests per transport."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from asya_operator.metrics import Metrics
from asya_operator.queues import CredentialsMissing, Queues
from asya_operator.transport_config import TransportConfig, TransportRefused, Transports
from asya_operator.world import Key, World
from asya_protocol.errors import AsyaError, QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Depth

log: Final = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Counts under way at the same time."""
IDLE_S: Final = 60.0
"""How often the queue of an actor without replicas and without envelopes is counted where each count is a request."""


class Depths:
    """What queues were last seen to hold, and which of them to count when: busy ones often, idle ones rarely."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Depth, float]] = {}
        self._dead: dict[Key, tuple[Depth, float]] = {}

    def of(self, actor: Key) -> Depth | None:
        """What an actor's queue held when it was last counted."""
        found = self._seen.get(actor)
        return found[0] if found else None

    def note(self, actor: Key, depth: Depth, now_s: float) -> bool:
        """Take in a count; whether it differs from the last one."""
        before = self._seen.get(actor)
        self._seen[actor] = (depth, now_s)
        return before is None or before[0] != depth

    def note_dead(self, actor: Key, depth: Depth, now_s: float) -> None:
        """Take in a count of an actor's dead letter queue."""
        self._dead[actor] = (depth, now_s)

    def forget(self, actor: Key) -> None:
        """The actor is gone."""
        self._seen.pop(actor, None)
        self._dead.pop(actor, None)

    def seen(self) -> list[tuple[Key, Depth]]:
        """What every actor's queue was last seen to hold."""
        return [(key, depth) for key, (depth, _) in self._seen.items()]

    def seen_dead(self) -> list[tuple[Key, Depth]]:
        """What every actor's dead letter queue was last seen to hold."""
        return [(key, depth) for key, (depth, _) in self._dead.items()]

    def dead_due(self, actor: Key, now_s: float) -> bool:
        """Whether to count an actor's dead letters where each count is a request: nobody scales on them."""
        found = self._dead.get(actor)
        return found is None or now_s - found[1] >= IDLE_S

    def due(self, actors: Iterable[tuple[Key, bool]], now_s: float) -> list[Key]:
        """Choose the actors whose queues want counting.

        Args:
            actors: Key, and whether it has replicas.
            now_s: Any steady clock, in seconds.
        """
        return [key for key, busy in actors if busy or self._is_old(key, now_s)]

    def _is_old(self, actor: Key, now_s: float) -> bool:
        found = self._seen.get(actor)
        return found is None or found[0].total > 0 or now_s - found[1] >= IDLE_S


class Poller:
    """Finds queues that are missing and counts those that matter.

    Args:
        world: The actors.
        queues: The brokers.
        depths: Where counts are kept.
        transports: As configured.
        enqueue: Called with each actor that has to be reconciled.
        every_s: Seconds between rounds.
        metrics: Shown what queues hold.
    """

    def __init__(
        self,
        *,
        world: World,
        queues: Queues,
        depths: Depths,
        transports: Transports,
        enqueue: Callable[[Key], None],
        every_s: float,
        metrics: Metrics,
    ) -> None:
        self._world = world
        self._queues = queues
        self._depths = depths
        self._transports = transports
        self._enqueue = enqueue
        self._every_s = every_s
        self._metrics = metrics
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._away: set[str] = set()

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            rounds: dict[str, bool] = {}
            for transport, keys in self._by_transport().values():
                try:
                    await self._round(transport, keys)
                except AsyaError as exc:
                    log.warning("queues not seen", extra={"transport": transport.name, "error": str(exc)})
                    rounds[transport.name] = False
                    self._tell_once(transport, keys)
                else:
                    rounds[transport.name] = True
                    self._away.discard(transport.name)
            self._metrics.count_rounds(rounds)
            self._metrics.show_alarms(self._queues.alarms())
            self._metrics.show_queues(self._depths.seen(), self._depths.seen_dead())
            self._metrics.count_requests(self._queues.requests())

    def _tell_once(self, transport: TransportConfig, keys: list[Key]) -> None:
        """Let each actor's status say that the broker is away; actors with a problem are reconciled again by themselves."""
        if transport.name not in self._away:
            self._away.add(transport.name)
            self._queues.invalidate(transport)
            for key in keys:
                self._enqueue(key)

    async def _round(self, transport: TransportConfig, keys: list[Key]) -> None:
        existing = await self._existing(transport, keys)
        for key in keys:
            queue = self._queues.names.queue(key[1])
            # A queue that was not ensured yet is for a reconcile to make, which waits for its turn or for a problem to end.
            if queue not in existing and self._queues.is_ensured(transport, queue):
                log.warning("queue missing", extra={"namespace": key[0], "actor": key[1]})
                self._queues.invalidate(transport, queue)
                self._enqueue(key)
        present = [(key, bool(self._world.pods(key))) for key in keys if self._queues.names.queue(key[1]) in existing]
        for key, busy in present:
            # Some seconds old, which is good enough to learn that an idle actor has work.
            if not busy and (depth := existing[self._queues.names.queue(key[1])]) is not None:
                self._note(key, depth)
        due = self._depths.due(present, time.monotonic())
        await asyncio.gather(*(self._count(transport, key) for key in due))
        await asyncio.gather(*(self._count_dead(transport, key, existing) for key in keys))

    async def _existing(self, transport: TransportConfig, keys: list[Key]) -> Mapping[str, Depth | None]:
        """The queues of a transport, as the first namespace sees them that has the secrets for it."""
        missing: CredentialsMissing | None = None
        for namespace in dict.fromkeys(key[0] for key in keys):
            try:
                return await self._queues.existing(transport, namespace)
            except CredentialsMissing as exc:
                missing = missing or exc
        raise missing or CredentialsMissing(f"no actor on transport {transport.name}")

    async def _count(self, transport: TransportConfig, key: Key) -> None:
        async with self._limit:
            try:
                depth = await self._queues.measure(self._queues.names.queue(key[1]), transport, key[0])
            except (QueueMissing, TransportUnavailable):
                self._queues.invalidate(transport, self._queues.names.queue(key[1]))
                self._enqueue(key)
                return
        self._note(key, depth)

    async def _count_dead(self, transport: TransportConfig, key: Key, existing: Mapping[str, Depth | None]) -> None:
        """Count an actor's dead letters: with the list where that tells, else by a request once a minute."""
        queue, now_s = self._queues.names.dlq(key[1]), time.monotonic()
        depth = existing.get(queue)
        if depth is None and queue in existing and self._depths.dead_due(key, now_s):
            async with self._limit:
                try:
                    depth = await self._queues.measure(queue, transport, key[0])
                except TransportError as exc:
                    log.debug("dead letters not counted", extra={"actor": key[1], "error": str(exc)})
        if depth is not None:
            self._depths.note_dead(key, depth, now_s)

    def _note(self, key: Key, depth: Depth) -> None:
        if self._depths.note(key, depth, time.monotonic()):
            self._enqueue(key)

    def _by_transport(self) -> dict[str, tuple[TransportConfig, list[Key]]]:
        groups: dict[str, list[Key]] = defaultdict(list)
        for key, raw in self._world.actors():
            if not raw["metadata"].get("deletionTimestamp") and self._world.rival(key) is None:
                groups[str((raw.get("spec") or {}).get("transport", ""))].append(key)
        found = {}
        for name, keys in groups.items():
            try:
                found[name] = (self._transports.get(name), keys)
            except TransportRefused:
                continue  # said by the actor's own condition
        return found
