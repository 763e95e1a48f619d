"""Queue administration: made, measured, drained and deleted without losing anything by accident."""

import asyncio

import pytest

from asya_protocol import names
from asya_protocol.errors import QueueMissing
from asya_transport.port import Depth, QueueSpec
from tests.support.broker_bench import BrokerBench, eventually, receive_count, receive_one


async def named(bench: BrokerBench, prefix: str) -> list[str]:
    return list(await bench.admin.list_queues(prefix))


async def test_creating_twice_keeps_what_the_queue_holds(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await transport.send(queue, b"{}")
    await bench.admin.create(queue, QueueSpec())
    assert (await receive_one(await transport.consume(queue))).body == b"{}"


async def test_concurrent_creates_of_one_queue_agree(bench: BrokerBench) -> None:
    queue = bench.name_queue()
    await asyncio.gather(*(bench.admin.create(queue, QueueSpec()) for _ in range(3)))
    await eventually(lambda: named(bench, queue), [queue, names.dlq_name(queue)])


async def test_a_new_queue_is_empty_and_has_a_dead_letter_queue(bench: BrokerBench) -> None:
    queue = await bench.queue()
    await eventually(lambda: bench.admin.measure(queue), Depth(0))
    await eventually(lambda: bench.admin.measure(names.dlq_name(queue)), Depth(0))


async def test_measuring_tells_ready_from_in_flight(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, b"{}") for _ in range(5)))
    await eventually(lambda: bench.admin.measure(queue), Depth(5))
    consumer = await transport.consume(queue, prefetch=2)
    held = await receive_count(consumer, 2)
    await eventually(lambda: bench.admin.measure(queue), Depth(3, in_flight=2))
    await consumer.stop()
    await asyncio.gather(*(consumer.ack(each) for each in held))
    await eventually(lambda: bench.admin.measure(queue), Depth(3))


async def test_draining_throws_away_what_waits_and_tells_how_much(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, b"{}") for _ in range(12)))
    await eventually(lambda: bench.admin.measure(queue), Depth(12))
    assert await bench.admin.drain(queue) == 12
    await eventually(lambda: bench.admin.measure(queue), Depth(0))
    await transport.send(queue, b'"after"')
    assert (await receive_one(await transport.consume(queue))).body == b'"after"'


async def test_a_queue_that_holds_something_is_not_deleted(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await transport.send(queue, b"{}")
    await eventually(lambda: bench.admin.measure(queue), Depth(1))
    assert await bench.admin.delete(queue) is False
    assert (await receive_one(await transport.consume(queue))).body == b"{}"


async def test_a_queue_with_dead_letters_is_not_deleted(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    dead = names.dlq_name(queue)
    await transport.send(dead, b"{}")
    await eventually(lambda: bench.admin.measure(dead), Depth(1))
    assert await bench.admin.delete(queue) is False
    await transport.send(queue, b"{}")
    assert (await receive_one(await transport.consume(dead))).body == b"{}"


async def test_an_empty_queue_is_deleted_with_its_dead_letter_queue(bench: BrokerBench) -> None:
    queue = await bench.queue()
    assert await bench.admin.delete(queue) is True
    for each in (queue, names.dlq_name(queue)):
        with pytest.raises(QueueMissing):
            await bench.admin.measure(each)


async def test_force_deletes_a_queue_with_its_content(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await transport.send(queue, b"{}")
    assert await bench.admin.delete(queue, force=True) is True
    with pytest.raises(QueueMissing):
        await transport.send(queue, b"{}")


async def test_deleting_what_is_not_there_is_success(bench: BrokerBench) -> None:
    assert await bench.admin.delete(bench.name_queue()) is True


async def test_measuring_and_draining_a_missing_queue_say_so(bench: BrokerBench) -> None:
    missing = bench.name_queue()
    with pytest.raises(QueueMissing, match=missing):
        await bench.admin.measure(missing)
    with pytest.raises(QueueMissing, match=missing):
        await bench.admin.drain(missing)


async def test_listing_names_the_queues_with_a_prefix_in_order(bench: BrokerBench) -> None:
    first, second = sorted([await bench.queue(), await bench.queue()])
    expected = sorted(name for queue in (first, second) for name in (queue, names.dlq_name(queue)))
    found = [each for each in await bench.admin.list_queues(names.QUEUE_PREFIX) if each in expected]
    assert found == expected
    assert await named(bench, first) == [first, names.dlq_name(first)]
    assert await bench.admin.list_queues("asya-no-such-") == {}


async def test_a_listing_tells_what_queues_hold_where_the_broker_does(bench: BrokerBench) -> None:
    """RabbitMQ samples its queues every 5 s."""
    transport, queue = await bench.transport(), await bench.queue()
    await asyncio.gather(*(transport.send(queue, b"{}") for _ in range(3)))
    wanted = Depth(3) if bench.settings.name == "rabbitmq" else None

    async def listed() -> Depth | None:
        return (await bench.admin.list_queues(queue))[queue]

    await eventually(listed, wanted)
