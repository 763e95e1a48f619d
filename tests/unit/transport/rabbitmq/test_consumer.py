"""The RabbitMQ consumer on a broker that leaves requests unanswered; pika's channel is stood in for."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker
from pika.spec import BasicProperties

from asya_protocol.errors import TransportError
from asya_transport.rabbitmq import link as rabbitmq_link
from asya_transport.rabbitmq.consumer import RabbitMqConsumer
from asya_transport.rabbitmq.link import Channel

QUEUE = "asya-ocr"
PATIENCE_S = 20.0


class Broker:
    """Answers requests unless told to keep silent; stands in for a link and the broker behind it."""

    where = "a broker of this test's own"
    version = (3, 10)

    def __init__(self) -> None:
        self.channels: list[RawChannel] = []
        self.silent_on: set[str] = set()
        self.refused: dict[str, int] = {}
        """Arguments of an AMQP consumer over which a channel is closed, and the code."""

    async def channel(self) -> Channel:
        self.channels.append(RawChannel(self))
        return Channel(self.channels[-1], self.where)  # type: ignore[arg-type]  # as far as a consumer uses it


class RawChannel:
    """Stands in for pika's channel."""

    def __init__(self, broker: Broker) -> None:
        self.is_open = True
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.consumed: list[Mapping[str, Any]] = []
        self.returned: list[int] = []
        self._tags = itertools.count(1)
        self.confirmed = 0
        self._broker = broker
        self._cancelled: set[str] = set()
        self._on_close: list[Callable[[object, BaseException], None]] = []

    def add_on_close_callback(self, callback: Callable[[object, BaseException], None]) -> None:
        self._on_close.append(callback)

    def add_on_cancel_callback(self, callback: Callable[[object], None]) -> None:
        """Nothing here cancels of its own accord."""

    def basic_qos(self, *, prefetch_count: int, callback: Callable[[Any], None]) -> None:
        self._answer("qos", callback)

    def basic_consume(self, queue: str, on_message: Any, **options: Any) -> None:
        callback = options.pop("callback")
        self.consumed.append(options)
        for name in self._broker.refused.keys() & options["arguments"].keys():
            reason = ChannelClosedByBroker(self._broker.refused[name], f"invalid arg '{name}'")
            asyncio.get_running_loop().call_soon(self._end, reason)
            return

        def deliver(body: bytes) -> None:
            on_message(self, SimpleNamespace(delivery_tag=next(self._tags), redelivered=False), BasicProperties(), body)

        def answered(frame: Any) -> None:
            self.confirmed += 1
            callback(frame)

        self.deliver = deliver
        self._answer("consume", answered)

    def basic_cancel(self, tag: str, *, callback: Callable[[Any], None]) -> None:
        self._answer("cancel", callback)

    def basic_nack(self, tag: int, *, requeue: bool) -> None:
        """Not answered by any broker."""
        self.returned.append(tag)

    def close(self) -> None:
        self._end(ConnectionError("closed"))

    def _end(self, reason: BaseException) -> None:
        self.is_open = False
        for callback in self._on_close:
            callback(self, reason)

    def _answer(self, request: str, callback: Callable[[Any], None]) -> None:
        if request not in self._broker.silent_on:
            frame = SimpleNamespace(method=SimpleNamespace(consumer_tag=f"tag-{len(self.consumed)}"))
            asyncio.get_running_loop().call_soon(callback, frame)


async def send(queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None) -> None:
    raise AssertionError("nothing is sent here")


async def subscribed_again(broker: Broker) -> RawChannel:
    """Wait for another channel with an AMQP consumer that the broker has confirmed."""
    async with asyncio.timeout(PATIENCE_S):
        while len(broker.channels) < 2 or not broker.channels[-1].confirmed:
            await asyncio.sleep(0.01)
    return broker.channels[-1]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr(rabbitmq_link, "RPC_TIMEOUT_S", 1.0)
    return Broker()


@pytest.fixture
async def consumer(broker: Broker) -> AsyncIterator[RabbitMqConsumer]:
    consumer = RabbitMqConsumer(broker, send, QUEUE, 1, lambda _: None)  # type: ignore[arg-type]  # as above
    await consumer.start()
    yield consumer
    broker.silent_on.clear()
    await consumer.stop()


