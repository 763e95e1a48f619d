"""The brokers on which the transport contract runs."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asya_transport.memory.server import MemoryServer
from asya_transport.memory.transport import MemoryBroker
from asya_transport.settings import TransportSettings
from lab.servers.elasticmq import elasticmq_endpoint
from lab.servers.localstack import localstack_endpoint
from lab.servers.rabbitmq import OWN, rabbitmq_servers, versions
from tests.support.broker_bench import BrokerBench
from tests.support.broker_users import rabbitmq_settings, sign_in

__all__ = ["elasticmq_endpoint", "localstack_endpoint", "rabbitmq_servers"]

MEMORY_LIMIT_BYTES = 300_000


SQS = {"sqs": "localstack_endpoint", "sqs-elasticmq": "elasticmq_endpoint"}
RABBITMQ = {("rabbitmq" if version == OWN else f"rabbitmq-{version}"): version for version in versions()}


@pytest.fixture(params=["memory", "memory-socket", *SQS, *RABBITMQ])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[BrokerBench]:
    """One broker; everything made on it is removed."""
    match request.param:
        case name if name in SQS:
            endpoint = request.getfixturevalue(SQS[name])
            made = BrokerBench(TransportSettings(name="sqs", sqs_endpoint=endpoint, sqs_visibility_timeout_s=120.0))
        case name if name in RABBITMQ:
            server = request.getfixturevalue("rabbitmq_servers")(RABBITMQ[name])
            # With no more rights than an installed mesh gives them.
            settings = {part: rabbitmq_settings(server, part) for part in sign_in(server)}
            made = BrokerBench(settings["operator"], actors=settings["actors"], delays_release=False)
        case "memory":
            made = BrokerBench(TransportSettings(name="memory", memory_max_body_bytes=MEMORY_LIMIT_BYTES))
        case _:
            # Not tmp_path: a Unix socket's path may have about 100 characters at most.
            with tempfile.TemporaryDirectory(prefix="asya-") as folder:
                path = Path(folder) / "broker.sock"
                server = MemoryServer(MemoryBroker(max_body_bytes=MEMORY_LIMIT_BYTES), path)
                await server.start()
                made = BrokerBench(TransportSettings(name="memory", memory_socket=str(path)))
                yield made
                await made.close()
                await server.close()
                return
    yield made
    await made.close()
