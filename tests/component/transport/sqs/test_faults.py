"""The SQS transport while its server is paused, restarted, or refuses: nothing is lost, and consumers go on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import boto3
import pytest

from asya_protocol import names
from asya_protocol.errors import LeaseLost, QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Consumer, Depth, QueueSpec
from asya_transport.settings import TransportSettings
from asya_transport.sqs import client as sqs_client
from asya_transport.sqs.admin import SqsAdmin
from asya_transport.sqs.transport import SqsTransport
from lab.servers.localstack import CREDENTIALS, LocalStackServer, require_server
from lab.servers.ports import free_port
from tests.support.broker_bench import eventually, receive_one

QUEUE = "asya-faults"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalStackServer]:
    require_server()
    with pytest.MonkeyPatch.context() as patch, LocalStackServer() as started:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield started


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a paused server in seconds."""
    monkeypatch.setattr(sqs_client, "CALL_TIMEOUT_S", 4.0)
    monkeypatch.setattr(sqs_client, "CALL_ATTEMPTS", 1)
    monkeypatch.setattr(sqs_client, "POLL_GRACE_S", 4.0)


@pytest.fixture
async def admin(server: LocalStackServer) -> AsyncIterator[SqsAdmin]:
    made = SqsAdmin(settings(server))
    await made.create(QUEUE, QueueSpec())
    yield made
    await made.delete(QUEUE, force=True)
    await made.close()


def settings(server: LocalStackServer, **changes: float) -> TransportSettings:
    return TransportSettings(
        name="sqs",
        sqs_endpoint=server.endpoint,
        sqs_wait_time_s=changes.get("wait_s", 1.0),
        sqs_visibility_timeout_s=changes.get("lease_s", 60.0),
        queue_retry_max_attempts=1,
    )


async def receive_until(consumer: Consumer, wanted: set[bytes]) -> set[bytes]:
    """Receive and acknowledge until all that is wanted has come; what a dead poll took comes when its lease ends."""
    seen: set[bytes] = set()
    deadline_s = time.monotonic() + 120.0
    while not wanted <= seen:
        assert time.monotonic() < deadline_s, f"never came: {wanted - seen}"
        for delivery in await consumer.receive(10, 1.0):
            seen.add(delivery.body)
            with suppress(LeaseLost):  # a slow machine may come too late: it comes again
                await consumer.ack(delivery)
    return seen


async def test_a_pause_is_unavailability_and_consumer_and_sender_go_on_after_it(
    server: LocalStackServer, admin: SqsAdmin, short_timeouts: None
) -> None:
    # A short lease: what a poll brought while nobody could read the answer must come again soon.
    transport = SqsTransport(settings(server, lease_s=6.0))
    consumer = await transport.consume(QUEUE)
    await transport.send(QUEUE, b'"before"')
    await consumer.ack(await receive_one(consumer))
    last_poll_s = consumer.last_poll_s
    server.pause()
    try:
        with pytest.raises(TransportUnavailable):
            await consumer.receive(1, 1.0)
        with pytest.raises(TransportUnavailable):
            await transport.send(QUEUE, b'"during"')
        assert consumer.last_poll_s == last_poll_s
    finally:
        server.resume()
    await receive_until_available(consumer.receive)
    await transport.send(QUEUE, b'"after"')
    # The unconfirmed send may have arrived all the same: "send again" is what its error asks for.
    bodies = await receive_until(consumer, {b'"after"'})
    assert bodies <= {b'"during"', b'"after"'}
    assert consumer.last_poll_s > last_poll_s
    await transport.close()


async def test_envelopes_sent_through_a_pause_with_retries_all_arrive(
    server: LocalStackServer, admin: SqsAdmin
) -> None:
    transport = SqsTransport(settings(server, lease_s=2.0))
    consumer = await transport.consume(QUEUE)
    sent = {str(number).encode() for number in range(60)}
    sending = [asyncio.create_task(transport.send(QUEUE, body)) for body in sent]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    server.pause()
    await asyncio.sleep(1.5)  # the length of the fault
    server.resume()
    await asyncio.gather(*sending)
    received = await receive_until(consumer, sent)
    assert received == sent
    await transport.close()


async def test_a_restarted_server_is_used_again_by_the_same_consumer_and_sender(
    server: LocalStackServer, admin: SqsAdmin, short_timeouts: None
) -> None:
    transport = SqsTransport(settings(server))
    consumer = await transport.consume(QUEUE)
    await transport.send(QUEUE, b'"before"')
    held = await receive_one(consumer)
    server.kill()
    with pytest.raises(TransportUnavailable):
        await transport.send(QUEUE, b"{}")
    with pytest.raises(TransportUnavailable):
        await consumer.receive(1, 1.0)
    with pytest.raises(TransportUnavailable):
        await consumer.ack(held)
    server.start()
    with pytest.raises(QueueMissing):  # LocalStack remembers nothing
        await consumer.receive(1, 1.0)
    await admin.create(QUEUE, QueueSpec())
    await transport.send(QUEUE, b'"after"')
    again = await receive_one(consumer)
    assert again.body == b'"after"'
    await consumer.ack(again)
    await transport.close()


