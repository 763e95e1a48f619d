"""RabbitMQ takes back what is not acknowledged in time; a broker of ours leaves a handler all the time it may need."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from asya_protocol.errors import LeaseLost, TransportUnavailable
from asya_transport.port import Consumer, Delivery, Depth, QueueSpec
from asya_transport.rabbitmq import admin as rabbitmq_admin
from asya_transport.rabbitmq import consumer as rabbitmq_consumer
from asya_transport.rabbitmq.admin import RabbitMqAdmin
from asya_transport.rabbitmq.consumer import ACK_TIMEOUT_MS
from asya_transport.rabbitmq.transport import RabbitMqTransport
from asya_transport.settings import TransportSettings
from lab.servers.rabbitmq import RabbitMqServer, require_server, versions

PATIENCE_S = 60.0
# How often a channel looks for deliveries that are too old; a minute by default.
TICK_MS = 100
SHORT_MS = 200


@pytest.fixture(params=versions())
def broker(request: pytest.FixtureRequest) -> Iterator[RabbitMqServer]:
    require_server(request.param)
    with RabbitMqServer(version=request.param) as server:
        yield server


async def receive_one(consumer: Consumer) -> Delivery:
    """Receive through the end of a subscription."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(TransportUnavailable):
                if found := await consumer.receive(1, 1.0):
                    return found[0]


async def test_the_raised_timeout_keeps_a_delivery_while_a_short_one_takes_others_back(
    broker: RabbitMqServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel takes the setting when it opens, so that the first one outlives what happens on the second.

    Where a queue or an AMQP consumer can ask for a time of its own, the second asks for a short one.
    """
    settings = TransportSettings(rabbitmq_url=broker.url, rabbitmq_management_url=broker.management_url)
    admin = RabbitMqAdmin(settings)
    patient, hasty = RabbitMqTransport(settings), RabbitMqTransport(settings)
    configured = await asyncio.to_thread(broker.evaluate, "application:get_env(rabbit, consumer_timeout).")
    assert configured == f"{{ok,{ACK_TIMEOUT_MS}}}"
    await asyncio.to_thread(broker.evaluate, f"application:set_env(rabbit, channel_tick_interval, {TICK_MS}).")
    try:
        for transport in (patient, hasty):
            await transport.connect()
        await admin.create("asya-patient", QueueSpec())
        await patient.send("asya-patient", b"{}")
        keeping = await patient.consume("asya-patient")
        kept = await receive_one(keeping)

        for module in (rabbitmq_admin, rabbitmq_consumer):
            monkeypatch.setattr(module, "ACK_TIMEOUT", {"x-consumer-timeout": SHORT_MS})
        await admin.create("asya-hasty", QueueSpec())
        await hasty.send("asya-hasty", b"{}")
        await asyncio.to_thread(broker.evaluate, f"application:set_env(rabbit, consumer_timeout, {SHORT_MS}).")
        losing = await hasty.consume("asya-hasty")
        lost = await receive_one(losing)
        again = await receive_one(losing)
        assert again.delivery_count > lost.delivery_count
        with pytest.raises(LeaseLost):
            await losing.ack(lost)

        await keeping.ack(kept)
        await keeping.close()
        async with asyncio.timeout(PATIENCE_S):
            while await admin.measure("asya-patient") != Depth(0):
                await asyncio.sleep(0.05)
    finally:
        for each in (patient, hasty, admin):
            await each.close()
