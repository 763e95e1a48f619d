"""A consumer that pauses: others get what nobody has received from it, and it goes on when it is asked again."""

from tests.support.broker_bench import BrokerBench, receive_all, receive_count, receive_one


async def test_what_waits_at_a_consumer_that_pauses_goes_to_others(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    for number in range(6):
        await transport.send(queue, b"%d" % number)
    pausing = await transport.consume(queue, prefetch=6)
    held = await receive_one(pausing)
    await pausing.pause()
    await pausing.pause()
    others = await receive_all(await transport.consume(queue, prefetch=6), expected=5)
    assert sorted(each.body for each in others) == sorted(
        b"%d" % number for number in range(6) if b"%d" % number != held.body
    )
    await pausing.ack(held)


async def test_a_consumer_that_paused_receives_again_when_asked(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    await consumer.pause()
    await consumer.set_prefetch(3)
    for number in range(3):
        await transport.send(queue, b"%d" % number)
    found = await receive_count(consumer, 3)
    for each in found:
        await consumer.ack(each)
    assert sorted(each.body for each in found) == [b"0", b"1", b"2"]


async def test_a_paused_consumer_stops_and_gives_back_nothing_twice(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    await transport.send(queue, b"{}")
    consumer = await transport.consume(queue, prefetch=3)
    await consumer.pause()
    await consumer.stop()
    assert await consumer.receive(1, 0.1) == []
    assert len(await receive_all(await transport.consume(queue), expected=1)) == 1
