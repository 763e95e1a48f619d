"""The memory broker: queues of one process, and the sessions through which they are used.

A session stands for a connection: what it was handed is bound to it and comes back when it closes. What is asked of a
broker is a value (``requests``), performed here at once, or in the broker's process by way of ``remote``; only
``receive`` waits. One event loop at a time may use a broker.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from asya_protocol import names
from asya_protocol.errors import LeaseLost, QueueMissing
from asya_transport.memory.queue import MemoryQueue, Stored
from asya_transport.port import QueueSpec

DEFAULT_MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""RabbitMQ's own default since 4.0, so that what fits here fits there.

Source: https://www.rabbitmq.com/docs/configure (max_message_size)
"""
MAX_DELAY_S: Final = 7 * 86400.0
"""Long enough for any retry; a longer one is a slip of units."""

Answer = TypeVar("Answer")


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One delivery as the broker hands it out; the tag settles it."""

    tag: int
    body: bytes
    delivery_count: int
    attributes: Mapping[str, str]
    waited_s: float


class Request(msgspec.Struct, Generic[Answer], array_like=True, frozen=True, gc=False, tag=True):
    """Something asked of a broker; ``asya_transport.memory.requests`` has them all."""

    def __call__(self, session: "LocalSession") -> Answer:
        """Do it, at once."""
        raise NotImplementedError


class Session(Protocol):
    """A connection to a memory broker, in this process or in another."""

    connection: int
    """Grows when the connection is lost; tags from before mean nothing after."""
    max_body_bytes: int
    """Largest body that the broker takes; known once connected."""

    async def connect(self) -> None:
        """Reach the broker, or raise TransportUnavailable."""

    async def ask(self, request: Request[Answer]) -> Answer:
        """Let the broker perform a request."""

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Taken]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""

    async def close(self) -> None:
        """Release everything and disconnect."""


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
            queue.release(stored, self.clock())
            return
        self.dead_letter(
            queue, dead, stored, f"lost {stored.lost} times by consumers that disconnected without settling it"
        )

    def dead_letter(self, queue: MemoryQueue, dead: MemoryQueue, stored: Stored, reason: str) -> None:
        """Move what was handed out to a dead letter queue."""
        queue.in_flight -= 1
        marks = {names.ATTRIBUTE_REASON: reason, names.ATTRIBUTE_QUEUE: queue.name}
        now_s = self.clock()
        dead.put(Stored(stored.body, {**stored.attributes, **marks}, sent_s=now_s), now_s, 0.0)


class LocalSession:
    """A connection inside the broker's own process."""

    connection = 0

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.max_body_bytes = broker.max_body_bytes
        self._held: dict[int, tuple[MemoryQueue, Stored]] = {}
        self._stopped: set[int] = set()
        self._closed = False

    async def connect(self) -> None:
        """Nothing to do in one process."""

    async def ask(self, request: Request[Answer]) -> Answer:
        """Perform a request."""
        return request(self)

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Taken]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""
        # One turn of the loop even when envelopes wait: a busy consumer must not starve everyone else. Nothing is
        # awaited after take(), so a cancelled receive has taken nothing.
        await asyncio.sleep(0)
        clock = self.broker.clock
        deadline = clock() + wait_s
        while not self._closed and consumer not in self._stopped:
            source, now = self.broker.queue(queue), clock()
            if taken := source.take(limit, now):
                return [self._hold(source, stored) for stored in taken]
            if now >= deadline:
                break
            await source.wait(now, deadline)
        return []

    def stop(self, consumer: int) -> None:
        """Let a consumer's waiting and later receives end empty."""
        self._stopped.add(consumer)
        self._wake_receivers()

    def held(self, tag: int) -> tuple[MemoryQueue, Stored]:
        """Look up a delivery that is out.

        Raises:
            LeaseLost: It is no longer ours.
        """
        held = self._held.get(tag)
        if held is None:
            raise LeaseLost("the delivery is settled already, or its connection to the memory broker is gone")
        if held[0].deleted:
            raise LeaseLost(f"queue {held[0].name!r} was deleted while the delivery was out")
        return held

    def settle(self, tag: int) -> tuple[MemoryQueue, Stored]:
        """Take a delivery out of those that are out.

        Raises:
            LeaseLost: It is no longer ours.
        """
        try:
            return self.held(tag)
        finally:
            self._held.pop(tag, None)

    async def close(self) -> None:
        """Release everything; it costs the envelopes nothing."""
        self.end(lost=False)

    def end(self, *, lost: bool) -> None:
        """Release everything; counted as lost when the connection is gone without a word."""
        self._closed = True
        self._wake_receivers()
        # Latest first, since each goes to the front: the order of the queue is kept.
        for queue, stored in reversed(list(self._held.values())):
            if queue.deleted:
                continue
            if lost:
                self.broker.return_lost(queue, stored)
            else:
                queue.release(stored, self.broker.clock())
        self._held.clear()

    def _hold(self, queue: MemoryQueue, stored: Stored) -> Taken:
        tag = self.broker.next_tag()
        self._held[tag] = (queue, stored)
        waited_s = self.broker.clock() - stored.sent_s
        return Taken(tag, stored.body, stored.deliveries, stored.attributes, waited_s)

    def _wake_receivers(self) -> None:
        for queue in self.broker.queues.values():
            queue.wake_all()