async def test_closing_while_the_server_is_away_ends_and_raises_nothing(
    server: LocalStackServer, admin: SqsAdmin, short_timeouts: None
) -> None:
    transport = SqsTransport(settings(server))
    consumer = await transport.consume(QUEUE)
    await transport.send(QUEUE, b"{}")
    await receive_one(consumer)
    server.pause()
    try:
        await asyncio.wait_for(transport.close(), 60)
    finally:
        server.resume()
    with pytest.raises(TransportError, match="closed"):
        await transport.send(QUEUE, b"{}")


async def test_connecting_to_nobody_names_the_trouble() -> None:
    nobody = TransportSettings(
        name="sqs",
        sqs_endpoint=f"http://127.0.0.1:{free_port()}",
        queue_retry_max_attempts=2,
        queue_retry_backoff_s=0.01,
    )
    transport = SqsTransport(nobody)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with pytest.raises(TransportUnavailable, match=r"127\.0\.0\.1"):
            await transport.connect()
    await transport.close()


async def test_missing_credentials_are_said_and_not_retried(
    server: LocalStackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    transport = SqsTransport(settings(server))
    with pytest.raises(TransportError, match="credentials") as caught:
        await transport.connect()
    assert not caught.value.retryable
    await transport.close()


async def test_a_body_that_is_no_text_reaches_the_dead_letter_queue_and_comes_out_whole(
    server: LocalStackServer, admin: SqsAdmin
) -> None:
    transport = SqsTransport(settings(server))
    consumer = await transport.consume(QUEUE)
    await transport.send(QUEUE, b"{}")
    delivery = replace(await receive_one(consumer), body=b"\xff\x00\xfe")
    await consumer.dead_letter(delivery, "no UTF-8")
    dead = await transport.consume(names.dlq_name(QUEUE))
    found = await receive_one(dead)
    assert (found.body, found.attributes[names.ATTRIBUTE_REASON]) == (b"\xff\x00\xfe", "no UTF-8")
    await dead.ack(found)
    await transport.close()


async def test_an_envelope_lost_by_too_many_consumers_is_dead_lettered_by_sqs_itself(server: LocalStackServer) -> None:
    queue, admin = "asya-redrive", SqsAdmin(settings(server))
    await admin.create(queue, QueueSpec(max_deliveries=2))
    transport = SqsTransport(settings(server, lease_s=1.0))
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    for _ in range(2):
        await receive_one(consumer)
    deadline_s = time.monotonic() + 120
    while (await admin.measure(names.dlq_name(queue))).ready == 0:
        assert time.monotonic() < deadline_s, "SQS did not redrive"
        assert await consumer.receive(1, 1.0) == []
    await transport.close()
    await admin.delete(queue, force=True)
    await admin.close()


async def test_a_changed_spec_changes_the_queue_in_place_and_keeps_its_content(
    server: LocalStackServer, admin: SqsAdmin
) -> None:
    transport = SqsTransport(settings(server))
    await transport.send(QUEUE, b"{}")
    await admin.create(QUEUE, QueueSpec(max_deliveries=7, lease_s=33.0, retention_s=3600.0))
    client = sqs_client.SqsClient(settings(server))
    url = await client.url(QUEUE)
    answer = await client.call(QUEUE, lambda sqs: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    found = answer["Attributes"]
    assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("33", "3600")
    assert '"maxReceiveCount":7' in found["RedrivePolicy"].replace(" ", "")
    tags = await client.call(QUEUE, lambda sqs: sqs.list_queue_tags(QueueUrl=url))
    assert tags["Tags"] == {"asya.sh/managed-by": "asya", "asya.sh/actor": "faults"}
    await eventually(lambda: admin.measure(QUEUE), Depth(1))
    await client.close()
    await transport.close()


async def receive_until_available(receive) -> None:
    """Poll until the server answers again; what comes is left to its lease."""
    deadline_s = time.monotonic() + 120
    while True:
        try:
            await receive(1, 0.0)
        except TransportUnavailable:
            assert time.monotonic() < deadline_s, "the server stayed away"
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_queue_is_made_with_its_key_and_refuses_callers_without_tls(server: LocalStackServer) -> None:
    """What an AWS stack asks for; LocalStack keeps both, and a second look finds nothing to change."""
    queue, admin = f"{QUEUE}-guarded", SqsAdmin(settings(server))
    spec = QueueSpec(encryption_key="alias/aws/sqs", tls_only=True)
    client = boto3.client("sqs", endpoint_url=server.endpoint, region_name="us-east-1")
    try:
        await admin.create(queue, spec)
        for name in (queue, names.dlq_name(queue)):
            url = client.get_queue_url(QueueName=name)["QueueUrl"]
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId", "Policy", "QueueArn"])
            attributes = found["Attributes"]
            assert attributes["KmsMasterKeyId"] == "alias/aws/sqs"
            (statement,) = json.loads(attributes["Policy"])["Statement"]
            assert (statement["Effect"], statement["Resource"]) == ("Deny", attributes["QueueArn"])
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        before = client.get_queue_attributes(QueueUrl=url, AttributeNames=["LastModifiedTimestamp"])
        await admin.create(queue, spec)
        assert (
            client.get_queue_attributes(QueueUrl=url, AttributeNames=["LastModifiedTimestamp"])["Attributes"]
            == before["Attributes"]
        )
    finally:
        await admin.delete(queue, force=True)
        await admin.close()
        client.close()
