"""What no real SQS shows on demand: polls that bring something too late, and answers that fail in part."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from asya_protocol.errors import LeaseLost, QueueMissing, TransportUnavailable
from asya_transport.settings import TransportSettings
from asya_transport.sqs.client import SqsClient
from asya_transport.sqs.consumer import SqsConsumer
from asya_transport.sqs.sender import SqsSender

SETTINGS = TransportSettings(name="sqs", sqs_endpoint="http://127.0.0.1:9999/", sqs_linger_s=0.0)


class FakeSqs:
    """Answers as SQS does; tests put messages, errors and gates into it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[dict[str, Any]] = []
        self.errors: dict[str, list[Exception]] = {}
        self.failing: set[str] = set()
        self.polling = threading.Event()
        self.gate: threading.Event | None = None

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**request: Any) -> dict[str, Any]:
            self.calls.append((operation, request))
            if self.errors.get(operation):
                raise self.errors[operation].pop(0)
            return getattr(FakeSqs, f"_{operation}", FakeSqs._nothing)(self, request)

        return call

    def named(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]

    def _nothing(self, request: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _get_queue_url(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": f"http://sqs.us-east-1.example:4566/000000000000/{request['QueueName']}"}

    def _receive_message(self, request: dict[str, Any]) -> dict[str, Any]:
        self.polling.set()
        if self.gate is not None:
            assert self.gate.wait(60)
        found, self.messages = self.messages[: request["MaxNumberOfMessages"]], []
        return {"Messages": found}

    def _batch(self, request: dict[str, Any]) -> dict[str, Any]:
        handles = {each["Id"]: each.get("ReceiptHandle", "") for each in request["Entries"]}
        return {
            "Successful": [{"Id": number} for number, handle in handles.items() if handle not in self.failing],
            "Failed": [{"Id": number, "Code": "X"} for number, handle in handles.items() if handle in self.failing],
        }

    _send_message_batch = _delete_message_batch = _change_message_visibility_batch = _batch


class FakeClient(SqsClient):
    """The real threads, errors and URLs around a fake service."""

    def __init__(self, fake: FakeSqs) -> None:
        super().__init__(SETTINGS)
        self._fake = fake

    def _build(self) -> Any:
        return (cast("Any", self._fake), cast("Any", self._fake))


def message(handle: str) -> dict[str, Any]:
    return {"Body": "{}", "ReceiptHandle": handle, "Attributes": {"ApproximateReceiveCount": "3"}}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, "ResponseMetadata": cast("Any", {})}, "X")


def build(fake: FakeSqs) -> tuple[FakeClient, SqsConsumer]:
    client = FakeClient(fake)
    return client, SqsConsumer(client, SqsSender(client, SETTINGS), "asya-ocr", SETTINGS, lambda _: None)


async def in_thread(wait: Callable[[float], bool]) -> None:
    assert await asyncio.to_thread(wait, 60)


async def test_a_receive_asks_for_what_the_port_promises_at_the_rebased_url() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h")]
    (delivery,) = await consumer.receive(50, 0.4)
    assert (delivery.body, delivery.delivery_count) == (b"{}", 3)
    assert fake.named("receive_message") == [
        {
            "QueueUrl": "http://127.0.0.1:9999/000000000000/asya-ocr",
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 1,
            "VisibilityTimeout": 60,
            "AttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
            "MessageAttributeNames": ["All"],
        }
    ]
    await client.close()


async def test_stopping_waits_for_the_poll_under_way_and_gives_back_what_it_brings() -> None:
    fake = FakeSqs()
    fake.gate = threading.Event()
    client, consumer = build(fake)
    receiving = asyncio.ensure_future(consumer.receive(2, 20.0))
    await in_thread(fake.polling.wait)
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    fake.messages = [message("h1"), message("h2")]
    fake.gate.set()
    await stopping
    assert await receiving == []
    (request,) = fake.named("change_message_visibility_batch")
    assert {(each["ReceiptHandle"], each["VisibilityTimeout"]) for each in request["Entries"]} == {("h1", 0), ("h2", 0)}
    assert await consumer.receive(1, 1.0) == []
    assert len(fake.named("receive_message")) == 1
    await client.close()


