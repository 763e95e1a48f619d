"""The sidecar's loop: receive, handler call, sends and settlement overlap inside a bounded window.

Tasks: one *fetcher* (``intake``) keeps up to a window of deliveries in hand; ``concurrency`` *workers* each own a runtime
connection and take a delivery, or a batch of them, only when the runtime can run it; a *finisher* task per delivery performs
the decision, so that the next call starts at once; one *keeper* extends leases; one *releaser* lets others have what waits
behind slow calls; one *listener* hears of cancels, where there is somebody to hear them from.

Drain (``stop``): take nothing more and release what no handler has seen; let running handlers and their sends finish
within the drain timeout; release the rest. No attempt is used up by a drain.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from asya_protocol.envelope import ancestors, format_time
from asya_protocol.errors import TransportError
from asya_sidecar.admission import Admission
from asya_sidecar.core.about import about, trace_of
from asya_sidecar.core.actions import Decision, RetryLater
from asya_sidecar.core.admit import Hop, Work, in_time
from asya_sidecar.core.fan_out import innermost_group
from asya_sidecar.core.trail import Trail
from asya_sidecar.core.window import MAX_AHEAD, Pace, plan_calls
from asya_sidecar.handling import Handling
from asya_sidecar.intake import TICK_S, Intake
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.piece_sender import PieceSender
from asya_sidecar.runtime_client import RuntimeClient, RuntimeNotReady
from asya_sidecar.tracing import HopTracing
from asya_transport.port import Consumer, Delivery

log: Final = logging.getLogger(__name__)

RUNTIME_PATIENCE_S: Final = 30.0
"""How long deliveries are held for a runtime that restarts, before other replicas get them."""
UNSETTLED_LIMIT: Final = 2 * MAX_AHEAD
"""Finished calls whose sends may be under way at once."""


class Pipeline:
    """Moves one actor's envelopes."""

    def __init__(
        self,
        *,
        hop: Hop,
        consumer: Consumer,
        performer: Performer,
        runtimes: list[RuntimeClient],
        metrics: Metrics,
        admission: Admission | None = None,
        pace: Pace | None = None,
        fixed_window: int | None = None,
        batch_size: int = 1,
        batch_wait_s: float = 0.0,
        drain_timeout_s: float = 25.0,
        tracing: HopTracing | None = None,
        pieces: PieceSender | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        pace = pace or Pace(len(runtimes) * batch_size)
        self._hop = hop
        self._consumer = consumer
        self._performer = performer
        self._runtimes = runtimes
        self._metrics = metrics
        metrics.slots(len(runtimes))
        self._admission = admission or Admission(hop)
        self._handling = Handling(hop, performer, metrics, pace, pieces=pieces, clock=clock)
        self._intake = Intake(
            consumer,
            pace,
            metrics,
            workers=lambda: self._ready_runtimes,
            batch_size=batch_size,
            batch_wait_s=batch_wait_s,
            fixed_window=fixed_window,
            clock=clock,
        )
        self._pieces = pieces
        self._batch_size = batch_size
        self._drain_timeout_s = drain_timeout_s
        self._tracing = tracing
        self._clock = clock
        self._unsettled = asyncio.Semaphore(UNSETTLED_LIMIT)
        self._finishers: set[asyncio.Task[None]] = set()
        self._ready_runtimes = 0
        self._away_s = clock()
        """Since when no runtime has been ready, while none is."""
        self._gave_up = False
        """Others have got what was here for it."""

    @property
    def beat_s(self) -> float:
        """The clock at the last sign that the loop turns; read by /health."""
        return self._intake.beat_s

    @property
    def runtime_ready(self) -> bool:
        """Whether a handler call could start now."""
        return self._ready_runtimes > 0

    def work_in_hand(self) -> dict[str, object]:
        """Say which envelopes handlers are at work on, and how many wait here; another thread may ask."""
        return {"actor": self._hop.actor, "running": self._handling.running(), "waiting": self._intake.waiting}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain."""
        async with asyncio.TaskGroup() as group:
            fetcher = group.create_task(self._intake.fetch(), name="fetcher")
            helpers = [
                group.create_task(self._intake.keep_leases(), name="keeper"),
                group.create_task(self._intake.keep_free(), name="releaser"),
                group.create_task(self._listen(), name="listener"),
                group.create_task(self._admission.keep(), name="dedup-keeper"),
            ]
            workers = [
                group.create_task(self._work(runtime), name=f"worker-{number}")
                for number, runtime in enumerate(self._runtimes)
            ]
            await stop.wait()
            self._intake.stop()
            await self._drain(fetcher, workers)
            for helper in helpers:
                helper.cancel()
        for runtime in self._runtimes:
            await runtime.close()
        await self._admission.close()

    async def _drain(self, fetcher: "asyncio.Task[None]", workers: list["asyncio.Task[None]"]) -> None:
        deadline_s = self._clock() + self._drain_timeout_s
        await self._intake.release_waiting()
        # The fetcher ends by itself: a receive call that is cut off could lose what the broker is just handing out.
        stopping = asyncio.ensure_future(self._consumer.stop())
        await asyncio.wait([fetcher, stopping], timeout=max(self._drain_timeout_s, 1.0))
        fetcher.cancel()
        await self._intake.release_waiting()
        await asyncio.wait(workers, timeout=max(deadline_s - self._clock(), 0.1))
        for worker in workers:
            worker.cancel()
        if self._finishers:
            await asyncio.wait(set(self._finishers), timeout=max(deadline_s - self._clock(), 2.0))
        for finisher in set(self._finishers):
            finisher.cancel()
        await asyncio.gather(*self._finishers, stopping, return_exceptions=True)
        await self._intake.release_all()

    async def _work(self, runtime: RuntimeClient) -> None:
        while not self._intake.stopping.is_set():
            if not await self._runtime_up(runtime):
                continue
            self._ready_runtimes += 1
            self._gave_up = False
            self._intake.wake()
            try:
                while not self._intake.stopping.is_set():
                    try:
                        await runtime.ready()
                    except RuntimeNotReady:
                        break
                    deliveries = await self._intake.next_batch()
                    if deliveries and not await self._handle(deliveries, runtime):
                        break
            finally:
                self._ready_runtimes -= 1
                self._away_s = self._clock()

    async def _runtime_up(self, runtime: RuntimeClient) -> bool:
        """Wait a while for the runtime; when it stays away, let other replicas have what waits here."""
        if await runtime.wait_ready(TICK_S):
            return True
        self._intake.beat()
        given_up = self._gave_up and not self._intake.waiting
        if not self.runtime_ready and not given_up and self._clock() - self._away_s > RUNTIME_PATIENCE_S:
            self._gave_up = True
            log.warning("runtime away, deliveries released", extra={"count": self._intake.waiting})
            await self._intake.pause()
        return False

    async def _handle(self, deliveries: list[Delivery], runtime: RuntimeClient) -> bool:
        """Bring deliveries from admission to their decisions; false when the runtime went away under it."""
        admitted: list[tuple[Delivery, Work]] = []
        for delivery in deliveries:
            taken_s = 0.0 if self._tracing is None else time.time()
            try:
                work = await self._admission.let_in(delivery.body)
            except Exception as exc:  # noqa: BLE001 - one envelope, and not this process with all others
                work = self._handling.despite(None, exc)
            trail = None
            if self._tracing is not None:
                trail = self._tracing.begin(work, delivery.body, self._intake.held_s(delivery), taken_s)
            if isinstance(work, Decision):
                await self._finish(delivery, None, work, trail)
            else:
                if trail is not None or delivery.delivery_count > 1:
                    work = replace(work, redelivered=delivery.delivery_count > 1, trail=trail)
                admitted.append((delivery, work))
        calls = plan_calls(admitted, self._batch_size)
        for place, planned in enumerate(calls):
            call = planned if place == 0 else await self._in_time(planned)
            if not call:
                continue
            try:
                decisions = await self._handling.call([work for _, work in call], runtime)
            except RuntimeNotReady:
                unseen = [pair for later in (call, *calls[place + 1 :]) for pair in later]
                for _, work in unseen:
                    await self._admission.let_go(work, None)
                self._intake.take_back([delivery for delivery, _ in unseen])
                return False
            except Exception as exc:  # noqa: BLE001 - as above
                decisions = [self._handling.despite(work, exc) for _, work in call]
            for (delivery, work), decision in zip(call, decisions, strict=True):
                await self._finish(delivery, work, decision, work.trail)
        return True

    async def _in_time(self, call: Sequence[tuple[Delivery, Work]]) -> Sequence[tuple[Delivery, Work]]:
        """Leave out what has become too late while others' calls ran before it."""
        left: list[tuple[Delivery, Work]] = []
        for delivery, work in call:
            looked = in_time(work, self._hop, datetime.now(UTC))
            if isinstance(looked, Decision):
                await self._finish(delivery, work, looked, work.trail)
            else:
                left.append((delivery, looked))
        return left

    async def _finish(self, delivery: Delivery, work: Work | None, decision: Decision, trail: Trail | None) -> None:
        """Hand a decision to a task of its own; waits only while too many are under way."""
        await self._unsettled.acquire()
        task = asyncio.create_task(self._perform(delivery, work, decision, trail))
        self._finishers.add(task)
        task.add_done_callback(self._finishers.discard)

    async def _perform(self, delivery: Delivery, work: Work | None, decision: Decision, trail: Trail | None) -> None:
        try:
            if work is not None and self._pieces is not None:
                await self._pieces.told(work.envelope.id)
            done = await self._carry_out(delivery, work, decision, trail)
            # Not when the drain cuts this off: it releases what is still held.
            duration_s = self._intake.settled(delivery)
        finally:
            self._unsettled.release()
            self._intake.make_room()
        # Not left to the fetcher alone, which may wait for more for a long time.
        with suppress(TransportError):
            await self._intake.keep_pace()
        self._metrics.settled(done.result, done.failed_reason, duration_s)
        if done.kind and not self._hop.logs_causes:
            log.debug("handler failed", extra={**about(work, self._hop.actor), "cause": done.cause})
        if self._tracing is not None and trail is not None:
            self._tracing.finish(trail, work, delivery.body, done)
        level = logging.INFO if done.failed_reason is None else logging.WARNING
        envelope = work.envelope if work else done.about
        log.log(
            level,
            "envelope settled",
            extra={
                "envelope_id": envelope.id if envelope else "",
                "actor": self._hop.actor,
                "result": done.result,
                "disposition": type(done.settlement).__name__,
                "duration_s": round(duration_s, 6),
                "sent": len(done.sends),
                **({"to": done.sends[0].actor} if done.sends else {}),
                **(
                    {"again_in_s": round(done.settlement.delay_s, 3)} if isinstance(done.settlement, RetryLater) else {}
                ),
                **({"until": format_time(done.until)} if done.until is not None else {}),
                **({"cause": cause} if (cause := done.logged(self._hop.logs_causes)) else {}),
                **({"parents": parents} if work and (parents := ancestors(work.envelope)) else {}),
                **({"group": group} if work and (group := innermost_group(work.envelope)) else {}),
                **({"hop": work.envelope.route.current, "attempt": work.attempt} if work else {}),
                **({"delivery": work.delivery} if work and done.failed_reason else {}),
                # Not of the handler's own errors, which use up attempts.
                **({"deliveries": self._hop.max_deliveries} if done.result == "retried" and not done.kind else {}),
                **({"trace_id": trace_id} if (trace_id := trace_of(envelope, trail)) else {}),
            },
        )

    async def _carry_out(
        self, delivery: Delivery, work: Work | None, decision: Decision, trail: Trail | None
    ) -> Decision:
        """Carry a decision out, whatever happens; the decision that was carried out in the end."""
        try:
            return await self._performer.perform(decision, delivery, work, trail)
        except Exception as exc:  # noqa: BLE001 - a defect of ours costs one envelope an attempt, and nothing else
            despite = self._handling.despite(work, exc)
        try:
            return await self._performer.perform(despite, delivery, work, trail)
        except Exception:
            log.exception("settlement failed", extra=about(work, self._hop.actor))
        try:
            await self._performer.release(delivery)
        except Exception:
            log.exception("delivery not released", extra=about(work, self._hop.actor))
        return despite

    async def _listen(self) -> None:
        """Ask for cancels while something runs, and end what was cancelled."""
        if self._admission.listen_s is None:
            return
        while True:
            await asyncio.sleep(self._admission.listen_s)
            if self._intake.held and await self._admission.refresh():
                await self._handling.cancel(self._admission.is_cancelled)
