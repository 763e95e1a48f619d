"""The memory transport: for tests, embedding and the local mesh; a peer of the real brokers under one contract suite.

Without a socket it uses the one broker of this process; with ``ASYA_MEMORY_SOCKET`` a broker in another process
(``memory_server``). Nothing survives the broker's process.
"""

import contextlib
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from asya_protocol.errors import QueueMissing, TransportError
from asya_transport.memory.broker import DEFAULT_MAX_BODY_BYTES, MAX_DELAY_S, MemoryBroker, Session
from asya_transport.port import Delivery, Depth, QueueSpec
from asya_transport.settings import TransportSettings

__all__ = [
    "DEFAULT_MAX_BODY_BYTES",
    "MemoryAdmin",
    "MemoryBroker",
    "MemoryConsumer",
    "MemoryTransport",
    "open_memory_admin",
    "open_memory_transport",
]

_process_brokers: Final[dict[int, MemoryBroker]] = {}
"""Brokers of this process by body limit; one in practice, made when first asked for."""
_consumer_numbers = itertools.count(1)


def open_memory_transport(settings: TransportSettings) -> "MemoryTransport":
    """Build a transport on the broker that the settings name."""
    return MemoryTransport(_open_session(settings))


def open_memory_admin(settings: TransportSettings) -> "MemoryAdmin":
    """Build an admin on the broker that the settings name."""
    return MemoryAdmin(_open_session(settings))


def _open_session(settings: TransportSettings) -> Session:
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
        session: From ``MemoryBroker.open_session`` or a ``RemoteSession``; this transport owns it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._closed = False

    @property
    def name(self) -> Literal["memory"]:
        """The transport's name."""
        return "memory"

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes."""
        return self._session.max_body_bytes

    @property
    def max_delay_s(self) -> float:
        """Longest delay that ``send`` honours."""
        return MAX_DELAY_S

    async def connect(self) -> None:
        """Reach the broker."""
        await self._session.connect()

    async def ping(self) -> None:
        """Ask the broker something."""
        with contextlib.suppress(QueueMissing):
            await self._session.measure("asya-connection-probe")

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Put one body on a queue; it is stored when this returns."""
        if self._closed:
            raise TransportError("the memory transport is closed")
        check_delay(delay_s)
        await self._session.send(queue, body, delay_s, attributes)

    async def consume(self, queue: str, *, prefetch: int = 1) -> "MemoryConsumer":
        """Open a consumer; nothing is taken before ``receive``."""
        await self._session.measure(queue)  # raises QueueMissing
        return MemoryConsumer(self._session, queue)

    async def close(self) -> None:
        """Give unsettled deliveries back and disconnect."""
        self._closed = True
        await self._session.close()


class MemoryConsumer:
    """A subscription to one queue; deliveries stay ours as long as the connection."""

    def __init__(self, session: Session, queue: str) -> None:
        self._session = session
        self._queue = queue
        self._number = next(_consumer_numbers)
        self._out: dict[object, None] = {}
        self._last_poll_s = time.monotonic()

    @property
    def lease_s(self) -> float | None:
        """No lease: a delivery stays ours as long as the connection."""
        return None

    @property
    def last_poll_s(self) -> float:
        """When the broker last answered."""
        return self._last_poll_s

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries, waiting for the first."""
        deliveries = await self._session.receive(self._number, self._queue, limit, wait_s)
        self._last_poll_s = time.monotonic()
        self._out.update(dict.fromkeys(delivery.receipt for delivery in deliveries))
        return deliveries

    async def ack(self, delivery: Delivery) -> None:
        """Settle: done."""
        self._out.pop(delivery.receipt, None)
        await self._session.ack(delivery.receipt)

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Settle: give it back."""
        check_delay(delay_s)
        self._out.pop(delivery.receipt, None)
        await self._session.release(delivery.receipt, delay_s)

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Settle: move it to the dead letter queue."""
        self._out.pop(delivery.receipt, None)
        try:
            await self._session.dead_letter(delivery.receipt, reason)
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
        await self._session.stop(self._number)

    async def close(self) -> None:
        """Stop, and give back everything that is out; latest first, since each goes to the front of its queue."""
        with contextlib.suppress(TransportError):
            await self.stop()
        out, self._out = list(reversed(self._out)), {}
        for receipt in out:
            with contextlib.suppress(TransportError):
                await self._session.release(receipt, 0.0)


class MemoryAdmin:
    """Creates, measures and deletes the queues of a memory broker.

    Args:
        session: From ``MemoryBroker.open_session`` or a ``RemoteSession``; this admin owns it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make the queue and its dead letter queue."""
        await self._session.create(queue, spec)

    async def measure(self, queue: str) -> Depth:
        """Count a queue's envelopes."""
        return await self._session.measure(queue)

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """The queues that start with ``prefix``, sorted; not what they hold."""
        return dict.fromkeys(await self._session.list_queues(prefix))

    async def drain(self, queue: str) -> int:
        """Throw away what waits, delayed envelopes too."""
        return await self._session.drain(queue)

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """Delete a queue and its dead letter queue; whether it is gone."""
        return await self._session.delete(queue, force)

    async def close(self) -> None:
        """Disconnect."""
        await self._session.close()


def check_delay(delay_s: float) -> None:
    """Refuse a delay that cannot be kept."""
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise ValueError(f"delay of {delay_s} s is outside 0 to {MAX_DELAY_S:g} s")
