"""The handler call: from admitted envelopes to decisions, with its time limit, its reports and its cancels."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from asya_process.tracer import fresh_ids
from asya_protocol.reply import Item
from asya_sidecar.core.about import about
from asya_sidecar.core.actions import Decision, Release, Use
from asya_sidecar.core.admit import Hop, Work, refuse
from asya_sidecar.core.call_outcome import Outcome, Replied
from asya_sidecar.core.decide import (
    Moment,
    asked_pause_s,
    cancelled,
    decide,
    defect,
    forward,
    keeps_the_id,
    without_group,
)
from asya_sidecar.core.limits import added, spent_in
from asya_sidecar.core.reports import processing_report, received_report
from asya_sidecar.core.trail import share_call
from asya_sidecar.core.window import Pace
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import AWAY, IMPOSSIBLE, Performer
from asya_sidecar.piece_sender import PieceSender
from asya_sidecar.runtime_client import RuntimeClient

log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """One handler call under way.

    Attributes:
        works: What the handler got.
        started_s: The clock at its start.
        unwanted: Indexes of those that were cancelled since.
    """

    works: Sequence[Work]
    started_s: float
    unwanted: set[int] = field(default_factory=set)


class Handling:
    """Calls handlers for one actor."""

    def __init__(
        self,
        hop: Hop,
        performer: Performer,
        metrics: Metrics,
        pace: Pace,
        *,
        pieces: PieceSender | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hop = hop
        self._pieces = pieces or PieceSender(None, None, metrics)
        self._performer = performer
        self._metrics = metrics
        self._pace = pace
        self._clock = clock
        self._running: dict[RuntimeClient, Call] = {}
        self._done_s = 0.0
        """Time spent in calls that ended."""
        metrics.watch_busy(self.busy_s)

    async def call(self, works: Sequence[Work], runtime: RuntimeClient) -> list[Decision]:
        """Run the handler once and decide for each envelope.

        Args:
            works: One envelope, or several for a handler that takes batches.
            runtime: Where to; no other call is under way on it.

        Raises:
            RuntimeNotReady: No handler has seen them.
        """
        if self._performer.has_gateway and not self._hop.is_end_actor:
            for work in works:
                envelope, actor = work.envelope, self._hop.actor
                self._performer.post(
                    (received_report(envelope, actor, len(work.body)), processing_report(envelope, actor))
                )
        ids = [_ids_of(work) for work in works]
        streamed: dict[str, float] = {}
        held: list[Item] = []

        async def on_items(items: tuple[Item, ...], first: int) -> None:
            streamed.update(added(streamed, spent_in(items, self._hop.limits)))
            if not self._hop.is_end_actor:
                if first == 0 and items and keeps_the_id(items[0], self._hop):
                    held.append(items[0])
                    items, first = items[1:], 1
                sends, reports = forward(works[0], items, first, self._hop, _moment(works[0], 0.0, ids[0]))
                self._performer.post(reports)
                await self._performer.send_all(sends, works[0].trail)

        stream = self._pieces.open(works[0], self._hop.actor)
        started_s = self._pace.calls[runtime] = self._clock()
        call = self._running[runtime] = Call(works, started_s)
        for work in works:
            self._metrics.attempted(again=work.attempt > 1 or work.delivery > 1)
        try:
            timeout_s = min(work.timeout_s for work in works)
            outcomes = await runtime.call([work.body for work in works], timeout_s, on_items, stream.add)
        except IMPOSSIBLE as exc:
            refused = [refuse(work.envelope, self._hop, str(exc), "routing_error") for work in works]
            return [without_group(each, work, self._hop) for each, work in zip(refused, works, strict=True)]
        except AWAY as exc:
            released = Decision(Release(), "released", failed_reason="routing_error", cause=str(exc))
            return [released for _ in works]
        finally:
            stream.end()
            self._running.pop(runtime, None)
            self._pace.calls.pop(runtime, None)
            spent_s = self._clock() - started_s
            self._done_s += spent_s
            _note_call(works, spent_s)
        if held:  # one envelope: a batch streams nothing
            outcomes = [replace(each, first=held[0]) if isinstance(each, Replied) else each for each in outcomes]
        elapsed_s = self._clock() - started_s
        self._metrics.called(elapsed_s)
        self._pace.called(elapsed_s / len(works))
        return [
            self._with_use(
                self._decide(work, outcome, pair, elapsed_s, unwanted=index in call.unwanted), outcome, streamed
            )
            for index, (work, outcome, pair) in enumerate(zip(works, outcomes, ids, strict=True))
        ]

    def _decide(
        self, work: Work, outcome: Outcome, ids: tuple[str, str], elapsed_s: float, *, unwanted: bool
    ) -> Decision:
        if unwanted:
            ended = cancelled(work, self._hop)
            return without_group(ended, work, self._hop) if outcome.streamed or work.redelivered else ended
        chance = random.random()  # noqa: S311 - jitter
        return decide(work, outcome, self._hop, _moment(work, chance, ids, elapsed_s))

    def _with_use(self, decision: Decision, outcome: Outcome, streamed: dict[str, float]) -> Decision:
        if not self._hop.limits:
            return decision
        replied = outcome if isinstance(outcome, Replied) else Replied()
        spent = added(streamed, spent_in(replied.items, self._hop.limits))
        return replace(decision, use=Use(spent, asked_pause_s(replied.error)))

    def despite(self, work: Work | None, exc: Exception) -> Decision:
        """Decide for an envelope on which this program failed; to be called where the exception is handled."""
        log.exception("a defect", extra=about(work, self._hop.actor))
        chance = random.random()  # noqa: S311 - jitter
        moment = _moment(work, chance, fresh_ids() if work is None else _ids_of(work))
        return defect(work, self._hop, moment, f"defect of the sidecar: {type(exc).__name__}: {exc}")

    def busy_s(self) -> float:
        """Time spent in calls, those under way included; another thread may ask."""
        now_s = self._clock()
        return self._done_s + sum(now_s - call.started_s for call in tuple(self._running.values()))

    def running(self) -> list[dict[str, object]]:
        """Say which envelopes are in a handler now; another thread may ask."""
        now_s = self._clock()
        return [
            {
                "id": work.envelope.id,
                "attempt": work.attempt,
                "delivery": work.delivery,
                "for_s": round(now_s - call.started_s, 3),
            }
            for call in tuple(self._running.values())
            for work in call.works
        ]

    async def cancel(self, is_unwanted: Callable[[Work], bool]) -> None:
        """End the calls of cancelled envelopes.

        In a batch the others go on: the result of the one is dropped when the call returns.
        """
        ending = []
        for runtime, call in self._running.items():
            unwanted = {index for index, work in enumerate(call.works) if is_unwanted(work)} - call.unwanted
            call.unwanted |= unwanted
            if unwanted and len(call.works) == 1:
                log.info("handler cancelled", extra=about(call.works[0], self._hop.actor))
                ending.append(runtime.cancel())
        await asyncio.gather(*ending)


def _ids_of(work: Work) -> tuple[str, str]:
    """A trace's id and this hop's span's, those of its trail where it has one."""
    return fresh_ids() if work.trail is None else (work.trail.context.trace_id, work.trail.context.span_id)


def _moment(work: Work | None, chance: float, ids: tuple[str, str], elapsed_s: float = 0.0) -> Moment:
    trail = None if work is None else work.trail
    if trail is None:
        return Moment(datetime.now(UTC), chance, *ids, elapsed_s)
    return Moment(datetime.now(UTC), chance, *ids, elapsed_s, sampled=trail.recorded, traced=trail.recorded)


def _note_call(works: Sequence[Work], elapsed_s: float) -> None:
    trails = [work.trail for work in works if work.trail is not None and work.trail.recorded]
    if trails:
        end_s = time.time()
        for trail in trails:
            trail.called, trail.batch = (end_s - elapsed_s, end_s), len(works)
        share_call(trails)
