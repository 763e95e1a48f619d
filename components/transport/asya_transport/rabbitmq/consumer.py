"""A consumer on RabbitMQ: the broker pushes into a buffer that ``receive`` reads; a background task resubscribes.

A subscription is one channel with one AMQP consumer on it. A delivery belongs to its channel: once that is gone the
broker hands the delivery out again, and settling the old one is ``LeaseLost``. The keeper makes the next
subscription, and on an idle queue asks the broker for a sign of life, so that ``last_poll_s`` tells the truth.

Shutdown: ``stop`` cancels the subscription and releases the buffer; the channel stays open until the consumer or its
transport closes, so that what was handed out can be settled.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

from pika.spec import Basic, BasicProperties

from asya_protocol import names
from asya_protocol.errors import LeaseLost, QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Delivery
from asya_transport.rabbitmq.delay import MAX_DELAY_S
from asya_transport.rabbitmq.errors import FOREIGN, NOT_FOUND, PRECONDITION_FAILED, ChannelRefused, translate
from asya_transport.rabbitmq.headers import read_attributes, read_delivery_count
from asya_transport.rabbitmq.hot_frames import ack_frame
from asya_transport.rabbitmq.link import Channel, Link, pause_s

ACK_TIMEOUT_MS: Final = 7 * 86_400_000
"""Seven days, longer than any handler; the broker counts it in a signed integer of 32 bits, which ends after 24.

A broker takes back what is not acknowledged within its own ``consumer_timeout``, 30 minutes by default, and closes the
channel. Where more can be asked for depends on its version, so both the queue and the AMQP consumer ask; a broker that does
not know the argument ignores it:

