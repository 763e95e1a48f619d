"""Confirmed publishing: one channel in confirm mode, many bodies on their way at once.

``send`` returns when the broker has taken the body and raises when it has not or nobody knows. The channel is opened
when first needed and again after it was lost; nothing is sent twice here, that is the caller's decision.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pika
from pika.delivery_mode import DeliveryMode
from pika.spec import Basic

from asya_protocol.errors import EnvelopeTooLarge, TransportUnavailable
from asya_transport.rabbitmq.confirms import Confirms, Unconfirmed
from asya_transport.rabbitmq.errors import FOREIGN, lost, read_size_limit, translate
from asya_transport.rabbitmq.link import Channel, Link

if TYPE_CHECKING:
    from pika.frame import Method  # Generic in its type stubs only.

# RabbitMQ's own default (max_message_size) until 3.13, and since 4.0. The broker does not announce its value, so one that
# is lower is learnt from the first refusal. https://www.rabbitmq.com/docs/limits
MAX_BODY_BYTES: Final = 128 * 1024 * 1024
MAX_BODY_BYTES_4: Final = 16 * 1024 * 1024
CONFIRM_TIMEOUT_S: Final = 60.0
# How much later than that a missing confirm may be noticed: one look at all of them is cheaper than a timer for each.
SWEEP_S: Final = 1.0
# A short break of the connection should not reach the caller at all.
SEND_WAIT_S: Final = 2.0


class Publisher:
    """Publishes on a link; safe to call concurrently.

    Args:
        link: The connection.
        limit_bytes: Largest body, where the broker was given another limit than its version's default.
    """

    def __init__(self, link: Link, limit_bytes: int | None = None) -> None:
        self._link = link
        self._limit_bytes = limit_bytes
        self._channel: Channel | None = None
        self._confirms = Confirms()
        self._token = ""
        self._opening = asyncio.Lock()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def max_body_bytes(self) -> int:
        """The broker's limit as far as it is known: as set, else its version's default, until it refuses something smaller."""
        return self._limit_bytes or (MAX_BODY_BYTES_4 if self._link.version >= (4,) else MAX_BODY_BYTES)

    async def send(
        self,
        queue: str,
        body: bytes,
        *,
        attributes: Mapping[str, str] | None = None,
        exchange: str = "",
        delay_ms: int | None = None,
    ) -> None:
        """Publish with the queue's name as routing key and wait for the confirm.

        Args:
            queue: Where it should arrive; on the default exchange every queue is reached by its name.
            body: The bytes.
            attributes: AMQP headers.
            exchange: Another exchange on the way.
            delay_ms: How long it may stay in the queue behind that exchange.

        Raises:
            QueueMissing: The exchange has no queue for it.
            EnvelopeTooLarge: Over the broker's limit.
            TransportUnavailable: Not confirmed.
            TransportError: It cannot be sent at all, such as an attribute's name longer than 255 bytes.
        """
        if len(body) > self.max_body_bytes:
            raise EnvelopeTooLarge(len(body), self.max_body_bytes)
        channel = self._channel
        if channel is None or not channel.is_open:
            channel = await self._open()
        confirms = self._confirms
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        tag = confirms.add(Unconfirmed(queue, len(body), done, loop.time()))
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=DeliveryMode.Persistent.value,
            timestamp=int(time.time()),
            # A returned body is recognised by it.
            message_id=f"{self._token}-{tag}",
            headers=dict(attributes) if attributes else None,
            expiration=None if delay_ms is None else str(delay_ms),
        )
        try:
            channel.publish(exchange, queue, body, properties)
        except FOREIGN as exc:
            done.cancel()
            confirms.take_back(tag)
            raise translate(exc, self._link.where) from exc
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_S, self._expire)
        await done

    async def close(self) -> None:
        """Close the channel; what is unconfirmed fails."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        if self._channel is not None:
            await self._channel.close()

    def _expire(self) -> None:
        """Fail what has waited too long for its confirm; look again as long as anything waits."""
        loop = asyncio.get_running_loop()

        def error_of(unconfirmed: Unconfirmed) -> Exception:
            text = f"{self._link.where}: queue {unconfirmed.queue!r}: no confirm within {CONFIRM_TIMEOUT_S:g} s"
            return TransportUnavailable(text)

        self._confirms.expire(loop.time() - CONFIRM_TIMEOUT_S, error_of)
        self._sweep = loop.call_later(SWEEP_S, self._expire) if len(self._confirms) else None

    async def _open(self) -> Channel:
        async with self._opening:
            if self._channel is not None and self._channel.is_open:
                return self._channel
            channel = await self._link.channel(SEND_WAIT_S)
            confirms, token = Confirms(), secrets.token_hex(6)

            def on_return(_raw: object, _method: object, properties: pika.BasicProperties, _body: bytes) -> None:
                sender, _, tag = (properties.message_id or "").rpartition("-")
                if sender == token:
                    confirms.note_returned(int(tag))

            def on_confirm(frame: "Method[Basic.Ack | Basic.Nack]") -> None:
                settle = confirms.confirm if isinstance(frame.method, Basic.Ack) else confirms.refuse
                settle(frame.method.delivery_tag, multiple=frame.method.multiple)

            def on_close(reason: BaseException) -> None:
                self._limit_bytes = read_size_limit(reason) or self._limit_bytes
                confirms.abandon(lambda unconfirmed: lost(reason, unconfirmed.size_bytes, self._link.where))

            def on_ack(tag: int, multiple: bool) -> None:
                confirms.confirm(tag, multiple=multiple)

            if channel.stream is not None:
                channel.stream.frames.on_confirm[channel.raw.channel_number] = on_ack
            channel.raw.add_on_return_callback(on_return)
            channel.on_close.append(on_close)
            await channel.call(
                lambda answered: channel.raw.confirm_delivery(ack_nack_callback=on_confirm, callback=answered)
            )
            self._channel, self._confirms, self._token = channel, confirms, token
            return channel
