"""Closing one consumer of a transport that lives on: nothing is lost, and nothing of the consumer stays behind."""

import asyncio
import gc
import weakref
from urllib.parse import quote

import pytest

from asya_protocol import names
from asya_protocol.errors import LeaseLost
from asya_transport.dead_letters.hold import hold
from asya_transport.port import Consumer
from lab.servers.rabbitmq import call_management
from tests.support.broker_bench import SOON_S, BrokerBench, receive_count, receive_one

PASSES = 50
CHANNELS_MOST = 4
"""One for sends and one for the pass under way, and as much again for a sample that is a moment old."""


async def test_what_a_closed_consumer_held_comes_again_in_its_order(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    for number in range(3):
        await transport.send(queue, b"%d" % number)
    consumer = await transport.consume(queue, prefetch=3)
    held = await receive_count(consumer, 3)
    await consumer.ack(held[1])
    await consumer.close()
    again = await receive_count(await transport.consume(queue, prefetch=3), 2)
    assert sorted(each.body for each in again) == [b"0", b"2"]
    for each in held:
        with pytest.raises(LeaseLost):
            await consumer.ack(each)


async def test_a_closed_consumer_receives_nothing_and_closes_again(bench: BrokerBench) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    consumer = await transport.consume(queue)
    waiting = asyncio.ensure_future(consumer.receive(1, SOON_S))
    await asyncio.sleep(0)
    await consumer.close()
    assert await waiting == []
    await transport.send(queue, b"{}")
    assert await consumer.receive(1, 1.0) == []
    await consumer.stop()
    await consumer.close()
    assert (await receive_one(await transport.consume(queue))).body == b"{}"


async def test_many_passes_over_dead_letters_leave_nothing_behind(bench: BrokerBench) -> None:
    """A gateway makes one for every look at its console, on one connection that lives for months."""
    label = f"passes-{names.QueueNames().actor(bench.name_queue())}"
    url = f"{bench.settings.rabbitmq_url}?client_properties={quote(repr({'connection_name': label}))}"
    transport, queue = await bench.transport(rabbitmq_url=url), await bench.queue()
    dead = names.dlq_name(queue)
    await transport.send(dead, b'"dead"')
    alive: weakref.WeakSet[Consumer] = weakref.WeakSet()
    for _ in range(PASSES):
        async with hold(transport, bench.admin, dead, asyncio.Event()) as holding:
            alive.add(holding.consumer)
    del holding
    gc.collect()
    assert len(alive) <= 1
    if bench.settings.name == "rabbitmq":
        await few_channels(str(bench.management_url), label)
    assert (await receive_one(await transport.consume(dead))).body == b'"dead"'


async def few_channels(management_url: str, label: str) -> None:
    """Wait until the broker counts few channels on a connection: its counts are samples, and late."""
    channels = 0
    async with asyncio.timeout(SOON_S):
        while not 0 < channels <= CHANNELS_MOST:
            found = await asyncio.to_thread(call_management, management_url, "GET", "/api/connections")
            channels = sum(each.get("channels", 0) for each in found if each.get("user_provided_name") == label)
