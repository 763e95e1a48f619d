"""Creates, measures and deletes RabbitMQ queues: quorum queues with a delivery limit and a dead letter queue each.

A queue that exists otherwise, such as a classic one from Asya 0.1.1, is kept as it is, with its content; only its
binding and its dead letter queue are added. Whatever the broker may answer by closing a channel is asked on a
channel of its own.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pika.exchange_type import ExchangeType

from asya_protocol import names
from asya_protocol.errors import QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Depth, QueueSpec
from asya_transport.rabbitmq.consumer import ACK_TIMEOUT
from asya_transport.rabbitmq.delay import (
    AT_LEAST_ONCE_SINCE,
    bind_return,
    declare_queue,
    declare_return,
    passive_declare,
)
from asya_transport.rabbitmq.errors import NOT_FOUND, PRECONDITION_FAILED, ChannelRefused
from asya_transport.rabbitmq.link import Link
from asya_transport.rabbitmq.management import VARIABLE, Management, Sample
from asya_transport.settings import TransportSettings

T = TypeVar("T")

log = logging.getLogger(__name__)


def queue_arguments(queue: str, spec: QueueSpec, version: tuple[int, ...]) -> dict[str, Any]:
    """Choose the arguments of an actor's queue.

    Args:
        queue: Its name; its dead letter queue is named after it.
        spec: How it should be.
        version: The broker's version; it dead-letters at least once since 3.10.
    """
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        # The broker's limit counts returns, so the first delivery is not among them.
        "x-delivery-limit": max(0, spec.max_deliveries - 1),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": names.dlq_name(queue),
        **ACK_TIMEOUT,
    }
    if version >= AT_LEAST_ONCE_SINCE:
        arguments |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    return arguments


def estimate_in_flight(ready: int, sample: Sample | None) -> int:
    """Combine a live count of ready envelopes with an older sample.

    What was ready then and is not now was taken since: in flight, until a newer sample says otherwise. Erring towards
    work keeps a scaler from stopping the replica that took the last envelope.
    """
    if sample is None:
        return 0
    return sample.unacknowledged or max(0, sample.ready - ready)


ALARMS_EVERY_S: Final = 30.0
"""Between two questions for the broker's alarms, which come with lists of queues."""
ALARMS_LAST_S: Final = 300.0
"""For how long an answer counts."""


class RabbitMqAdmin:
    """Creates, measures and deletes queues; connects when first used."""

    requests: Mapping[str, int] = MappingProxyType({})  # not billed

    @property
    def version(self) -> str:
        """See the port."""
        return ".".join(map(str, self._link.version))

    @property
    def alarms(self) -> tuple[str, ...]:
        """See the port; what was heard long ago says nothing of now."""
        return self._alarms if time.monotonic() - self._alarms_s < ALARMS_LAST_S else ()

    def __init__(self, settings: TransportSettings) -> None:
        self._link = Link(settings)
        self._names = settings.queue_names
        self._exchange = settings.rabbitmq_exchange
        self._management: Management | None = None
        self._alarms: tuple[str, ...] = ()
        self._alarms_s = -math.inf
        if settings.rabbitmq_management_url:
            user = self._link.credentials
            credentials = None if user is None else (user.username, user.password)
            self._management = Management(settings.rabbitmq_management_url, self._link.vhost, credentials)

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """See the port; also makes the exchange, and binds the queue to it by its actor's name."""
        await self._link.open()
        dlq = names.dlq_name(queue)
        await declare_queue(self._link, dlq, {"x-queue-type": "quorum", **ACK_TIMEOUT})
        if not await declare_queue(self._link, queue, queue_arguments(queue, spec, self._link.version)):
            log.info("queue exists with other arguments and stays as it is", extra={"queue": queue})
        await self._declare_exchange()
        async with self._link.throwaway() as channel:
            raw, key = channel.raw, self._names.actor(queue)
            await channel.call(lambda done: raw.queue_bind(queue, self._exchange, routing_key=key, callback=done))
        # Delayed envelopes find a queue that was deleted and made again.
        await declare_return(self._link)
        await bind_return(self._link, queue)

    async def measure(self, queue: str) -> Depth:
        """See the port; in-flight envelopes are counted only with the management API."""
        await self._link.open()
        sample: Sample | None = None
        if (management := self._management) is not None:
            sample = await self._ask(lambda: management.sample(queue))
        ready, _ = await self._look(queue)
        delayed = 0 if sample is None else sample.delayed
        return Depth(ready=ready, in_flight=estimate_in_flight(ready, sample), delayed=delayed)

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """See the port; what queues hold is the management API's sample, ``None`` for a queue made a moment ago.

        Raises:
            TransportError: There is no management API in the settings; AMQP cannot list.
        """
        if (management := self._management) is None:
            raise TransportError(f"RabbitMQ lists queues only by its management API: set {VARIABLE}")
        found = await self._ask(management.list_queues)
        if (now_s := time.monotonic()) - self._alarms_s >= ALARMS_EVERY_S:
            with suppress(TransportError):  # the list came, and is what was asked for
                self._alarms, self._alarms_s = await self._ask(management.alarms), now_s
        return {
            name: None if sample is None else Depth(sample.ready, sample.unacknowledged, sample.delayed)
            for name, sample in sorted(found.items())
            if name.startswith(prefix)
        }

    async def drain(self, queue: str) -> int:
        """See the port."""
        await self._link.open()
        async with self._link.throwaway() as channel:
            try:
                frame = await channel.call(lambda done: channel.raw.queue_purge(queue, callback=done))
            except ChannelRefused as exc:
                if exc.code == NOT_FOUND:
                    raise QueueMissing(queue) from exc
                raise
        return int(frame.method.message_count)

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """See the port; without the management API a queue with a consumer counts as holding something."""
        await self._link.open()
        both = (queue, names.dlq_name(queue))
        if not force:
            for name in both:
                if await self._holds(name):
                    return False
        for name in both:
            # Deleting what is not there is no error on RabbitMQ. The broker's own "only if empty" is refused for
            # quorum queues, so what arrives between the look and this is lost: stop the senders first.
            await self._delete(name)
        return True

    async def close(self) -> None:
        """See the port."""
        if self._management is not None:
            await asyncio.to_thread(self._management.close)
        await self._link.close()

    async def _delete(self, queue: str) -> None:
        async with self._link.throwaway() as channel:
            await channel.call(lambda done: channel.raw.queue_delete(queue, callback=done))

    async def _holds(self, queue: str) -> bool:
        try:
            ready, consumers = await self._look(queue)
            if ready or (consumers and self._management is None):
                return True
            return consumers > 0 and (await self.measure(queue)).total > 0
        except QueueMissing:
            return False

    async def _look(self, queue: str) -> tuple[int, int]:
        """Count what is ready, and the consumers."""
        async with self._link.throwaway() as channel:
            found = await passive_declare(channel, queue)
        return found.message_count or 0, found.consumer_count or 0

    async def _declare_exchange(self) -> None:
        async with self._link.throwaway() as channel:
            raw = channel.raw
            try:
                await channel.call(
                    lambda done: raw.exchange_declare(self._exchange, ExchangeType.topic, durable=True, callback=done)
                )
            except ChannelRefused as exc:
                if exc.code != PRECONDITION_FAILED:
                    raise
                text = f"exchange {self._exchange!r} exists, but not as a durable topic exchange: {exc}"
                raise TransportError(text) from exc

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(60.0):
                return await asyncio.to_thread(question)
        except TimeoutError:
            raise TransportUnavailable("RabbitMQ management API does not answer") from None
