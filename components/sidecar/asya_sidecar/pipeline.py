"""The sidecar's loop: receive, handler call, sends and settlement overlap inside a bounded window.

Tasks: one *fetcher* keeps up to a window of deliveries in hand (a slow handler holds exactly what it runs); ``concurrency``
*workers* each own a runtime connection and take a delivery, or a batch of them, only when the runtime can run it; a
*finisher* task per delivery performs the decision, so that the next call starts at once; one *keeper* extends leases; one
*listener* hears of cancels, where there is somebody to hear them from.

Drain (``stop``): take nothing more and give back what no handler has seen; let running handlers and their sends finish
within the drain timeout; give back the rest. No attempt is used up by a drain.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from asya_process.backoff import pauses
from asya_protocol.errors import QueueMissing, TransportError
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Decision, Report, RetryLater
from asya_sidecar.core.admit import Hop, Work, in_time
from asya_sidecar.core.batches import plan_calls
from asya_sidecar.core.window import MAX_AHEAD, prefetch_for, window
from asya_sidecar.handling import Handling
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.reporter import GatewayReporter
from asya_sidecar.runtime_client import RuntimeClient, RuntimeNotReady
from asya_transport.port import Consumer, Delivery

log: Final = logging.getLogger(__name__)

RECEIVE_WAIT_S: Final = 20.0
"""One receive call waits at most this long; SQS bills empty polls, so the longest that it allows."""
TICK_S: Final = 0.5
"""How often an idle worker looks after a dead runtime, and the fetcher after room in the window."""
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
        gate: Admission | None = None,
        gateway: GatewayReporter | None = None,
        fixed_window: int | None = None,
        batch_size: int = 1,
        batch_wait_s: float = 0.0,
        drain_timeout_s: float = 25.0,
    ) -> None:
        self._hop = hop
        self._consumer = consumer
        self._performer = performer
        self._runtimes = runtimes
        self._metrics = metrics
        self._gate = gate or Admission(hop)
        self._gateway = gateway
        self._handling = Handling(hop, performer, metrics, self._post if gateway is not None else None)
        self._fixed_window = fixed_window
        self._batch_size = batch_size
        self._batch_wait_s = batch_wait_s
        self._drain_timeout_s = drain_timeout_s
        self._in_hand: dict[Delivery, float] = {}
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        """Something waits for a worker, or workers have to look up."""
        self._emptied = asyncio.Event()
        """There is room for more, or the fetcher has to look up."""
        self._prefetched = 0
        """What the consumer was told last."""
        self._unsettled = asyncio.Semaphore(UNSETTLED_LIMIT)
        self._finishers: set[asyncio.Task[None]] = set()
        self._ready_runtimes = 0
        self._away_s = time.monotonic()
        """Since when no runtime has been ready, while ``None`` is."""
        self._gave_up = False
        """Others have got what was here for it."""
        self._stopping = asyncio.Event()
        self.beat_s = time.monotonic()
        """`time.monotonic` of the last sign that the loop turns; read by /health."""

    @property
    def runtime_ready(self) -> bool:
        """Whether a handler call could start now."""
        return self._ready_runtimes > 0

    def work_in_hand(self) -> dict[str, object]:
        """Say which envelopes handlers are at work on, and how many wait here; another thread may ask."""
        return {"actor": self._hop.actor, "running": self._handling.running(), "waiting": len(self._waiting)}

    @property
    def window(self) -> int:
        """Deliveries to hold at most."""
        at_once = self._at_once
        adaptive = window(at_once, self._handling.mean_s)
        return adaptive if self._fixed_window is None else max(self._fixed_window, at_once)

    def _prefetch(self, current: int) -> int:
        window = self.window
        return prefetch_for(window, current, self._at_once) if self._fixed_window is None else window

    @property
    def _at_once(self) -> int:
        """Deliveries that handlers can work on at the same time."""
        return len(self._runtimes) * self._batch_size

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain."""
        async with asyncio.TaskGroup() as group:
            fetcher = group.create_task(self._fetch(), name="fetcher")
            keeper = group.create_task(self._keep_leases(), name="keeper")
            helpers = [group.create_task(self._listen(), name="listener")]
            if self._gate.dedup is not None:
                helpers.append(group.create_task(self._gate.dedup.keep(), name="dedup-keeper"))
            workers = [
                group.create_task(self._work(runtime), name=f"worker-{number}")
                for number, runtime in enumerate(self._runtimes)
            ]
            await stop.wait()
            self._stopping.set()
            self._wake()
            await self._drain(fetcher, workers)
            keeper.cancel()
            for helper in helpers:
                helper.cancel()
        for runtime in self._runtimes:
            await runtime.close()
        if self._gate.dedup is not None:
            await self._gate.dedup.close()

    async def _drain(self, fetcher: "asyncio.Task[None]", workers: list["asyncio.Task[None]"]) -> None:
        deadline_s = time.monotonic() + self._drain_timeout_s
        await self._give_back_waiting()
        # The fetcher ends by itself: a receive call that is cut off could lose what the broker is just handing out.
        stopping = asyncio.ensure_future(self._consumer.stop())
        await asyncio.wait([fetcher, stopping], timeout=max(self._drain_timeout_s, 1.0))
        fetcher.cancel()
        await self._give_back_waiting()
        await asyncio.wait(workers, timeout=max(deadline_s - time.monotonic(), 0.1))
        for worker in workers:
            worker.cancel()
        if self._finishers:
            await asyncio.wait(set(self._finishers), timeout=max(deadline_s - time.monotonic(), 2.0))
        for finisher in set(self._finishers):
            finisher.cancel()
        await asyncio.gather(*self._finishers, stopping, return_exceptions=True)
        await self._performer.give_back(list(self._in_hand))

    async def _fetch(self) -> None:
        growing = pauses(1.0, 30.0)
        while not self._stopping.is_set():
            self.beat_s = time.monotonic()
            try:
                if self.runtime_ready:
                    await self._keep_pace()
                room = self._room()
                if room <= 0 or not self.runtime_ready:
                    self._emptied.clear()
                    await _wait_for(self._emptied, TICK_S)
                    continue
                started_s = time.monotonic()
                deliveries = await self._consumer.receive(room, RECEIVE_WAIT_S)
                if deliveries:
                    self._metrics.receive_took(time.monotonic() - started_s)
                    await self._take(deliveries)
                growing = pauses(1.0, 30.0)
            except TransportError as exc:
                level = logging.ERROR if isinstance(exc, QueueMissing) else logging.WARNING
                pause_s = next(growing)
                log.log(level, "receive failed", extra={"error": str(exc), "retry_in_s": pause_s})
                await _wait_for(self._stopping, pause_s)

    async def _keep_pace(self) -> None:
        """Hold as much as the handler's pace asks for."""
        wanted = self._prefetch(self._prefetched)
        if wanted != self._prefetched:
            self._prefetched = wanted
            await self._consumer.set_prefetch(wanted)
            await self._give_back_surplus()

    async def _give_back_surplus(self) -> None:
        """Let others have the newest of what is more than the pace asks for by now."""
        surplus = min(len(self._in_hand) - self._prefetched, len(self._waiting))
        if surplus > 0:
            await self._give_back([self._waiting.pop() for _ in range(surplus)])

    async def _take(self, deliveries: list[Delivery]) -> None:
        now_s = time.monotonic()
        for delivery in deliveries:
            self._metrics.received(len(delivery.body))
            self._in_hand[delivery] = now_s
        if self._stopping.is_set():
            await self._give_back(deliveries)
            return
        self._waiting.extend(deliveries)
        self._metrics.in_hand(len(self._in_hand))
        self._arrived.set()
        await self._give_back_surplus()  # The pace may have changed while they were on their way.

    async def _work(self, runtime: RuntimeClient) -> None:
        while not self._stopping.is_set():
            if not await self._runtime_up(runtime):
                continue
            self._ready_runtimes += 1
            self._gave_up = False
            self._wake()
            try:
                while not self._stopping.is_set():
                    try:
                        await runtime.ready()
                    except RuntimeNotReady:
                        break
                    deliveries = await self._next_batch()
                    if deliveries and not await self._handle(deliveries, runtime):
                        break
            finally:
                self._ready_runtimes -= 1
                self._away_s = time.monotonic()

    async def _runtime_up(self, runtime: RuntimeClient) -> bool:
        """Wait a while for the runtime; when it stays away, let other replicas have what waits here."""
        if await runtime.wait_ready(TICK_S):
            return True
        self.beat_s = time.monotonic()
        given_up = self._gave_up and not self._waiting
        if not self.runtime_ready and not given_up and self.beat_s - self._away_s > RUNTIME_PATIENCE_S:
            self._gave_up = True
            log.warning("runtime away, deliveries given back", extra={"count": len(self._waiting)})
            await self._consumer.pause()  # until the fetcher asks for more
            await self._give_back_waiting()
        return False

    async def _next_waiting(self, at_most_s: float = TICK_S) -> Delivery | None:
        if not self._waiting:
            self._arrived.clear()
            await _wait_for(self._arrived, at_most_s)
        return self._waiting.popleft() if self._waiting and not self._stopping.is_set() else None

    async def _next_batch(self) -> list[Delivery]:
        """Take the next delivery, and for a handler that takes batches wait a little for more."""
        first = await self._next_waiting()
        if first is None:
            return []
        batch = [first]
        if self._batch_size > 1:
            deadline_s = time.monotonic() + self._batch_wait_s
            while len(batch) < self._batch_size:
                left_s = deadline_s - time.monotonic()
                if not self._waiting and left_s <= 0:
                    break
                delivery = await self._next_waiting(max(left_s, 0.0))
                if delivery is not None:
                    batch.append(delivery)
                elif self._stopping.is_set():
                    break
        return batch

    async def _handle(self, deliveries: list[Delivery], runtime: RuntimeClient) -> bool:
        """Bring deliveries from admission to their decisions; false when the runtime went away under it."""
        admitted: list[tuple[Delivery, Work]] = []
        for delivery in deliveries:
            try:
                work = await self._gate.admit(delivery.body)
            except Exception as exc:  # noqa: BLE001 - one envelope, and not this process with all others
                work = self._handling.despite(None, exc)
            if isinstance(work, Decision):
                await self._finish(delivery, None, work)
            else:
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
                if self._gate.dedup is not None:
                    for _, work in unseen:
                        await self._gate.dedup.end(work, None)
                self._waiting.extendleft(delivery for delivery, _ in reversed(unseen))
                return False
            except Exception as exc:  # noqa: BLE001 - as above
                decisions = [self._handling.despite(work, exc) for _, work in call]
            for (delivery, work), decision in zip(call, decisions, strict=True):
                await self._finish(delivery, work, decision)
        return True

    async def _in_time(self, call: Sequence[tuple[Delivery, Work]]) -> Sequence[tuple[Delivery, Work]]:
        """Leave out what has become too late while others' calls ran before it."""
        left: list[tuple[Delivery, Work]] = []
        for delivery, work in call:
            looked = in_time(work, self._hop, datetime.now(UTC))
            if isinstance(looked, Decision):
                await self._finish(delivery, work, looked)
            else:
                left.append((delivery, looked))
        return left

    async def _finish(self, delivery: Delivery, work: Work | None, decision: Decision) -> None:
        """Hand a decision to a task of its own; waits only while too many are under way."""
        await self._unsettled.acquire()
        task = asyncio.create_task(self._perform(delivery, work, decision))
        self._finishers.add(task)
        task.add_done_callback(self._finishers.discard)

    async def _perform(self, delivery: Delivery, work: Work | None, decision: Decision) -> None:
        try:
            done = await self._settle(delivery, work, decision)
            # Not when the drain cuts this off: it gives back what is still in hand.
            taken_s = self._in_hand.pop(delivery, time.monotonic())
        finally:
            self._unsettled.release()
            self._metrics.in_hand(len(self._in_hand))
            if self._room() > 0:
                self._emptied.set()
        # Not left to the fetcher alone, which may wait for more for a long time.
        with suppress(TransportError):
            await self._keep_pace()
        duration_s = time.monotonic() - taken_s
        self._metrics.settled(done.result, done.failed_reason, duration_s)
        level = logging.INFO if done.failed_reason is None else logging.WARNING
        log.log(
            level,
            "envelope settled",
            extra={
                "envelope_id": work.envelope.id if work else "",
                "actor": self._hop.actor,
                "result": done.result,
                "disposition": type(done.settlement).__name__,
                "duration_s": round(duration_s, 6),
                "sent": len(done.sends),
                **({"to": done.sends[0].actor} if done.sends else {}),
                **(
                    {"again_in_s": round(done.settlement.delay_s, 3)} if isinstance(done.settlement, RetryLater) else {}
                ),
                **({"cause": done.cause} if done.cause else {}),
                **({"attempt": work.attempt, "delivery": work.delivery} if work and done.failed_reason else {}),
            },
        )

    async def _settle(self, delivery: Delivery, work: Work | None, decision: Decision) -> Decision:
        """Carry a decision out, whatever happens; the decision that was carried out in the end."""
        try:
            return await self._performer.perform(decision, delivery, work)
        except Exception as exc:  # noqa: BLE001 - a defect of ours costs one envelope an attempt, and nothing else
            despite = self._handling.despite(work, exc)
        try:
            return await self._performer.perform(despite, delivery, work)
        except Exception:
            log.exception("settlement failed", extra={"envelope_id": work.envelope.id if work else ""})
        try:
            await self._performer.hand_back(delivery)
        except Exception:
            log.exception("delivery not given back", extra={"envelope_id": work.envelope.id if work else ""})
        return despite

    async def _keep_leases(self) -> None:
        """Extend the lease of everything in hand at a third of its length, so that two extensions may fail."""
        lease_s = self._consumer.lease_s
        if lease_s is None:
            return
        while True:
            await asyncio.sleep(lease_s / 3)
            held = list(self._in_hand)
            if held:
                try:
                    await self._consumer.extend(held, lease_s)
                except TransportError as exc:
                    log.warning("leases not extended", extra={"error": str(exc), "count": len(held)})

    async def _listen(self) -> None:
        """Ask for cancels while something runs, and end what was cancelled."""
        if self._gate.listen_s is None:
            return
        while True:
            await asyncio.sleep(self._gate.listen_s)
            if self._in_hand and await self._gate.refresh():
                await self._handling.cancel(self._gate.is_cancelled)

    async def _give_back_waiting(self) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        await self._give_back(waiting)

    async def _give_back(self, deliveries: list[Delivery]) -> None:
        await self._performer.give_back(deliveries)
        for delivery in deliveries:
            self._in_hand.pop(delivery, None)
        self._metrics.in_hand(len(self._in_hand))

    def _room(self) -> int:
        """How many deliveries to take now: ``None`` while half of what may wait still waits, so that they come in batches."""
        window = self.window
        if len(self._waiting) > max((window - self._at_once) // 2, self._batch_size - 1):
            return 0
        return window - len(self._in_hand)

    def _wake(self) -> None:
        self._arrived.set()
        self._emptied.set()

    def _post(self, reports: Iterable[Report]) -> None:
        if self._gateway is not None:
            for report in reports:
                self._gateway.post(report)


async def _wait_for(event: asyncio.Event, at_most_s: float) -> None:
    """Wait until something happened, or long enough; callers check again what they wait for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()