* before 3.11.15 ``rabbitmq.conf`` alone (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout);
* 3.12 to 4.2 the queue (https://github.com/rabbitmq/rabbitmq-server/pull/8260 took the consumer's away);
* from 4.3 on either, for quorum queues; classic ones have no such timeout any more, and may refuse the argument
  (https://github.com/rabbitmq/rabbitmq-server/blob/main/consumer_timeouts.md, .../issues/17144).
"""
ACK_TIMEOUT: Final[dict[str, int]] = {"x-consumer-timeout": ACK_TIMEOUT_MS}
# How often an idle subscription is asked for a sign of life.
POLL_S: Final = 5.0
MISSING_PAUSE_S: Final = 1.0
RESUBSCRIBE_FIRST_S: Final = 0.1
RESUBSCRIBE_MOST_S: Final = 5.0
RETURNS_ARE_FREE_SINCE: Final = (4, 3)
"""Before, every return counts against a queue's delivery limit; since then only rejects and lost connections do.

Source: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
"""
# Half of the usual delivery limit.
RENEW_AT: Final = 10
REFUSED_PAUSE_S: Final = 5.0
"""Before a delivery goes back at once of which the broker took no delayed copy."""
# A header frame must fit into the connection's frame size, 128 KiB by default.
REASON_CHARS_MOST: Final = 4096

log = logging.getLogger(__name__)


class Send(Protocol):
    """The transport's ``send``."""

    async def __call__(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """See the port."""


class Subscription:
    """One channel with one AMQP consumer, and what it delivered that is not settled."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.tag = ""
        self.unsettled: dict[int, None] = {}
        """In the order of their tags, which the broker counts up."""
        self._acked: list[int] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel.on_close.append(lambda _: self.end())
        # The broker's own cancel: the queue was deleted, or its leader moved.
        channel.raw.add_on_cancel_callback(lambda _: self.end())

    def is_alive(self) -> bool:
        """Whether its deliveries are still ours."""
        return not self.ended.done()

    def end(self) -> None:
        """Note that nothing more comes and nothing can be settled."""
        if not self.ended.done():
            self.ended.set_result(None)

    def ack(self, tag: int) -> None:
        """Acknowledge a delivery that was taken out of the unsettled ones; those of one turn leave together."""
        stream = self.channel.stream
        if stream is None or not self.channel.is_open:
            self.channel.raw.basic_ack(tag)
            return
        if not self._acked:
            stream.before_write(self._write_acks)
        self._acked.append(tag)

    def _write_acks(self) -> None:
        acked, self._acked = self._acked, []
        stream = self.channel.stream
        if stream is None or not self.channel.is_open:
            return  # The broker sends them again.
        for tag, multiple in plan_acks(acked, next(iter(self.unsettled), None)):
            stream.emit(ack_frame(self.channel.raw.channel_number, tag, multiple=multiple))


def plan_acks(acked: Sequence[int], oldest_unsettled: int | None) -> list[tuple[int, bool]]:
    """Choose the acknowledgements to write: all that are older than whatever is unsettled need one alone.

    Args:
        acked: Tags to acknowledge, in any order.
        oldest_unsettled: The lowest tag that must stay ours; ``None`` where there is none.

    Returns:
        Tags, and whether everything before one is meant too.
    """
    older = [tag for tag in acked if oldest_unsettled is None or tag < oldest_unsettled]
    newer = [(tag, False) for tag in acked if oldest_unsettled is not None and tag > oldest_unsettled]
    return [(max(older), len(older) > 1), *newer] if older else newer


class Receipt:
    """What settles a delivery."""

    __slots__ = ("subscription", "tag")

    def __init__(self, subscription: Subscription, tag: int) -> None:
        self.subscription = subscription
        self.tag = tag


@asynccontextmanager
async def _ended_on_failure(subscription: Subscription) -> AsyncIterator[None]:
    """End a subscription whose channel may live on without an AMQP consumer; the keeper makes a new one."""
    try:
        yield
    except BaseException as exc:
        subscription.end()
        if not isinstance(exc, TransportError):
            raise


class RabbitMqConsumer:
    """A subscription to one queue that comes back by itself; a delivery stays ours as long as its channel."""

    lease_s = None

    def __init__(
        self, link: Link, send: Send, queue: str, prefetch: int, on_close: "Callable[[RabbitMqConsumer], object]"
    ) -> None:
        self._on_close = on_close
        self._link = link
        self._send = send
        self._queue = queue
        self._prefetch = prefetch
        self._arguments = ACK_TIMEOUT
        self._buffer: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._subscription: Subscription | None = None
        self._trouble: TransportError | None = None
        self.last_poll_s = time.monotonic()
        self._paused = False
        self._stopped = False
        self._keeper: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()

    @property
    def returns_are_free(self) -> bool:
        """Whether the broker tells what was released from what was lost."""
        return self._link.version >= RETURNS_ARE_FREE_SINCE

    async def start(self) -> None:
        """Subscribe for the first time and keep subscribed from then on.

        Raises:
            QueueMissing: The queue does not exist.
            TransportUnavailable: The broker is away.
        """
        await self._subscribe()
        self._keeper = asyncio.create_task(self._keep(), name=f"rabbitmq-consumer-{self._queue}")

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """See the port."""
        deadline_s = time.monotonic() + wait_s
        if self._paused:
            await self._resume()
        while not self._buffer:
            if self._stopped:
                return []
            if isinstance(self._trouble, QueueMissing):
                raise QueueMissing(self._queue)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                if self._trouble is not None:
                    raise TransportUnavailable(str(self._trouble))
                return []
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
        return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    async def ack(self, delivery: Delivery) -> None:
        """See the port."""
        subscription, tag = self._claim(delivery)
        self._settle(subscription.channel, lambda: subscription.ack(tag))

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """See the port; with a delay, or after many deliveries where returns count, a confirmed copy takes its place.

        A nack and not a reject, which counts everywhere. The copy starts at 0; a crash between copy and ack duplicates.
        """
        self._receipt(delivery)
        if delay_s > 0 or (delivery.delivery_count >= RENEW_AT and not self.returns_are_free):
            # Where no copy can be made the delivery itself goes back, at once.
            with suppress(TransportError):
                delay_s = min(delay_s, MAX_DELAY_S)
                await self._send(self._queue, delivery.body, delay_s=delay_s, attributes=delivery.attributes)
                await self.ack(delivery)
                return
            # It stays ours meanwhile: what comes again at once is run again at once.
            await asyncio.sleep(min(delay_s, REFUSED_PAUSE_S))
        subscription, tag = self._claim(delivery)
        channel = subscription.channel
        self._settle(channel, lambda: channel.raw.basic_nack(tag, requeue=True))

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """See the port; published and confirmed first, then acknowledged."""
        self._receipt(delivery)
        attributes = {
            **delivery.attributes,
            names.ATTRIBUTE_REASON: reason[:REASON_CHARS_MOST],
            names.ATTRIBUTE_QUEUE: self._queue,
        }
        await self._send(names.dlq_name(self._queue), delivery.body, attributes=attributes)
        await self.ack(delivery)

    async def extend(self, deliveries: Sequence[Delivery], lease_s: float) -> None:
        """Nothing to do: see ``lease_s``."""

    async def set_prefetch(self, prefetch: int) -> None:
        """See the port; RabbitMQ applies a prefetch to new AMQP consumers only, so this makes one.

        What was pushed under a larger one stays here: returned, it would count against the delivery limit at each change.
        """
        async with self._switching:
            if prefetch == self._prefetch:
                return
            self._prefetch = prefetch
            subscription = self._open_subscription()
            if subscription is None or self._paused:
                return  # The next AMQP consumer takes it.
            async with _ended_on_failure(subscription):
                await self._cancel(subscription)
                await self._consume(subscription)

    async def pause(self) -> None:
        """See the port: no AMQP consumer until then, so that the broker pushes nothing."""
        async with self._switching:
            subscription = self._open_subscription()
            if self._paused or self._stopped:
                return
            self._paused = True
            if subscription is not None:
                async with _ended_on_failure(subscription):
                    await self._cancel(subscription)
                    await self._release_buffer()

    async def _resume(self) -> None:
        async with self._switching:
            if self._stopped:
                return
            subscription = self._open_subscription()
            self._paused = False
            if subscription is not None:
                async with _ended_on_failure(subscription):
                    await self._consume(subscription)

    def _open_subscription(self) -> "Subscription | None":
        """The subscription that is alive; ``None`` while the keeper makes a new one."""
        subscription = self._subscription
        return None if self._stopped or subscription is None or not subscription.is_alive() else subscription

    async def _release_buffer(self) -> None:
        while self._buffer:
            await self.release(self._buffer.popleft())

    async def stop(self) -> None:
        """See the port."""
        if self._stopped:
            return
        self._stopped = True
        self._changed.set()
        await self.end_keeper()
        async with self._switching:
            subscription = self._subscription
            if subscription is None or not subscription.is_alive():
                self._buffer.clear()
                return
            # A dead channel has released everything already.
            with suppress(TransportError):
                if not self._paused:
                    await self._cancel(subscription)
                await self._release_buffer()
                # A nack has no answer; the answer to what follows it proves that it was seen.
                await self._probe(subscription)

    async def close(self) -> None:
        """See the port; closing the channel releases what is out."""
        try:
            await self.stop()
            async with self._switching:
                subscription, self._subscription = self._subscription, None
                if subscription is not None:
                    subscription.end()
                    await subscription.channel.close()
        finally:
            self._on_close(self)

    async def end_keeper(self) -> None:
        """Subscribe no more; never raises."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    def _receipt(self, delivery: Delivery) -> Receipt:
        receipt = delivery.receipt
        if not isinstance(receipt, Receipt):
            raise LeaseLost("not a delivery of RabbitMQ")
        subscription = receipt.subscription
        if not subscription.is_alive() or receipt.tag not in subscription.unsettled:
            raise LeaseLost(f"queue {self._queue!r}: settled before, or its channel is gone; the broker sends it again")
        return receipt

    def _claim(self, delivery: Delivery) -> tuple[Subscription, int]:
        """Take a delivery out of the unsettled ones; the broker would close the channel over a second settlement."""
        receipt = self._receipt(delivery)
        del receipt.subscription.unsettled[receipt.tag]
        return receipt.subscription, receipt.tag

    def _settle(self, channel: Channel, settle: Callable[[], object]) -> None:
        try:
            settle()
        except FOREIGN as exc:
            raise LeaseLost(str(translate(exc, channel.where))) from exc

    async def _keep(self) -> None:
        failures = 0
        while True:
            subscription = self._subscription
            if subscription is not None and subscription.is_alive():
                failures = 0
                await asyncio.wait({subscription.ended}, timeout=POLL_S)
                if subscription.is_alive():
                    with suppress(TransportError):
                        await self._probe(subscription)
                else:
                    self._drop(subscription)
                continue
            try:
                await self._subscribe()
                log.info("subscribed again", extra={"queue": self._queue})
            except QueueMissing as exc:
                failures = 0
                self._report(exc)
                await asyncio.sleep(MISSING_PAUSE_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            except TransportError as exc:
                failures += 1
                self._report(exc)
                await asyncio.sleep(pause_s(failures, RESUBSCRIBE_FIRST_S, RESUBSCRIBE_MOST_S))

    def _drop(self, subscription: Subscription) -> None:
        """Discard what a dead subscription delivered and no one received; the broker redelivers it."""
        self._buffer.clear()
        reason = subscription.channel.reason
        text = f"queue {self._queue!r}: the broker cancelled the consumer, or did not answer it"
        error = translate(reason, self._link.where) if reason is not None else TransportUnavailable(text)
        log.warning("subscription lost", extra={"queue": self._queue, "error": str(error)})
        self._report(TransportUnavailable(str(error)))

    def _report(self, trouble: TransportError) -> None:
        self._trouble = trouble
        self._changed.set()

    async def _subscribe(self) -> None:
        async with self._switching:
            old, self._subscription = self._subscription, None
            if old is not None:
                self._buffer.clear()  # It comes again: its channel is gone.
                await old.channel.close()
            try:
                self._subscription = await self._open()
            except ChannelRefused as exc:
                if exc.code != PRECONDITION_FAILED or not self._arguments:
                    raise
                self._arguments = {}  # A queue of a kind that has no such timeout.
                self._subscription = await self._open()
            self._trouble = None
            self.last_poll_s = time.monotonic()

    async def _open(self) -> Subscription:
        channel = await self._link.channel()
        subscription = Subscription(channel)
        try:
            if not self._paused:
                await self._consume(subscription)
        except ChannelRefused as exc:
            if exc.code == NOT_FOUND:
                raise QueueMissing(self._queue) from exc
            raise
        except BaseException:
            await channel.close()
            raise
        return subscription

    async def _consume(self, subscription: Subscription) -> None:
        channel = subscription.channel
        raw = channel.raw

        def take(tag: int, redelivered: bool, headers: Mapping[str, Any], timestamp: int | None, body: bytes) -> None:
            if not subscription.is_alive():
                return  # Given up meanwhile; it comes again once the channel is closed.
            subscription.unsettled[tag] = None
            count = read_delivery_count(headers, redelivered=redelivered)
            attributes = read_attributes(headers) if headers else {}
            sent_s = None if timestamp is None else float(timestamp)
            self._buffer.append(Delivery(body, Receipt(subscription, tag), count, attributes, sent_s))
            self.last_poll_s = time.monotonic()
            self._changed.set()

        def on_delivery(_raw: object, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
            # The tag is optional only while pika fills the method in; counted from 1.
            take(method.delivery_tag or 0, method.redelivered, properties.headers or {}, properties.timestamp, body)

        if channel.stream is not None:
            channel.stream.frames.on_delivery[raw.channel_number] = take
        await channel.call(lambda done: raw.basic_qos(prefetch_count=self._prefetch, callback=done))
        frame = await channel.call(
            lambda done: raw.basic_consume(self._queue, on_delivery, arguments=self._arguments, callback=done)
        )
        subscription.tag = frame.method.consumer_tag

    async def _cancel(self, subscription: Subscription) -> None:
        """End an AMQP consumer; what the broker pushed before it heard of that is ours all the same.

        Of its own accord pika rejects such deliveries, and the broker counts that: each switch of the prefetch under load
        would bring envelopes that nobody touched nearer to the delivery limit, and in the end over it.
        """
        raw, tag = subscription.channel.raw, subscription.tag

        def start(done: Callable[[Any], None]) -> None:
            raw.basic_cancel(tag, callback=done)
            vars(raw)["_cancelled"].discard(tag)  # private to pika, and the only way to keep its rejections away

        await subscription.channel.call(start)

    async def _probe(self, subscription: Subscription) -> None:
        """Ask the broker for an answer on this channel; the prefetch is what it is already."""
        raw = subscription.channel.raw
        await subscription.channel.call(lambda done: raw.basic_qos(prefetch_count=self._prefetch, callback=done))
        self.last_poll_s = time.monotonic()
