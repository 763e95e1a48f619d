"""Looks at the brokers, which tell nobody when a queue disappears or fills: in rounds, each transport by few questions."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from asya_operator.depths import Depths
from asya_operator.queues import CredentialsMissing, Queues
from asya_operator.transport_config import TransportConfig, TransportRefused, Transports
from asya_operator.world import Key, World
from asya_protocol.errors import AsyaError, QueueMissing, TransportUnavailable
from asya_transport.port import Depth

log: Final = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Counts under way at the same time."""


class Poller:
    """Finds queues that are missing and counts those that matter.

    Args:
        world: The actors.
        queues: The brokers.
        depths: Where counts are kept.
        transports: As configured.
        look_at: Told of each actor that wants a look.
        every_s: Seconds between rounds.
    """

    def __init__(
        self,
        *,
        world: World,
        queues: Queues,
        depths: Depths,
        transports: Transports,
        look_at: Callable[[Key], None],
        every_s: float,
    ) -> None:
        self._world = world
        self._queues = queues
        self._depths = depths
        self._transports = transports
        self._look_at = look_at
        self._every_s = every_s
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._away: set[str] = set()

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            for transport, keys in self._by_transport().values():
                try:
                    await self._round(transport, keys)
                except AsyaError as exc:
                    log.warning("queues not seen", extra={"transport": transport.name, "error": str(exc)})
                    self._tell_once(transport, keys)
                else:
                    self._away.discard(transport.name)

    def _tell_once(self, transport: TransportConfig, keys: list[Key]) -> None:
        """Let each actor's status say that the broker is away; as long as it does, actors look again by themselves."""
        if transport.name not in self._away:
            self._away.add(transport.name)
            self._queues.invalidate(transport)
            for key in keys:
                self._look_at(key)

    async def _round(self, transport: TransportConfig, keys: list[Key]) -> None:
        existing = await self._existing(transport, keys)
        for key in keys:
            queue = self._queues.names.queue(key[1])
            # One that no look has seen to yet is a look's business: it waits for its turn, or for its problem to be over.
            if queue not in existing and self._queues.is_ensured(transport, queue):
                log.warning("queue missing", extra={"namespace": key[0], "actor": key[1]})
                self._queues.invalidate(transport, queue)
                self._look_at(key)
        present = [(key, bool(self._world.pods(key))) for key in keys if self._queues.names.queue(key[1]) in existing]
        for key, busy in present:
            # Some seconds old, which is good enough to learn that an idle actor has work.
            if not busy and (depth := existing[self._queues.names.queue(key[1])]) is not None:
                self._note(key, depth)
        due = self._depths.due(present, time.monotonic())
        await asyncio.gather(*(self._count(transport, key) for key in due))

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
                self._look_at(key)
                return
        self._note(key, depth)

    def _note(self, key: Key, depth: Depth) -> None:
        if self._depths.note(key, depth, time.monotonic()):
            self._look_at(key)

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
