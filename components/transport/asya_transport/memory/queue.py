"""One queue of the memory broker: what is ready, delayed and in flight, and which receivers wait.

Pure bookkeeping under the broker's clock; it awaits nothing but the futures of its waiting receivers. Whoever changes a
queue so that something may be received wakes a receiver; a woken receiver looks again and goes back to waiting when
another was faster, so that a lost race never loses an envelope.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from asya_transport.port import Depth, QueueSpec


@dataclass(slots=True, eq=False)
class Stored:
    """One envelope inside the broker.

    Attributes:
        body: As sent.
        attributes: Transport attributes.
        deliveries: How often it was handed out.
        lost: How often it came back because its connection dropped; only these count against the queue's limit.
        sent_s: The broker's clock when it was sent.
    """

    body: bytes
    attributes: Mapping[str, str]
    deliveries: int = 0
    lost: int = 0
    sent_s: float = 0.0


class MemoryQueue:
    """State of one queue."""

    def __init__(self, name: str, spec: QueueSpec) -> None:
        self.name = name
        self.spec = spec
        self.deleted = False
        self.in_flight = 0
        self._ready: deque[Stored] = deque()
        self._delayed: list[tuple[float, int, Stored]] = []
        self._sequence = 0
        self._waiters: dict[asyncio.Future[None], None] = {}

    def put(self, stored: Stored, now: float, delay_s: float) -> None:
        """Add one envelope at the end, or after a delay."""
        if delay_s > 0:
            self._sequence += 1
            heapq.heappush(self._delayed, (now + delay_s, self._sequence, stored))
            self.wake_all()  # each works out anew how long it may sleep
            return
        self._ready.append(stored)
        self.wake_one()

    def release(self, stored: Stored, now: float, delay_s: float = 0.0) -> None:
        """Take back one envelope that was handed out; without a delay it is the next to be received."""
        self.in_flight -= 1
        if delay_s > 0:
            self.put(stored, now, delay_s)
            return
        self._ready.appendleft(stored)
        self.wake_one()

    def take(self, limit: int, now: float) -> list[Stored]:
        """Hand out up to ``limit`` envelopes that are due."""
        self._promote(now)
        ready = self._ready
        taken = [ready.popleft() for _ in range(min(limit, len(ready)))]
        for stored in taken:
            stored.deliveries += 1
        self.in_flight += len(taken)
        return taken

    def depth(self, now: float) -> Depth:
        """Count what it holds."""
        self._promote(now)
        return Depth(ready=len(self._ready), in_flight=self.in_flight, delayed=len(self._delayed))

    def drain(self) -> int:
        """Forget everything that waits, delayed envelopes too."""
        count = len(self._ready) + len(self._delayed)
        self._ready.clear()
        self._delayed.clear()
        return count

    async def wait(self, now: float, until: float) -> None:
        """Sleep until something may be receivable, at most until ``until`` on the broker's clock."""
        if self._delayed:
            until = min(until, self._delayed[0][0])
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters[waiter] = None
        timer = loop.call_later(max(0.0, until - now), _resolve, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # It may have been woken for an envelope that it will not take: hand the wake-up on.
            if self._ready:
                self.wake_one(besides=waiter)
            raise
        finally:
            timer.cancel()
            self._waiters.pop(waiter, None)

    def wake_one(self, besides: asyncio.Future[None] | None = None) -> None:
        """Wake the receiver that waits longest."""
        while self._waiters:
            waiter = next(iter(self._waiters))
            del self._waiters[waiter]
            if waiter is not besides and not waiter.done():
                waiter.set_result(None)
                return

    def wake_all(self) -> None:
        """Wake every waiting receiver."""
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            _resolve(waiter)

    def _promote(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.append(heapq.heappop(self._delayed)[2])


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
