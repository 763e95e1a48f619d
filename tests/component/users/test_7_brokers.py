"""Today's brokers: what they write about an envelope is no part of it."""

from collections.abc import Callable

import pytest

from asya_transport.factory import open_transport
from lab.servers.rabbitmq import Address, rabbitmq_servers, versions
from tests.support.broker_bench import BrokerBench, receive_one
from tests.support.broker_users import rabbitmq_settings, sign_in

__all__ = ["rabbitmq_servers"]


@pytest.mark.parametrize("version", versions())
async def test_the_attributes_of_an_envelope_are_its_senders(
    version: str, rabbitmq_servers: Callable[[str], Address]
) -> None:
    server = rabbitmq_servers(version)
    sign_in(server)
    bench = BrokerBench(rabbitmq_settings(server, "operator"), actors=rabbitmq_settings(server, "actors"))
    queue = await bench.queue()
    transport = open_transport(rabbitmq_settings(server, "actors"))
    await transport.connect()
    await transport.send(queue, b"{}", attributes={"x-tenant": "t"})
    consumer = await transport.consume(queue)
    await consumer.release(await receive_one(consumer))
    assert dict((await receive_one(consumer)).attributes) == {"x-tenant": "t"}
    await transport.close()
    await bench.close()
