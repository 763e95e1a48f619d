"""A RabbitMQ that takes no envelopes says so to whoever lists its queues."""

import asyncio
from collections.abc import Iterator

import pytest

from asya_transport.rabbitmq import admin as module
from asya_transport.rabbitmq.admin import RabbitMqAdmin
from asya_transport.settings import TransportSettings
from lab.servers.rabbitmq import RabbitMqServer, require_server, versions

LIMIT_S = 60.0


@pytest.fixture(params=versions())
def broker(request: pytest.FixtureRequest) -> Iterator[RabbitMqServer]:
    require_server(request.param)
    with RabbitMqServer(version=request.param) as server:
        yield server


async def test_an_alarm_is_told_while_it_lasts(broker: RabbitMqServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALARMS_EVERY_S", 0.0)
    admin = RabbitMqAdmin(TransportSettings(rabbitmq_url=broker.url, rabbitmq_management_url=broker.management_url))

    async def until(alarms: tuple[str, ...]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while True:
                await admin.list_queues("asya-")
                if admin.alarms == alarms:
                    return
                await asyncio.sleep(0.1)

    try:
        await until(())
        for share, told in (("0.0000001", ("memory",)), ("0.9", ())):
            await asyncio.to_thread(broker.evaluate, f"vm_memory_monitor:set_vm_memory_high_watermark({share}).")
            await until(told)
    finally:
        await admin.close()
