"""A snapshot of all actors with queue depths and rates, taken at most every two seconds and shared by all clients.

What the source of actors does not know is measured: depths at the broker, a fixed number of queues per snapshot and the least
recently measured first, so that a mesh of any size costs the broker the same; rates from the completions in the envelope store.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from asya_gateway.actors.port import QUEUES, ActorSource, ActorsUnknown
from asya_gateway.actors.view import ActorList, ActorView
from asya_gateway.store.port import EnvelopeStore
from asya_protocol import names
from asya_protocol.errors import QueueMissing, StoreUnavailable, TransportError
from asya_transport.port import Depth, QueueAdmin

log: Final = logging.getLogger(__name__)

BEAT_S: Final = 2.0
QUEUES_PER_LOOK: Final = 40
AT_ONCE: Final = 8
MEASURE_LIMIT_S: Final = 3.0
RATE_OVER_S: Final = 10.0
REST: Final = 10
"""Wait this many times the duration of the last listing before listing again, so that large clusters are polled less often."""
REST_MOST_S: Final = 30.0
_ENDS: Final = names.RESERVED_ACTORS


class ActorBoard:
    """Keeps the snapshot.

    Args:
        source: Lists the actors.
        admin: Of the broker.
        store: Where reports are kept.
        known: Returns the actors of all tools' routes, for brokers that cannot list queues.
        queue_names: Of the mesh.
    """

    def __init__(
        self,
        source: ActorSource,
        admin: QueueAdmin,
        store: EnvelopeStore,
        known: Callable[[], Iterable[str]],
        queue_names: names.QueueNames,
    ) -> None:
        self.queue_names = queue_names
        self._source = source
        self._admin = admin
        self._store = store
        self._known = known
        self._lock = asyncio.Lock()
        self._looked_s = -BEAT_S
        self._found = ActorList(source.name)
        self._views: list[ActorView] | None = None
        self._ask_at_s = 0.0
        self._unknown = ""
        self._depths: dict[str, Depth | None] = {}
        self._measured_s: dict[str, float] = {}

    async def look(self) -> ActorList:
        """Return the snapshot, renewed when it is old; what could not be found out is in ``problems``."""
        async with self._lock:
            if time.monotonic() - self._looked_s >= BEAT_S:
                self._found = await self._look()
                self._looked_s = time.monotonic()
            return self._found

    async def glance(self, over_s: float) -> tuple[ActorView, ...]:
        """List the actors for a sample that nobody looks at: the broker is asked only where no source of actors tells.

        Args:
            over_s: Rates that the source does not tell are those of so many seconds.
        """
        if self._source.name == QUEUES:
            return (await self.look()).actors
        async with self._lock:
            await self._ask()
            rates = await self._rates([], over_s)
            return tuple(self._with_rate(actor, rates) for actor in self._views or ())

    async def queues(self) -> list[str]:
        """Name the actors' queues."""
        return [self.queue_names.queue(actor.name) for actor in (await self.look()).actors]

    async def close(self) -> None:
        """Disconnect."""
        await self._source.close()

    async def _look(self) -> ActorList:
        problems: list[str] = []
        await self._ask()
        if self._unknown:
            problems.append(self._unknown)
        actors = self._views if self._views is not None else await self._with_queues(problems)
        await self._measure(actors, problems)
        rates = await self._rates(problems, RATE_OVER_S)
        shown = (self._filled(actor, rates) for actor in actors)
        return ActorList(self._source.name, tuple(sorted(shown, key=_order)), tuple(problems))

    async def _ask(self) -> None:
        """List the actors when that is due; the last list stays while the source fails."""
        began_s = time.monotonic()
        if began_s < self._ask_at_s:
            return
        try:
            self._views, self._unknown = await self._source.actors(), ""
        except ActorsUnknown as exc:
            self._unknown = str(exc)
        now_s = time.monotonic()
        self._ask_at_s = now_s + min(REST_MOST_S, REST * (now_s - began_s))

    async def _with_queues(self, problems: list[str]) -> list[ActorView]:
        found = set(self._known())
        try:
            async with asyncio.timeout(MEASURE_LIMIT_S):
                queues = await self._admin.list_queues(self.queue_names.prefix)
            found |= {self.queue_names.actor(queue) for queue in queues if not queue.endswith(names.DLQ_SUFFIX)}
        except (TransportError, TimeoutError) as exc:
            problems.append(f"the broker did not list its queues: {exc or 'no answer'}")
        return [ActorView(name) for name in found]

    async def _measure(self, actors: Sequence[ActorView], problems: list[str]) -> None:
        wanted = {self.queue_names.dlq(actor.name) for actor in actors}
        wanted |= {self.queue_names.queue(actor.name) for actor in actors if _is_measured(actor)}
        due = sorted(wanted, key=lambda queue: self._measured_s.get(queue, 0.0))[:QUEUES_PER_LOOK]
        gate = asyncio.Semaphore(AT_ONCE)

        async def measure(queue: str) -> None:
            async with gate:
                try:
                    self._depths[queue] = await self._admin.measure(queue)
                except QueueMissing:
                    self._depths[queue] = None
            self._measured_s[queue] = time.monotonic()

        try:
            async with asyncio.timeout(MEASURE_LIMIT_S):
                results = await asyncio.gather(*(measure(queue) for queue in due), return_exceptions=True)
        except TimeoutError:
            problems.append("the broker did not answer in time: depths are of earlier")
            return
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in errors:
            if not isinstance(error, TransportError):
                raise error
        if errors:
            problems.append(f"the broker did not say how much waits: {errors[0]}")

    async def _rates(self, problems: list[str], over_s: float) -> dict[str, float] | None:
        try:
            return {name: count / over_s for name, count in (await self._store.completed(over_s)).items()}
        except StoreUnavailable as exc:
            problems.append(str(exc))
            return None

    def _filled(self, actor: ActorView, rates: dict[str, float] | None) -> ActorView:
        depth = self._depths.get(self.queue_names.queue(actor.name))
        dead = self._depths.get(self.queue_names.dlq(actor.name))
        changes: dict[str, object] = {"dead_letters": None if dead is None else dead.total}
        if depth is not None and _is_measured(actor):
            changes |= {"queued": depth.queued(actor.name), "in_flight": depth.in_flight}
        return self._with_rate(replace(actor, **changes), rates)  # type: ignore[arg-type] # names are the view's own

    @staticmethod
    def _with_rate(actor: ActorView, rates: dict[str, float] | None) -> ActorView:
        if actor.rate is None and rates is not None and actor.name not in _ENDS:
            return replace(actor, rate=rates.get(actor.name, 0.0))
        return actor


def _is_measured(actor: ActorView) -> bool:
    """Whether to measure its queue: a cluster's status may be a minute old, a local mesh's is of this second."""
    return actor.queued is None or actor.namespace is not None


def _order(actor: ActorView) -> tuple[bool, str, str]:
    """By name, the end actors last."""
    return actor.name in _ENDS, actor.name, actor.namespace or ""