@pytest.mark.parametrize("request_name", ["cancel", "qos", "consume"])
async def test_a_prefetch_whose_change_is_not_answered_ends_in_a_new_subscription(
    broker: Broker, consumer: RabbitMqConsumer, request_name: str
) -> None:
    """The channel lives on, perhaps without an AMQP consumer: it would look healthy and never receive again."""
    broker.silent_on.add(request_name)
    await consumer.set_prefetch(7)
    broker.silent_on.clear()
    second = await subscribed_again(broker)
    assert not broker.channels[0].is_open
    second.deliver(b"on the new channel")
    (delivery,) = await consumer.receive(1, PATIENCE_S)
    assert delivery.body == b"on the new channel"


async def test_a_change_of_the_prefetch_that_is_cancelled_half_way_ends_in_a_new_subscription(
    broker: Broker, consumer: RabbitMqConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller may be told to stop between the end of the old AMQP consumer and the start of the new one."""
    monkeypatch.setattr(rabbitmq_link, "RPC_TIMEOUT_S", PATIENCE_S)
    broker.silent_on.add("consume")
    change = asyncio.ensure_future(consumer.set_prefetch(7))
    async with asyncio.timeout(PATIENCE_S):
        while len(broker.channels[0].consumed) < 2:
            await asyncio.sleep(0.01)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
    assert change.cancelled()
    broker.silent_on.clear()
    (await subscribed_again(broker)).deliver(b"on the new channel")
    (delivery,) = await consumer.receive(1, PATIENCE_S)
    assert delivery.body == b"on the new channel"


async def test_a_delayed_return_of_which_no_copy_can_be_made_waits_all_the_same(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed back at once it would be run at once, without end."""
    waits: list[float] = []

    async def refused(*_: object, **__: object) -> None:
        raise TransportError("no delay queues may be declared")

    async def sleep(pause_s: float) -> None:
        waits.append(pause_s)

    consumer = RabbitMqConsumer(broker, refused, QUEUE, 1, lambda _: None)  # type: ignore[arg-type]  # as above
    await consumer.start()
    broker.channels[0].deliver(b"{}")
    (delivery,) = await consumer.receive(1, PATIENCE_S)
    with monkeypatch.context() as patch:
        patch.setattr("asya_transport.rabbitmq.consumer.asyncio.sleep", sleep)
        await consumer.release(delivery, 3.0)
    assert (waits, broker.channels[0].returned) == ([3.0], [1])
    await consumer.close()


async def test_what_comes_late_for_a_subscription_that_was_given_up_is_not_handed_out(
    broker: Broker, consumer: RabbitMqConsumer
) -> None:
    """It cannot be settled, and comes again on the new channel."""
    broker.silent_on.add("consume")
    await consumer.set_prefetch(7)
    broker.channels[0].deliver(b"too late")
    broker.silent_on.clear()
    (await subscribed_again(broker)).deliver(b"in time")
    assert [each.body for each in await consumer.receive(5, PATIENCE_S)] == [b"in time"]


async def test_every_amqp_consumer_asks_for_seven_days_until_the_acknowledgement(
    broker: Broker, consumer: RabbitMqConsumer
) -> None:
    """The broker's own half an hour is less than a handler may take; a changed prefetch makes another AMQP consumer."""
    await consumer.set_prefetch(7)
    asked = [each["arguments"] for each in broker.channels[0].consumed]
    assert asked == [{"x-consumer-timeout": 7 * 24 * 3600 * 1000}] * 2


async def test_a_queue_of_a_kind_that_refuses_the_argument_is_consumed_without_it(broker: Broker) -> None:
    """RabbitMQ 4.3 knows the timeout for quorum queues only; Asya 0.1.1's queues are classic."""
    broker.refused["x-consumer-timeout"] = 406
    consumer = RabbitMqConsumer(broker, send, QUEUE, 1, lambda _: None)  # type: ignore[arg-type]  # as above
    await consumer.start()
    assert [each.is_open for each in broker.channels] == [False, True]
    assert broker.channels[1].consumed[0]["arguments"] == {}
    broker.channels[1].deliver(b"{}")
    (delivery,) = await consumer.receive(1, PATIENCE_S)
    assert delivery.body == b"{}"
    await consumer.close()


async def test_a_refusal_of_another_kind_is_not_asked_twice(broker: Broker) -> None:
    broker.refused["x-consumer-timeout"] = 403
    consumer = RabbitMqConsumer(broker, send, QUEUE, 1, lambda _: None)  # type: ignore[arg-type]  # as above
    with pytest.raises(TransportError, match="invalid arg"):
        await consumer.start()
    assert len(broker.channels) == 1
