"""Sending: confirmed, whole, delayed, refused."""

import asyncio
import json
import time

import pytest

from asya_protocol.errors import EnvelopeTooLarge, QueueMissing
from tests.support.broker_bench import BrokerBench, receive_all, receive_count, receive_one


async def test_what_was_sent_arrives_byte_for_byte_with_its_attributes(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    body = json.dumps({"text": "grüße \x00 \x1f 漢字 \U0001f600", "n": [1, 2.5, None]}).encode()
    await transport.send(queue, body, attributes={"source": "scanner 7", "language": "grüße"})
    delivery = await receive_one(await transport.consume(queue))
    assert delivery.body == body
    assert dict(delivery.attributes) == {"source": "scanner 7", "language": "grüße"}


async def test_raw_non_ascii_json_arrives_unchanged(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    body = json.dumps({"text": "grüße\t漢字\n\U0001f600"}, ensure_ascii=False, indent=1).encode()
    await transport.send(queue, body)
    assert (await receive_one(await transport.consume(queue))).body == body


async def test_a_confirmed_send_is_on_the_broker_before_anyone_consumes(bench: BrokerBench) -> None:
    sender, queue = await bench.transport(), await bench.queue()
    await sender.send(queue, b'{"kept":true}')
    await sender.close()
    receiver = await bench.transport()
    assert (await receive_one(await receiver.consume(queue))).body == b'{"kept":true}'


async def test_concurrent_sends_all_arrive_once(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    sent = {f'{{"n":{number}}}'.encode() for number in range(200)}
    await asyncio.gather(*(transport.send(queue, body) for body in sent))
    received = await receive_all(await transport.consume(queue, prefetch=50), expected=len(sent))
    assert sorted(each.body for each in received) == sorted(sent)


async def test_concurrent_sends_to_several_queues_reach_their_own(bench: BrokerBench) -> None:
    transport = await bench.transport()
    queues = [await bench.queue() for _ in range(3)]
    await asyncio.gather(*(transport.send(queue, queue.encode()) for queue in queues for _ in range(15)))
    for queue in queues:
        received = await receive_count(await transport.consume(queue, prefetch=20), 15)
        assert {each.body for each in received} == {queue.encode()}


async def test_sending_to_a_missing_queue_says_so_and_the_next_send_works(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    missing = bench.name_queue()
    with pytest.raises(QueueMissing, match=missing):
        await transport.send(missing, b"{}")
    await transport.send(queue, b"{}")
    assert (await receive_one(await transport.consume(queue))).body == b"{}"


@pytest.mark.parametrize("name", ["asya-" + "x" * 295, "asya-" + "ü" * 200], ids=["long", "wide"])
async def test_a_name_that_no_queue_can_have_is_a_missing_queue(bench: BrokerBench, name: str) -> None:
    """A route is written by anyone; an error of another kind would let its envelope be run again for ever."""
    transport, queue = await bench.transport(), await bench.queue()
    for delay_s in (0.0, 1.0):
        with pytest.raises(QueueMissing) as caught:
            await transport.send(name, b"{}", delay_s=delay_s)
        assert caught.value.queue == name
    with pytest.raises(QueueMissing):
        await transport.consume(name)
    await transport.send(queue, b"{}")
    assert (await receive_one(await transport.consume(queue))).body == b"{}"


async def test_a_missing_queue_fails_only_its_own_of_many_concurrent_sends(bench: BrokerBench) -> None:
    transport, queue, missing = await bench.transport(), await bench.queue(), bench.name_queue()
    targets = [queue, missing] * 10
    results = await asyncio.gather(*(transport.send(each, b"{}") for each in targets), return_exceptions=True)
    assert [type(each) for each in results] == [type(None), QueueMissing] * 10


async def test_a_queue_that_is_created_after_it_was_missing_can_be_sent_to(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await transport.send(queue, b"{}")
    await bench.admin.delete(queue, force=True)
    with pytest.raises(QueueMissing):
        await transport.send(queue, b"{}")
    await bench.queue_again(queue)
    await transport.send(queue, b'"again"')
    assert (await receive_one(await transport.consume(queue))).body == b'"again"'


async def test_a_body_over_the_limit_is_refused_and_the_next_send_works(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    size = transport.max_body_bytes + 1
    with pytest.raises(EnvelopeTooLarge, match=str(size)):
        await transport.send(queue, b"1" * size)
    await transport.send(queue, b"{}")
    received = await receive_all(await transport.consume(queue), expected=1)
    assert [each.body for each in received] == [b"{}"]


async def test_a_body_of_200_kilobytes_passes_whole(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    body = b'"' + b"x" * 200_000 + b'"'
    await asyncio.gather(*(transport.send(queue, body) for _ in range(3)))
    received = await receive_count(await transport.consume(queue, prefetch=3), 3)
    assert [each.body for each in received] == [body] * 3


async def test_a_delayed_send_arrives_after_its_delay_and_not_before(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue, prefetch=2)
    sent_s = time.monotonic()
    await transport.send(queue, b'"late"', delay_s=5.0)  # longer than a busy machine may take for the next
    await transport.send(queue, b'"now"')
    first, second = await receive_one(consumer), await receive_one(consumer)
    assert (first.body, second.body) == (b'"now"', b'"late"')
    # Brokers count whole seconds or round a little.
    assert time.monotonic() - sent_s >= 4.0


async def test_a_delay_that_cannot_be_kept_is_refused(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    with pytest.raises(ValueError, match="delay"):
        await transport.send(queue, b"{}", delay_s=transport.max_delay_s + 1)
    with pytest.raises(ValueError, match="delay"):
        await transport.send(queue, b"{}", delay_s=-1.0)
    assert await receive_all(await transport.consume(queue), expected=0) == []


async def test_a_broker_that_answers_is_pinged(bench: BrokerBench) -> None:
    transport = await bench.transport()
    await transport.ping()
    await transport.ping()
    await transport.close()
