"""The memory transport: for tests, embedding and the local mesh; it passes the same contract suite as the real brokers.

Without a socket it uses the one broker of this process; with ``ASYA_MEMORY_SOCKET`` a broker in another process
(``server``). Nothing survives the broker's process.
"""

import contextlib
import itertools
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from asya_protocol.errors import LeaseLost, QueueMissing, TransportError
from asya_transport.memory import requests
from asya_transport.memory.broker import DEFAULT_MAX_BODY_BYTES, MAX_DELAY_S, MemoryBroker, Session
from asya_transport.port import Delivery, Depth, QueueSpec
from asya_transport.settings import TransportSettings

__all__ = ["DEFAULT_MAX_BODY_BYTES", "MemoryAdmin", "MemoryBroker", "MemoryConsumer", "MemoryTransport", "open_session"]

_process_brokers: Final[dict[int, MemoryBroker]] = {}
"""Brokers of this process by body limit; one in practice, made when first asked for."""
_consumer_numbers = itertools.count(1)


def open_session(settings: TransportSettings) -> Session:
    """Connect to the broker that the settings name, here or behind a socket."""
    if settings.memory_socket:
        from asya_transport.memory.remote import RemoteSession

        return RemoteSession(
            settings.memory_socket,
            attempts=settings.queue_retry_max_attempts,
            backoff_s=settings.queue_retry_backoff_s,
        )
    limit = settings.memory_max_body_bytes
    return _process_brokers.setdefault(limit, MemoryBroker(max_body_bytes=limit)).open_session()


class MemoryTransport:
    """A connection to a memory broker.

    Args:
        session: From ``MemoryBroker.open_session`` or ``open_session``; this transport owns it.
    """

    name = "memory"
    max_delay_s = MAX_DELAY_S
    requests: Mapping[str, int] = MappingProxyType({})  # not billed

    def __init__(self, session: Session) -> None:
        self._session = session
        self._closed = False

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes."""
        return self._session.max_body_bytes

    async def connect(self) -> None:
        """Reach the broker."""
        await self._session.connect()

    async def ping(self) -> None:
        """Ask the broker something."""
        await self._session.ask(requests.Hello())

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Put one body on a queue; it is stored when this returns."""
        if self._closed:
            raise TransportError("the memory transport is closed")
        check_delay(delay_s)
        await self._session.ask(requests.Send(queue, body, delay_s, dict(attributes) if attributes else None))

    async def consume(self, queue: str, *, prefetch: int = 1) -> "MemoryConsumer":
        """Open a consumer; nothing is taken before ``receive``."""
        await self._session.ask(requests.Measure(queue))  # raises QueueMissing
        return MemoryConsumer(self._session, queue)

    async def close(self) -> None:
        """Release unsettled deliveries and disconnect."""
        self._closed = True
        await self._session.close()


class _Receipt(NamedTuple):
    """What settles a delivery: its number, valid only on the connection that handed it out."""

    connection: int
    tag: int


class MemoryConsumer:
    """A subscription to one queue; deliveries stay ours as long as the connection."""

    lease_s = None
    returns_are_free = True

    def __init__(self, session: Session, queue: str) -> None:
        self._session = session
        self._queue = queue
        self._number = next(_consumer_numbers)
        self._out: dict[object, None] = {}
        self.last_poll_s = time.monotonic()
        self._stopped = False

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries, waiting for the first."""
        if self._stopped:
            return []
        connection = self._session.connection
        taken = await self._session.receive(self._number, self._queue, limit, wait_s)
        self.last_poll_s = time.monotonic()
        now_s = time.time()
        deliveries = [
            Delivery(
                each.body,
                _Receipt(connection, each.tag),
                each.delivery_count,
                each.attributes,
                sent_s=now_s - each.waited_s,
            )
            for each in taken
        ]
        self._out.update(dict.fromkeys(delivery.receipt for delivery in deliveries))
        return deliveries

    async def ack(self, delivery: Delivery) -> None:
        """Settle: done."""
        await self._session.ask(requests.Ack(self._claim(delivery.receipt)))

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Settle: let it come again."""
        check_delay(delay_s)
        await self._session.ask(requests.Release(self._claim(delivery.receipt), delay_s))

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Settle: move it to the dead letter queue."""
        try:
            await self._session.ask(requests.DeadLetter(self._claim(delivery.receipt), reason))
        except QueueMissing:
            self._out[delivery.receipt] = None
            raise

    async def extend(self, deliveries: Sequence[Delivery], lease_s: float) -> None:
        """Nothing to do: there is no lease."""

    async def set_prefetch(self, prefetch: int) -> None:
        """Nothing to do: the broker never pushes."""

    async def pause(self) -> None:
        """Nothing to do: this broker never pushes."""

    async def stop(self) -> None:
        """Take nothing more; a waiting ``receive`` ends."""
        self._stopped = True
        with contextlib.suppress(TransportError):  # a lost connection receives nothing either
            await self._session.ask(requests.Stop(self._number))

    async def close(self) -> None:
        """Stop, and release everything that is out; latest first, since each goes to the front of its queue."""
        await self.stop()
        for receipt in reversed(list(self._out)):
            with contextlib.suppress(TransportError):
                await self._session.ask(requests.Release(self._claim(receipt)))

    def _claim(self, receipt: object) -> int:
        self._out.pop(receipt, None)
        if not isinstance(receipt, _Receipt) or receipt.connection != self._session.connection:
            raise LeaseLost("the connection that handed the delivery out is gone")
        return receipt.tag


class MemoryAdmin:
    """Creates, measures and deletes the queues of a memory broker.

    Args:
        session: From ``MemoryBroker.open_session`` or ``open_session``; this admin owns it.
    """

    version = ""
    alarms = ()
    requests: Mapping[str, int] = MappingProxyType({})  # not billed

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make the queue and its dead letter queue."""
        await self._session.ask(requests.Create(queue, spec.max_deliveries))

    async def measure(self, queue: str) -> Depth:
        """Count a queue's envelopes."""
        return await self._session.ask(requests.Measure(queue))

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """The queues that start with ``prefix``, sorted; not what they hold."""
        found = await self._session.ask(requests.ListQueues(prefix))
        return dict.fromkeys(found)

    async def drain(self, queue: str) -> int:
        """Purge what waits, delayed envelopes too."""
        return await self._session.ask(requests.Drain(queue))

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """Delete a queue and its dead letter queue; whether it is gone."""
        return await self._session.ask(requests.Delete(queue, force))

    async def close(self) -> None:
        """Disconnect."""
        await self._session.close()


def check_delay(delay_s: float) -> None:
    """Refuse a delay that cannot be kept."""
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise ValueError(f"delay of {delay_s} s is outside 0 to {MAX_DELAY_S:g} s")
