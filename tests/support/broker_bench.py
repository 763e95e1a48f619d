"""What the transport contract needs of a broker, whichever it is: queues of its own, transports, an admin, waits."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import Consumer, Delivery, QueueAdmin, QueueSpec, Transport
from asya_transport.settings import TransportSettings

SOON_S = 60.0
"""What "at once" may take on a loaded machine; far below any lease."""


class BrokerBench:
    """One broker under test.

    Args:
        settings: How to reach it; as whom the operator does, where ``actors`` has other credentials.
        actors: How sidecars reach it.
        delays_release: Whether ``release`` honours its delay (RabbitMQ cannot).
    """

    def __init__(
        self, settings: TransportSettings, *, actors: TransportSettings | None = None, delays_release: bool = True
    ) -> None:
        self.settings = actors or settings
        self.management_url = settings.rabbitmq_management_url
        self.delays_release = delays_release
        self.admin: QueueAdmin = open_admin(settings)
        self._transports: list[Transport] = []
        self._queues: list[str] = []

    async def transport(self, **changes: Any) -> Transport:
        """Connect once more, with some settings changed."""
        transport = open_transport(replace(self.settings, **changes))
        self._transports.append(transport)
        await transport.connect()
        return transport

    def name_queue(self) -> str:
        """Choose a name that no other test uses; the queue is deleted at the end."""
        queue = names.QueueNames().queue(f"t{uuid.uuid4().hex[:12]}")
        self._queues.append(queue)
        return queue

    async def queue(self, spec: QueueSpec | None = None) -> str:
        """Make a queue."""
        queue = self.name_queue()
        await self.admin.create(queue, spec or QueueSpec())
        return queue

    async def queue_again(self, queue: str) -> None:
        """Make a queue that was deleted again."""
        await self.admin.create(queue, QueueSpec())

    async def close(self) -> None:
        """Leave nothing on the broker."""
        await asyncio.gather(*(transport.close() for transport in self._transports))
        for queue in self._queues:
            await self.admin.delete(queue, force=True)
        await self.admin.close()


async def receive_count(consumer: Consumer, count: int, *, within_s: float = SOON_S) -> list[Delivery]:
    """Receive until ``count`` deliveries are here."""
    found: list[Delivery] = []
    deadline_s = time.monotonic() + within_s
    while len(found) < count:
        left_s = deadline_s - time.monotonic()
        assert left_s > 0, f"{len(found)} of {count} deliveries came within {within_s:g} s"
        found += await consumer.receive(count - len(found), min(left_s, 2.0))
    return found


async def receive_one(consumer: Consumer, *, within_s: float = SOON_S) -> Delivery:
    """Receive exactly one delivery."""
    (delivery,) = await receive_count(consumer, 1, within_s=within_s)
    return delivery


async def receive_all(*consumers: Consumer, expected: int, quiet_s: float = 0.5) -> list[Delivery]:
    """Receive, and acknowledge, until as many as expected are here and nothing more comes for a while."""
    found: list[Delivery] = []
    deadline_s = time.monotonic() + 2 * SOON_S

    async def empty(consumer: Consumer) -> None:
        while True:
            deliveries = await consumer.receive(10, quiet_s)
            found.extend(deliveries)
            await asyncio.gather(*(consumer.ack(each) for each in deliveries))
            if not deliveries and (len(found) >= expected or time.monotonic() > deadline_s):
                return

    await asyncio.gather(*(empty(consumer) for consumer in consumers))
    return found


async def eventually(ask: Callable[[], Awaitable[object]], expected: object, *, within_s: float = SOON_S) -> None:
    """Ask until the answer is as expected: brokers count with a delay."""
    deadline_s = time.monotonic() + within_s
    while (answer := await ask()) != expected:
        assert time.monotonic() < deadline_s, f"{answer} and not {expected} after {within_s:g} s"
        await asyncio.sleep(0.05)
