"""Settling: each delivery is acknowledged, released, dead-lettered, or comes again."""

import asyncio
import time

import pytest

from asya_protocol import names
from asya_protocol.errors import LeaseLost, QueueMissing
from asya_transport.port import Depth, QueueSpec
from tests.support.broker_bench import SOON_S, BrokerBench, eventually, receive_all, receive_count, receive_one


async def test_what_was_acknowledged_never_comes_again(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    await consumer.ack(await receive_one(consumer))
    await transport.close()
    later = await bench.transport()
    assert await (await later.consume(queue)).receive(1, 1.0) == []


@pytest.mark.parametrize("how", ["ack", "release", "dead_letter"])
async def test_a_delivery_can_be_settled_once_only(bench: BrokerBench, how: str) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    delivery = await receive_one(consumer)
    await consumer.ack(delivery)
    with pytest.raises(LeaseLost):
        await (consumer.dead_letter(delivery, "twice") if how == "dead_letter" else getattr(consumer, how)(delivery))
    assert await bench.admin.measure(names.dlq_name(queue)) == Depth(0)


async def test_a_released_delivery_comes_again_at_once_and_whole(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b'{"n":1}', attributes={"source": "scanner"})
    first = await receive_one(consumer)
    await consumer.release(first)
    again = await receive_one(consumer)
    assert (again.body, dict(again.attributes)) == (first.body, dict(first.attributes))
    await consumer.ack(again)


async def test_releasing_ten_times_costs_an_envelope_nothing(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue(QueueSpec(max_deliveries=20))
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    for _ in range(10):
        await consumer.release(await receive_one(consumer))
    await consumer.ack(await receive_one(consumer))
    assert await bench.admin.measure(names.dlq_name(queue)) == Depth(0)


async def test_many_returns_bring_no_envelope_to_the_dead_letters(bench: BrokerBench) -> None:
    """Whether the broker counts them or not: 45 are more than twice its limit of 20."""
    transport, queue = await bench.transport(), await bench.queue(QueueSpec(max_deliveries=20))
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}", attributes={"source": "scanner"})
    for _ in range(45):
        delivery = await receive_one(consumer)
        assert dict(delivery.attributes) == {"source": "scanner"}
        await consumer.release(delivery)
    await consumer.ack(await receive_one(consumer))
    assert (await bench.admin.measure(names.dlq_name(queue))).total == 0


async def test_where_returns_are_free_they_use_up_no_delivery(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue(QueueSpec(max_deliveries=2))
    consumer = await transport.consume(queue)
    if not consumer.returns_are_free:
        pytest.skip("this broker counts every delivery")
    await transport.send(queue, b"{}", attributes={"source": "scanner"})
    for count in range(1, 31):
        delivery = await receive_one(consumer)
        assert (delivery.delivery_count, dict(delivery.attributes)) == (count, {"source": "scanner"})
        await consumer.release(delivery)
    await consumer.ack(await receive_one(consumer))
    assert (await bench.admin.measure(names.dlq_name(queue))).total == 0


async def test_a_release_with_a_delay_comes_again_after_it(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    delivery, released_s = await receive_one(consumer), time.monotonic()
    await consumer.release(delivery, delay_s=2.0)
    await receive_one(consumer)
    if bench.delays_release:
        assert time.monotonic() - released_s >= 1.0


async def test_a_dead_letter_carries_body_attributes_reason_and_queue(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b'{"bad":1}', attributes={"source": "scanner"})
    await consumer.dead_letter(await receive_one(consumer), "it is no envelope: grüße")
    dead = await receive_one(await transport.consume(names.dlq_name(queue)))
    assert dead.body == b'{"bad":1}'
    expected = {
        names.ATTRIBUTE_REASON: "it is no envelope: grüße",
        names.ATTRIBUTE_QUEUE: queue,
        "source": "scanner",
    }
    assert dict(dead.attributes) == expected
    assert await consumer.receive(1, 1.0) == []


async def test_without_a_dead_letter_queue_the_delivery_stays_ours(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await bench.admin.delete(names.dlq_name(queue), force=True)
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    delivery = await receive_one(consumer)
    with pytest.raises(QueueMissing, match=names.DLQ_SUFFIX):
        await consumer.dead_letter(delivery, "why")
    await consumer.ack(delivery)
    await eventually(lambda: bench.admin.measure(queue), Depth(0))


async def test_a_hundred_concurrent_settlements_each_take_effect(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, str(number).encode()) for number in range(40)))
    consumer = await transport.consume(queue, prefetch=40)
    deliveries = await receive_count(consumer, 40)
    buried = [each for each in deliveries if int(each.body) % 4 == 0]
    released = [each for each in deliveries if int(each.body) % 4 == 1]
    acked = [each for each in deliveries if int(each.body) % 4 > 1]
    await asyncio.gather(
        *(consumer.dead_letter(each, "fourth") for each in buried),
        *(consumer.release(each) for each in released),
        *(consumer.ack(each) for each in acked),
    )
    again = await receive_all(consumer, expected=10)
    assert sorted(int(each.body) for each in again) == [n for n in range(40) if n % 4 == 1]
    dead = await receive_all(await transport.consume(names.dlq_name(queue), prefetch=10), expected=10)
    assert sorted(int(each.body) for each in dead) == [n for n in range(40) if n % 4 == 0]


async def test_extending_keeps_a_delivery_ours_beyond_its_lease(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(sqs_visibility_timeout_s=5.0), await bench.queue()
    consumer = await transport.consume(queue)
    await transport.send(queue, b"{}")
    delivery = await receive_one(consumer)
    await consumer.extend([delivery], 60.0)
    if consumer.lease_s is not None:
        assert await consumer.receive(1, consumer.lease_s + 1.0) == []
    await consumer.ack(delivery)


async def test_extending_what_was_settled_meanwhile_is_no_error(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue, prefetch=2)
    await asyncio.gather(transport.send(queue, b"1"), transport.send(queue, b"2"))
    settled, held = await receive_count(consumer, 2)
    await consumer.ack(settled)
    await consumer.extend([settled, held], 60.0)
    await consumer.ack(held)


async def test_a_delivery_whose_lease_ended_comes_again_and_the_old_one_is_lost(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(sqs_visibility_timeout_s=1.0), await bench.queue()
    consumer = await transport.consume(queue)
    if consumer.lease_s is None:
        return  # ours as long as the connection; see the test of closing
    await transport.send(queue, b"{}")
    old, taken_s = await receive_one(consumer), time.monotonic()
    new = await receive_one(consumer)
    assert (new.body, new.delivery_count) == (old.body, 2)
    # The broker's clock starts before ours, by as long as its answer takes.
    await asyncio.sleep(max(0.0, taken_s + consumer.lease_s - time.monotonic()))
    with pytest.raises(LeaseLost):
        await consumer.release(old)
    with pytest.raises(LeaseLost):
        await consumer.dead_letter(old, "too late")
    assert await bench.admin.measure(names.dlq_name(queue)) == Depth(0)


async def test_closing_returns_what_was_not_settled(bench: BrokerBench) -> None:
    first, queue = await bench.transport(), await bench.queue()
    consumer = await first.consume(queue, prefetch=10)
    await asyncio.gather(*(first.send(queue, str(number).encode()) for number in range(5)))
    held = await receive_count(consumer, 5)
    await consumer.ack(held[0])
    await first.close()
    second = await bench.transport()
    again = await receive_count(await second.consume(queue, prefetch=10), 4)
    assert {each.body for each in again} == {each.body for each in held[1:]}


async def test_stopping_gives_back_what_was_not_handed_out_and_leaves_the_rest_to_be_settled(
    bench: BrokerBench,
) -> None:
    first, second, queue = await bench.transport(), await bench.transport(), await bench.queue()
    await asyncio.gather(*(first.send(queue, str(number).encode()) for number in range(10)))
    stopping = await first.consume(queue, prefetch=10)
    held = await receive_one(stopping)
    await stopping.stop()
    assert await stopping.receive(10, 5.0) == []
    others = await receive_count(await second.consume(queue, prefetch=20), 9)
    assert {each.body for each in [held, *others]} == {str(number).encode() for number in range(10)}
    await stopping.ack(held)
    await second.close()
    await eventually(lambda: bench.admin.measure(queue), Depth(9))


async def test_stopping_ends_a_waiting_receive_and_swallows_nothing(bench: BrokerBench) -> None:
    first, second, queue = await bench.transport(), await bench.transport(), await bench.queue()
    consumer = await first.consume(queue)
    waiting = asyncio.create_task(consumer.receive(1, 3.0))
    await asyncio.sleep(0)  # it has begun
    await asyncio.wait_for(consumer.stop(), SOON_S)
    await first.send(queue, b"{}")
    assert await asyncio.wait_for(waiting, SOON_S) == []
    assert (await receive_one(await second.consume(queue))).body == b"{}"


async def test_what_a_stopped_consumer_was_about_to_get_is_soon_anothers(bench: BrokerBench) -> None:
    first, second, queue = await bench.transport(), await bench.transport(), await bench.queue()
    consumer = await first.consume(queue)
    waiting = asyncio.create_task(consumer.receive(1, 3.0))
    await asyncio.sleep(0)  # it has begun
    stopping = asyncio.create_task(consumer.stop())
    await second.send(queue, b"{}")
    await asyncio.wait_for(stopping, SOON_S)
    taken = await asyncio.wait_for(waiting, SOON_S)
    if not taken:
        taken = [await receive_one(await second.consume(queue))]
    assert [each.body for each in taken] == [b"{}"]
