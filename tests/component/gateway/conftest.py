"""What every test here starts from: a memory broker with two queues, and a gateway with tools."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from lab.servers.memory import memory_environ
from tests.support.gateway_process import TOOLS, Gateway

__all__ = ["memory_environ"]


@pytest.fixture
async def broker(memory_environ: dict[str, str]) -> AsyncIterator[Transport]:
    settings = read_transport_settings(memory_environ)
    admin = open_admin(settings)
    for actor in ("echo", "shout"):
        await admin.create(names.QueueNames().queue(actor), QueueSpec())
    await admin.close()
    transport = open_transport(settings)
    await transport.connect()
    yield transport
    await transport.close()


@pytest.fixture
def environ(memory_environ: dict[str, str], broker: Transport, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tools.yaml").write_text(TOOLS)
    return {
        **memory_environ,
        "ASYA_CONFIG_PATH": str(tmp_path / "tools.yaml"),
        "ASYA_DATABASE_URL": f"sqlite:{tmp_path}/gateway.db",
        "ASYA_GATEWAY_AUTH": "off",
    }


@pytest.fixture
def gateway(environ: dict[str, str]) -> Iterator[Gateway]:
    with Gateway(environ) as process:
        yield process
