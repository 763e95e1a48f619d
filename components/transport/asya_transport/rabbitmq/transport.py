"""The transport on RabbitMQ: confirmed sends, pushed deliveries, delays by expiring queues, one connection.

Envelopes go to the default exchange with the queue's full name as routing key: that reaches every queue, bound or
not, ours or Asya 0.1.1's, and tells when there is none. The topic exchange is for outside producers only.

Closing order: keepers of the consumers, then the publishing channel, then the connection; what was handed out and not
settled comes again.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from asya_protocol.errors import QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Consumer
from asya_transport.rabbitmq.consumer import RabbitMqConsumer
from asya_transport.rabbitmq.delay import MAX_DELAY_S, Delays, delay_ms
from asya_transport.rabbitmq.errors import check_name
from asya_transport.rabbitmq.link import Link
from asya_transport.rabbitmq.publisher import Publisher
from asya_transport.settings import TransportSettings

PING_WAIT_S: Final = 1.0
"""A connection that was just lost comes back within it, most often."""


class RabbitMqTransport:
    """A connection to RabbitMQ, for sending and for opening consumers."""

    name = "rabbitmq"
    max_delay_s = MAX_DELAY_S
    requests: Mapping[str, int] = MappingProxyType({})  # not billed

    def __init__(self, settings: TransportSettings) -> None:
        self._link = Link(settings)
        self._publisher = Publisher(self._link, settings.rabbitmq_max_body_bytes)
        self._delays = Delays(self._link)
        self._consumers: set[RabbitMqConsumer] = set()

    @property
    def max_body_bytes(self) -> int:
        """See the publisher."""
        return self._publisher.max_body_bytes

    async def connect(self) -> None:
        """See the port; dials as often as the settings allow, five times at most."""
        await self._link.open()

    async def ping(self) -> None:
        """See the port; heartbeats notice a broker that is gone without a word."""
        await self._link.wait_up(PING_WAIT_S)

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """See the port."""
        check_name(queue)
        if delay_s == 0:
            await self._publisher.send(queue, body, attributes=attributes)
            return
        exchange = await self._delays.prepare(queue, delay_s)
        try:
            await self._publisher.send(
                queue, body, attributes=attributes, exchange=exchange, delay_ms=delay_ms(delay_s)
            )
        except TransportError as exc:
            if exc.retryable or isinstance(exc, QueueMissing):
                self._delays.forget()  # Perhaps someone deleted the delay queue; the next attempt makes it again.
            if isinstance(exc, QueueMissing):
                raise TransportUnavailable(f"the delay queue behind exchange {exchange!r} was deleted") from exc
            raise

    async def consume(self, queue: str, *, prefetch: int = 1) -> Consumer:
        """See the port."""
        check_name(queue)
        consumer = RabbitMqConsumer(self._link, self.send, queue, prefetch, self._consumers.discard)
        await consumer.start()
        self._consumers.add(consumer)
        return consumer

    async def close(self) -> None:
        """See the port."""
        for consumer in list(self._consumers):
            await consumer.end_keeper()
        await self._publisher.close()
        await self._link.close()
