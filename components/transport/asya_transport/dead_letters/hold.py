"""One pass over a dead letter queue: whatever was received is held, its lease extended, until it is settled.

What is not settled when the pass ends, by itself, by an error or by cancellation, is released. Leases of what is held are
extended, so that nothing comes again within the pass; where that fails the broker hands it out again by itself.

The pass ends when nothing comes any more, or when its reader says so. A process that is killed leaves the return of
what it held to the broker: at once on RabbitMQ, on SQS when the lease ends (``HOLD_S`` at most).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from asya_protocol.errors import LeaseLost, TransportError
from asya_transport.port import Consumer, Delivery, QueueAdmin, Transport

HOLD_S: Final = 180.0
"""Extended leases: long enough for few requests with thousands held, short enough to wait for after a SIGKILL."""
EXTEND_BELOW_S: Final = 60.0
RECEIVE_MOST: Final = 100
RECEIVE_WAIT_S: Final = 1.0
"""Also how long an interruption waits for the receive under way; SQS asks all its servers from 1 s on."""
AGAIN_WAIT_S: Final = 0.2
"""The same when everything that was counted has been read; SQS makes a second of it."""
EMPTY_MOST: Final = 3
"""So often nothing may come while the queue's count says that there is more."""
PREFETCH: Final = 200
"""So many bodies may be on their way to us, whatever is held besides."""

log = logging.getLogger(__name__)


class Holding:
    """What one pass has taken and not settled.

    Args:
        consumer: Of the dead letter queue.
        expected: What the queue held at the start, about.
        stopping: Set when the pass shall end.
    """

    def __init__(self, consumer: Consumer, expected: int, stopping: asyncio.Event) -> None:
        self.consumer = consumer
        self.expected = expected
        self.read = 0
        self._stopping = stopping
        self._ours_until_s: dict[Delivery, float] = {}
        self._prefetch = PREFETCH
        self._subscribed: set[Delivery] = set()

    @property
    def past_end(self) -> bool:
        """Whether as many were read as there were at the start; what comes now is new, or comes again."""
        return self.read >= self.expected

    async def take(self) -> list[Delivery]:
        """Take some more; nothing at the end of the pass.

        Raises:
            TransportUnavailable: The broker is away.
            QueueMissing: The queue was deleted.
        """
        empty = 0
        while not self._stopping.is_set():
            await self._widen()
            taken = await self.consumer.receive(RECEIVE_MOST, AGAIN_WAIT_S if self.past_end else RECEIVE_WAIT_S)
            if taken:
                until_s = time.monotonic() + (self.consumer.lease_s or 0.0)
                self._ours_until_s.update((delivery, until_s) for delivery in taken)
                self._subscribed.update(taken)
                self.read += len(taken)
                return taken
            empty += 1
            if self.past_end or empty >= EMPTY_MOST:
                break
        return []

    async def settle(self, delivery: Delivery) -> None:
        """Acknowledge one.

        Raises:
            LeaseLost: It was no longer ours and may come again.
            TransportUnavailable: The broker could not be told; it comes again.
        """
        self._ours_until_s.pop(delivery, None)
        self._subscribed.discard(delivery)
        await self.consumer.ack(delivery)

    async def keep_leases(self) -> None:
        """Extend what is held, for as long as this runs."""
        lease_s = self.consumer.lease_s
        if lease_s is None:
            return
        while True:
            await asyncio.sleep(min(lease_s, EXTEND_BELOW_S) / 4)
            soon_s = time.monotonic() + min(lease_s, EXTEND_BELOW_S) * 3 / 4
            due = [delivery for delivery, until_s in self._ours_until_s.items() if until_s < soon_s]
            try:
                await self.consumer.extend(due, HOLD_S)
            except TransportError as exc:
                log.warning("not all leases could be extended", extra={"count": len(due), "error": str(exc)})
                if not isinstance(exc, LeaseLost):
                    continue  # asked again with the next round
            until_s = time.monotonic() + HOLD_S
            self._ours_until_s.update((delivery, until_s) for delivery in due if delivery in self._ours_until_s)

    async def release(self) -> None:
        """Release what is held; what cannot be released comes again by itself."""
        await self.consumer.stop()  # first, or what is released would be handed to us again
        # Latest first: a broker that puts each in front of the others then has its old order again.
        held, self._ours_until_s = list(reversed(self._ours_until_s)), {}
        results = await asyncio.gather(*(self.consumer.release(each) for each in held), return_exceptions=True)
        for error in results:
            if error is not None and not isinstance(error, TransportError):
                raise error

    async def _widen(self) -> None:
        """Let a broker that pushes push on, although what is held counts as unsettled there."""
        if len(self._subscribed) <= PREFETCH // 2:
            return
        # A changed prefetch makes a new subscription, and that counts from zero.
        self._prefetch = PREFETCH if self._prefetch != PREFETCH else PREFETCH + 1
        self._subscribed.clear()
        with suppress(TransportError):  # then the consumer subscribes again by itself
            await self.consumer.set_prefetch(self._prefetch)


@asynccontextmanager
async def hold(transport: Transport, admin: QueueAdmin, queue: str, stopping: asyncio.Event) -> AsyncIterator[Holding]:
    """Open a pass over a queue; what it has not settled is released at the end.

    Raises:
        QueueMissing: There is no such queue.
        TransportUnavailable: The broker is away.
    """
    depth = await admin.measure(queue)
    consumer = await transport.consume(queue, prefetch=PREFETCH)
    holding = Holding(consumer, depth.total, stopping)
    keeper = asyncio.create_task(holding.keep_leases())
    try:
        yield holding
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        try:
            await holding.release()
        finally:
            await consumer.close()
