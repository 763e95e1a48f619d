"""Receiving: waits, limits, sharing, and what happens to a receive that is interrupted."""

import asyncio
import time

import pytest

from asya_protocol.errors import QueueMissing
from asya_transport.port import Delivery
from tests.support.broker_bench import SOON_S, BrokerBench, receive_all, receive_count, receive_one


async def test_an_empty_queue_answers_with_nothing_after_the_wait(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    started_s = time.monotonic()
    assert await consumer.receive(10, 1.0) == []
    assert 0.8 <= time.monotonic() - started_s < SOON_S


async def test_a_waiting_receive_returns_when_an_envelope_comes(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    started_s = time.monotonic()
    waiting = asyncio.create_task(consumer.receive(1, 20.0))
    await transport.send(queue, b"{}")
    assert [each.body for each in await waiting] == [b"{}"]
    assert time.monotonic() - started_s < 20.0


async def test_no_receive_returns_more_than_its_limit(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, b"{}") for _ in range(7)))
    consumer = await transport.consume(queue, prefetch=10)
    sizes = [len(await consumer.receive(3, 2.0)) for _ in range(3)]
    assert max(sizes) <= 3


async def test_two_consumers_share_a_queue_without_sharing_an_envelope(bench: BrokerBench) -> None:
    first, second, queue = await bench.transport(), await bench.transport(), await bench.queue()
    sent = [str(number).encode() for number in range(40)]
    await asyncio.gather(*(first.send(queue, body) for body in sent))
    consumers = await asyncio.gather(first.consume(queue, prefetch=4), second.consume(queue, prefetch=4))
    found = await receive_all(*consumers, expected=len(sent))
    assert sorted(each.body for each in found) == sorted(sent)


async def test_consuming_a_missing_queue_says_so(bench: BrokerBench) -> None:
    transport = await bench.transport()
    missing = bench.name_queue()
    with pytest.raises(QueueMissing, match=missing):
        await transport.consume(missing)


async def test_a_consumer_notices_that_its_queue_was_deleted_and_goes_on_when_it_is_made_again(
    bench: BrokerBench,
) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await bench.admin.delete(queue, force=True)
    deadline_s = time.monotonic() + SOON_S
    with pytest.raises(QueueMissing):
        while time.monotonic() < deadline_s:
            await consumer.receive(1, 1.0)
    await bench.queue_again(queue)
    await transport.send(queue, b'"again"')
    deadline_s = time.monotonic() + SOON_S
    found: list[Delivery] = []
    while not found and time.monotonic() < deadline_s:
        try:
            found = await consumer.receive(1, 1.0)
        except QueueMissing:
            await asyncio.sleep(0.05)
    assert [each.body for each in found] == [b'"again"']


async def test_the_delivery_count_starts_at_one_and_grows_with_each_delivery(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    counts = []
    for _ in range(3):
        delivery = await receive_one(consumer)
        counts.append(delivery.delivery_count)
        await consumer.release(delivery)
    assert counts == [1, 2, 3]


async def test_the_time_of_the_last_poll_moves_on_while_the_broker_answers(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    before_s = consumer.last_poll_s
    await transport.send(queue, b"{}")
    await receive_one(consumer)
    assert before_s < consumer.last_poll_s <= time.monotonic()


async def test_a_cancelled_receive_loses_nothing(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    for round_number in range(5):
        waiting = asyncio.create_task(consumer.receive(1, 2.0))
        sending = asyncio.create_task(transport.send(queue, str(round_number).encode()))
        await asyncio.sleep(0.002 * round_number)  # not synchronisation: the cancellation should hit anywhere
        waiting.cancel()
        (taken,) = await asyncio.gather(waiting, return_exceptions=True)
        await sending
        delivery = taken[0] if isinstance(taken, list) and taken else await receive_one(consumer)
        assert delivery.body == str(round_number).encode()
        await consumer.ack(delivery)


async def test_concurrent_receives_on_one_consumer_never_share_an_envelope(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, str(number).encode()) for number in range(20)))
    consumer = await transport.consume(queue, prefetch=20)
    first, second = await asyncio.gather(receive_count(consumer, 10), receive_count(consumer, 10))
    assert sorted(int(each.body) for each in [*first, *second]) == list(range(20))


async def test_changing_the_prefetch_loses_and_repeats_nothing(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, str(number).encode()) for number in range(20)))
    consumer = await transport.consume(queue, prefetch=1)
    first = await receive_one(consumer)
    await consumer.set_prefetch(10)
    rest = await receive_count(consumer, 9)
    await consumer.set_prefetch(2)
    await asyncio.gather(*(consumer.ack(each) for each in [first, *rest]))
    last = await receive_all(consumer, expected=10)
    assert sorted(int(each.body) for each in [first, *rest, *last]) == list(range(20))


async def test_a_prefetch_that_changes_under_load_brings_no_envelope_near_its_limit(bench: BrokerBench) -> None:
    """Each is received once, also those on their way at a change; of a size that fills the connection's buffers.

    A quorum queue itself takes back the few that it was just handing out (seen: one of 120 in forty changes).
    """
    transport, queue = await bench.transport(), await bench.queue()
    sent = {str(number).encode() + b" " * 60_000 for number in range(120)}
    await asyncio.gather(*(transport.send(queue, body) for body in sent))
    consumer = await transport.consume(queue, prefetch=20)
    found: list[Delivery] = []
    deadline_s = time.monotonic() + 2 * SOON_S
    while len(found) < len(sent):
        assert time.monotonic() < deadline_s
        for delivery in await consumer.receive(3, 2.0):
            found.append(delivery)
            await consumer.ack(delivery)
        await consumer.set_prefetch(20 + len(found) % 7)
    assert {each.body for each in found} == sent
    assert max(each.delivery_count for each in found) <= 3