async def test_a_cancelled_receive_gives_back_what_its_poll_brings_later() -> None:
    fake = FakeSqs()
    fake.gate = threading.Event()
    client, consumer = build(fake)
    receiving = asyncio.ensure_future(consumer.receive(1, 20.0))
    await in_thread(fake.polling.wait)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    fake.messages = [message("h")]
    fake.gate.set()
    await consumer.stop()
    assert [each["VisibilityTimeout"] for each in fake.named("change_message_visibility")] == [0]
    await client.close()


async def test_closing_gives_back_what_is_out() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h1"), message("h2")]
    first, _ = await consumer.receive(2, 0.0)
    await consumer.ack(first)
    await consumer.close()
    assert [each["ReceiptHandle"] for each in fake.named("change_message_visibility")] == ["h2"]
    await client.close()


async def test_a_delete_that_fails_in_its_batch_is_tried_alone_and_then_told_truly() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h1"), message("h2")]
    first, second = await consumer.receive(2, 0.0)
    fake.failing = {"h2"}
    fake.errors["delete_message"] = [refusal("ReceiptHandleIsInvalid")]
    results = await asyncio.gather(consumer.ack(first), consumer.ack(second), return_exceptions=True)
    assert [type(each) for each in results] == [type(None), LeaseLost]
    await client.close()


async def test_a_settlement_that_did_not_reach_sqs_can_be_tried_again() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h")]
    (delivery,) = await consumer.receive(1, 0.0)
    fake.errors["delete_message"] = [ConnectTimeoutError(endpoint_url="x")]
    with pytest.raises(TransportUnavailable):
        await consumer.ack(delivery)
    await consumer.ack(delivery)
    with pytest.raises(LeaseLost):
        await consumer.ack(delivery)
    await client.close()


async def test_extending_tells_of_the_lost_one_after_extending_the_others() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h1"), message("h2")]
    first, second = await consumer.receive(2, 0.0)
    fake.failing = {"h1"}
    fake.errors["change_message_visibility"] = [refusal("MessageNotInflight")]
    with pytest.raises(LeaseLost):
        await consumer.extend([first, second], 90.0)
    with pytest.raises(LeaseLost):
        await consumer.ack(first)
    await consumer.ack(second)
    await client.close()


async def test_an_extension_never_asks_for_more_than_the_twelve_hours_that_sqs_allows() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.messages = [message("h")]
    deliveries = await consumer.receive(1, 0.0)
    await consumer.extend(deliveries, 999_999.0)
    (request,) = fake.named("change_message_visibility")
    assert 43_000 < request["VisibilityTimeout"] < 43_200
    await client.close()


async def test_a_missing_queue_is_looked_up_again_next_time() -> None:
    fake = FakeSqs()
    client, consumer = build(fake)
    fake.errors["receive_message"] = [refusal("AWS.SimpleQueueService.NonExistentQueue")]
    with pytest.raises(QueueMissing):
        await consumer.receive(1, 0.0)
    assert await consumer.receive(1, 0.0) == []
    assert len(fake.named("get_queue_url")) == 2
    await client.close()


@pytest.mark.parametrize("name", ["", "x" * 81, "asya-ü", "asya.ocr", "asya-ocr\n", ".fifo", f"{'x' * 76}.fifo"])
async def test_nobody_is_asked_for_a_queue_that_cannot_be(name: str) -> None:
    """AWS answers that a parameter is wrong, and that would not count as a queue that is missing."""
    fake = FakeSqs()
    client, _ = build(fake)
    with pytest.raises(QueueMissing):
        await SqsSender(client, SETTINGS).send(name, b"{}", 0.0, None)
    assert fake.calls == []
    await client.close()


@pytest.mark.parametrize("name", ["x" * 80, "Asya_0-ocr", f"{'x' * 75}.fifo"])
async def test_a_name_at_its_limits_is_asked_for(name: str) -> None:
    fake = FakeSqs()
    client, _ = build(fake)
    assert (await client.url(name)).endswith(f"/{name}")
    await client.close()
