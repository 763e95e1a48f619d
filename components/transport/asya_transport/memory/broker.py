"""The memory broker: queues of one process, and the sessions through which they are used.

A session stands for a connection: what it was handed is bound to it and comes back when it closes. Its methods are
coroutines because ``memory_remote.RemoteSession`` offers the same ones over a Unix socket; here only ``receive`` waits.
One event loop at a time may use a broker.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from asya_protocol import names
from asya_protocol.errors import EnvelopeTooLarge, LeaseLost, QueueMissing
from asya_transport.memory.queue import MemoryQueue, Stored
from asya_transport.port import Delivery, Depth, QueueSpec

DEFAULT_MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""RabbitMQ's own default since 4.0, so that what fits here fits there.

Source: https://www.rabbitmq.com/docs/configure (max_message_size)
"""
MAX_DELAY_S: Final = 7 * 86400.0
"""Long enough for any retry; a longer one is a slip of units."""

_NO_ATTRIBUTES: Final[Mapping[str, str]] = {}


class Session(Protocol):
    """A connection to a memory broker, in this process or in another."""

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes; known once connected."""

    async def connect(self) -> None:
        """Reach the broker, or raise TransportUnavailable."""

    async def send(self, queue: str, body: bytes, delay_s: float, attributes: Mapping[str, str] | None) -> None:
        """Store one body."""

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""

    async def ack(self, receipt: object) -> None:
        """Forget a delivery."""

    async def release(self, receipt: object, delay_s: float) -> None:
        """Give a delivery back."""

    async def dead_letter(self, receipt: object, reason: str) -> None:
        """Move a delivery to the dead letter queue."""

    async def stop(self, consumer: int) -> None:
        """Let a consumer's waiting and later receives end empty."""

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make a queue and its dead letter queue."""

    async def measure(self, queue: str) -> Depth:
        """Count a queue."""

    async def list_queues(self, prefix: str) -> list[str]:
        """Name the queues with a prefix, sorted."""

    async def drain(self, queue: str) -> int:
        """Throw away what waits."""

    async def delete(self, queue: str, force: bool) -> bool:
        """Delete a queue and its dead letter queue."""

    async def close(self) -> None:
        """Give everything back and disconnect."""


class MemoryBroker:
    """All queues of one process.

    Args:
        max_body_bytes: Larger bodies are refused.
        clock: Seconds that only grow; delays are measured with it.
    """

    def __init__(
        self, *, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.clock = clock
        self.queues: dict[str, MemoryQueue] = {}
        self._tags = itertools.count(1)

    def open_session(self) -> "LocalSession":
        """Connect to it."""
        return LocalSession(self)

    def next_tag(self) -> int:
        """Number a delivery; no number is used twice."""
        return next(self._tags)

    def queue(self, name: str) -> MemoryQueue:
        """Look a queue up.

        Raises:
            QueueMissing: There is none.
        """
        queue = self.queues.get(name)
        if queue is None:
            raise QueueMissing(name)
        return queue

    def create(self, name: str, spec: QueueSpec) -> None:
        """Make a queue and its dead letter queue, or adopt the spec where they exist."""
        for each in (name, names.dlq_name(name)):
            existing = self.queues.get(each)
            if existing is None:
                self.queues[each] = MemoryQueue(each, spec)
            else:
                existing.spec = spec

    def delete(self, name: str, *, force: bool) -> bool:
        """Delete a queue and its dead letter queue; without ``force`` only when both are empty."""
        doomed = [self.queues[each] for each in (name, names.dlq_name(name)) if each in self.queues]
        now = self.clock()
        if not force and any(queue.depth(now).total for queue in doomed):
            return False
        for queue in doomed:
            del self.queues[queue.name]
            queue.deleted = True
            queue.wake_all()
        return True

    def return_lost(self, queue: MemoryQueue, stored: Stored) -> None:
        """Take back a delivery whose connection dropped; too many of these make it a dead letter."""
        stored.lost += 1
        dead = self.queues.get(names.dlq_name(queue.name))
        if dead is None or stored.lost < queue.spec.max_deliveries:
            queue.put_back(stored, self.clock())
            return
        self.dead_letter(
            queue, dead, stored, f"lost {stored.lost} times by consumers that disconnected without settling it"
        )

    def dead_letter(self, queue: MemoryQueue, dead: MemoryQueue, stored: Stored, reason: str) -> None:
        """Move what was handed out to a dead letter queue."""
        queue.in_flight -= 1
        marks = {names.ATTRIBUTE_REASON: reason, names.ATTRIBUTE_QUEUE: queue.name}
        dead.put(Stored(stored.body, {**stored.attributes, **marks}), self.clock(), 0.0)


class LocalSession:
    """A connection inside the broker's own process."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._held: dict[object, tuple[MemoryQueue, Stored]] = {}
        self._stopped: set[int] = set()
        self._closed = False

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes."""
        return self._broker.max_body_bytes

    async def connect(self) -> None:
        """Nothing to do in one process."""

    async def send(self, queue: str, body: bytes, delay_s: float, attributes: Mapping[str, str] | None) -> None:
        """Store one body."""
        self.put(queue, body, delay_s, attributes)

    def put(self, queue: str, body: bytes, delay_s: float, attributes: Mapping[str, str] | None) -> None:
        """Store one body at once."""
        broker = self._broker
        target = broker.queue(queue)
        if len(body) > broker.max_body_bytes:
            raise EnvelopeTooLarge(len(body), broker.max_body_bytes)
        target.put(Stored(body, dict(attributes) if attributes else _NO_ATTRIBUTES), broker.clock(), delay_s)

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""
        # One turn of the loop even when envelopes wait: a busy consumer must not starve everyone else. Nothing is
        # awaited after take(), so a cancelled receive has taken nothing.
        await asyncio.sleep(0)
        clock = self._broker.clock
        deadline = clock() + wait_s
        while not self._closed and consumer not in self._stopped:
            source, now = self._broker.queue(queue), clock()
            if taken := source.take(limit, now):
                return [self._hold(source, stored) for stored in taken]
            if now >= deadline:
                break
            await source.wait(now, deadline)
        return []

    async def ack(self, receipt: object) -> None:
        """Forget a delivery."""
        queue, _ = self._settle(receipt)
        queue.in_flight -= 1

    async def release(self, receipt: object, delay_s: float) -> None:
        """Give a delivery back."""
        queue, stored = self._settle(receipt)
        queue.put_back(stored, self._broker.clock(), delay_s)

    async def dead_letter(self, receipt: object, reason: str) -> None:
        """Move a delivery to the dead letter queue."""
        held = self._held.get(receipt)
        if held is not None and not held[0].deleted:
            self._broker.queue(names.dlq_name(held[0].name))  # missing: the delivery stays ours
        queue, stored = self._settle(receipt)
        self._broker.dead_letter(queue, self._broker.queue(names.dlq_name(queue.name)), stored, reason)

    async def stop(self, consumer: int) -> None:
        """Let a consumer's waiting and later receives end empty."""
        self._stopped.add(consumer)
        self._wake_receivers()

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make a queue and its dead letter queue."""
        self._broker.create(queue, spec)

    async def measure(self, queue: str) -> Depth:
        """Count a queue."""
        return self._broker.queue(queue).depth(self._broker.clock())

    async def list_queues(self, prefix: str) -> list[str]:
        """Name the queues with a prefix, sorted."""
        return sorted(name for name in self._broker.queues if name.startswith(prefix))

    async def drain(self, queue: str) -> int:
        """Throw away what waits."""
        return self._broker.queue(queue).drain()

    async def delete(self, queue: str, force: bool) -> bool:
        """Delete a queue and its dead letter queue."""
        return self._broker.delete(queue, force=force)

    async def close(self) -> None:
        """Give everything back; it costs the envelopes nothing."""
        self._end(lost=False)

    def drop(self) -> None:
        """The connection is gone without a word: everything comes back, counted as lost."""
        self._end(lost=True)

    def _end(self, *, lost: bool) -> None:
        self._closed = True
        self._wake_receivers()
        # Latest first, since each goes to the front: the order of the queue is kept.
        for queue, stored in reversed(list(self._held.values())):
            if queue.deleted:
                continue
            if lost:
                self._broker.return_lost(queue, stored)
            else:
                queue.put_back(stored, self._broker.clock())
        self._held.clear()

    def _hold(self, queue: MemoryQueue, stored: Stored) -> Delivery:
        tag = self._broker.next_tag()
        self._held[tag] = (queue, stored)
        return Delivery(stored.body, tag, stored.deliveries, stored.attributes)

    def _settle(self, receipt: object) -> tuple[MemoryQueue, Stored]:
        held = self._held.pop(receipt, None)
        if held is None:
            raise LeaseLost("the delivery is settled already, or its connection to the memory broker is gone")
        if held[0].deleted:
            raise LeaseLost(f"queue {held[0].name!r} was deleted while the delivery was out")
        return held

    def _wake_receivers(self) -> None:
        for queue in self._broker.queues.values():
            queue.wake_all()
