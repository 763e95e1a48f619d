"""What is held of one actor's queue: how much is taken, what waits for a worker, whose lease is extended, what is released.

A slow handler holds exactly what it runs, a fast one a window ahead, until its calls turn out slow. The broker's deliveries
come in by ``fetch``, leave by ``next_batch``, and stay held until they are ``settled`` or released.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from asya_process.backoff import pauses
from asya_protocol.errors import LeaseLost, QueueMissing, TransportError
from asya_sidecar.core.window import Pace, prefetch_for
from asya_sidecar.metrics import Metrics
from asya_transport.port import Consumer, Delivery

log: Final = logging.getLogger(__name__)

RECEIVE_WAIT_S: Final = 20.0
"""One receive call waits at most this long; SQS bills empty polls, so the longest that it allows."""
TICK_S: Final = 0.5
"""How often an idle worker looks after a dead runtime, and the fetcher after room in the window."""


class Intake:
    """Holds one actor's deliveries.

    Args:
        consumer: Where they come from.
        pace: How fast handlers are.
        metrics: Told how many are held.
        workers: How many calls could be under way now; without one nothing is taken.
        batch_size: Most envelopes in a call.
        batch_wait_s: How long a batch is filled.
        fixed_window: Deliveries to hold, whatever the pace.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        consumer: Consumer,
        pace: Pace,
        metrics: Metrics,
        *,
        workers: Callable[[], int],
        batch_size: int = 1,
        batch_wait_s: float = 0.0,
        fixed_window: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._pace = pace
        self._metrics = metrics
        self._workers = workers
        self._batch_size = batch_size
        self._batch_wait_s = batch_wait_s
        self._fixed_window = fixed_window
        self._clock = clock
        self._held: dict[Delivery, float] = {}
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        """Something waits for a worker, or workers have to look up."""
        self._emptied = asyncio.Event()
        """There is room for more, or the fetcher has to look up."""
        self._prefetched = 0
        """The prefetch that the consumer was set to last."""
        self._receiving: asyncio.Future[list[Delivery]] | None = None
        self._paused = False
        """Others have got what was here, and nothing was asked for since."""
        self.stopping = asyncio.Event()
        """Nothing more is taken, and nothing more handed to workers."""
        self.beat_s = clock()
        """The clock at the last sign that the loop turns."""

    @property
    def held(self) -> int:
        """Deliveries that are not settled."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """Those of them that no worker has taken."""
        return len(self._waiting)

    @property
    def window(self) -> int:
        """Deliveries to hold at most."""
        if self._fixed_window is None:
            return self._pace.window
        return max(self._fixed_window, self._pace.at_once)

    async def fetch(self) -> None:
        """Take deliveries until it is stopped."""
        growing = pauses(1.0, 30.0)
        while not self.stopping.is_set():
            self.beat()
            try:
                if self._workers():
                    await self.keep_pace()
                room = self._room()
                if room <= 0 or not self._workers():
                    self._emptied.clear()
                    await _wait_for(self._emptied, TICK_S)
                    continue
                started_s = self._clock()
                deliveries = await self._receive(room)
                if deliveries:
                    self._metrics.receive_took(self._clock() - started_s)
                    await self._take(deliveries)
                growing = pauses(1.0, 30.0)
            except TransportError as exc:
                level = logging.ERROR if isinstance(exc, QueueMissing) else logging.WARNING
                pause_s = next(growing)
                log.log(level, "receive failed", extra={"error": str(exc), "retry_in_s": pause_s})
                await _wait_for(self.stopping, pause_s)

    async def keep_pace(self) -> None:
        """Hold as much as the handler's pace asks for."""
        wanted = self.window
        if self._fixed_window is None:
            wanted = prefetch_for(wanted, self._prefetched, self._pace.at_once)
        if wanted != self._prefetched:
            self._prefetched = wanted
            await self._consumer.set_prefetch(wanted)
            await self._release_surplus()

    async def next_batch(self) -> list[Delivery]:
        """Take the next delivery, and for a handler that takes batches wait a little for more."""
        first = await self._next_waiting()
        if first is None:
            return []
        batch = [first]
        deadline_s = self._clock() + self._batch_wait_s
        while len(batch) < self._batch_size:
            left_s = deadline_s - self._clock()
            if not self._waiting and left_s <= 0:
                break
            delivery = await self._next_waiting(max(left_s, 0.0))
            if delivery is not None:
                batch.append(delivery)
            elif self.stopping.is_set():
                break
        return batch

    def take_back(self, unseen: list[Delivery]) -> None:
        """Let deliveries that no handler has seen wait again, before all others."""
        self._waiting.extendleft(reversed(unseen))

    def held_s(self, delivery: Delivery) -> float:
        """For how long a delivery has been held."""
        now_s = self._clock()
        return now_s - self._held.get(delivery, now_s)

    def settled(self, delivery: Delivery) -> float:
        """Hold a delivery no longer; returns for how long it was held."""
        now_s = self._clock()
        return now_s - self._held.pop(delivery, now_s)

    def make_room(self) -> None:
        """Let the fetcher know that there may be room."""
        self._metrics.in_hand(len(self._held))
        if self._room() > 0:
            self._emptied.set()

    def beat(self) -> None:
        """Note that the loop turns."""
        self.beat_s = self._clock()

    def wake(self) -> None:
        """Let fetcher and workers look up."""
        self._arrived.set()
        self._emptied.set()

    def stop(self) -> None:
        """Take nothing more, and hand nothing more to workers."""
        self.stopping.set()
        self.wake()

    async def keep_free(self) -> None:
        """Let others have what waits behind slow calls, for ever."""
        while True:
            await asyncio.sleep(TICK_S / 2)
            if self._held_up() and not self._paused:
                log.info("calls are slow, others get what waits", extra={"count": self.waiting})
                await self.pause()

    async def pause(self) -> None:
        """Release what waits, and take nothing until the fetcher asks again."""
        self._paused = True
        if self._receiving is not None:
            self._receiving.cancel()
        await self._consumer.pause()
        await self.release_waiting()

    async def release_waiting(self) -> None:
        """Release what no worker has taken."""
        waiting = list(self._waiting)
        self._waiting.clear()
        await self._release(waiting)

    async def release_all(self) -> None:
        """Release whatever is still held."""
        await self._release(list(self._held))

    async def keep_leases(self) -> None:
        """Extend the lease of everything held at a third of its length, so that two extensions may fail."""
        lease_s = self._consumer.lease_s
        if lease_s is None:
            return
        while True:
            await asyncio.sleep(lease_s / 3)
            held = list(self._held)
            if held:
                try:
                    await self._consumer.extend(held, lease_s)
                    self._metrics.leases_extended(len(held))
                except TransportError as exc:
                    if isinstance(exc, LeaseLost):
                        self._metrics.lease_lost()
                    log.warning("leases not extended", extra={"error": str(exc), "count": len(held)})

    async def _receive(self, room: int) -> list[Delivery]:
        """Ask for deliveries; none when a pause comes between, and what the broker hands out just then is given back."""
        self._paused = False
        self._receiving = receiving = asyncio.ensure_future(self._consumer.receive(room, RECEIVE_WAIT_S))
        try:
            await asyncio.wait((receiving,))
        finally:
            self._receiving = None
            receiving.cancel()
        return [] if receiving.cancelled() else receiving.result()

    async def _take(self, deliveries: list[Delivery]) -> None:
        now_s = self._clock()
        self._metrics.received(deliveries)
        for delivery in deliveries:
            self._held[delivery] = now_s
        if self.stopping.is_set():
            await self._release(deliveries)
            return
        self._waiting.extend(deliveries)
        self._metrics.in_hand(len(self._held))
        self._arrived.set()
        if self._held_up():
            await self.pause()
        await self._release_surplus()  # The pace may have changed while they were on their way.

    async def _next_waiting(self, at_most_s: float = TICK_S) -> Delivery | None:
        if not self._waiting:
            self._arrived.clear()
            await _wait_for(self._arrived, at_most_s)
        return self._waiting.popleft() if self._waiting and not self.stopping.is_set() else None

    async def _release_surplus(self) -> None:
        """Let others have the newest of what is more than the pace asks for by now."""
        surplus = min(len(self._held) - self._prefetched, len(self._waiting))
        if surplus > 0:
            await self._release([self._waiting.pop() for _ in range(surplus)])

    async def _release(self, deliveries: Iterable[Delivery]) -> None:
        """Release deliveries; those whose lease is gone come again anyway."""
        deliveries = list(deliveries)
        results = await asyncio.gather(
            *(self._consumer.release(delivery) for delivery in deliveries), return_exceptions=True
        )
        for delivery in deliveries:
            self._held.pop(delivery, None)
        self._metrics.in_hand(len(self._held))
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, TransportError):
                raise result

    def _held_up(self) -> bool:
        return self._pace.held_up(self._workers(), self._clock())

    def _room(self) -> int:
        """How many deliveries to take now: 0 while half of what may wait still waits, so that they come in batches."""
        window = self.window
        if self._held_up() or len(self._waiting) > max((window - self._pace.at_once) // 2, self._batch_size - 1):
            return 0
        return window - len(self._held)


async def _wait_for(event: asyncio.Event, at_most_s: float) -> None:
    """Wait until something happened, or long enough; callers check again what they wait for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()
