"""Brokers of the fault runs' own, to restart, cut and pause; one each per test process."""

from collections.abc import Iterator

import pytest

from asya_local import localstack
from lab.servers.localstack import START_TIMEOUT_S
from lab.servers.memory import memory_environ
from lab.servers.ports import free_ports
from lab.servers.postgres import postgres
from lab.servers.rabbitmq import RabbitMqServer, require_server

__all__ = ["memory_environ", "postgres"]


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMqServer]:
    """A broker of our own, to restart and to cut."""
    require_server()
    with RabbitMqServer() as server:
        yield server


@pytest.fixture
def rabbitmq_environ(rabbitmq: RabbitMqServer) -> dict[str, str]:
    """Settings of that broker."""
    return environ_of(rabbitmq)


def environ_of(server: RabbitMqServer) -> dict[str, str]:
    """What a sidecar needs to know of a broker."""
    return {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": server.url,
        "ASYA_RABBITMQ_MANAGEMENT_URL": server.management_url,
    }


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[localstack.CloudServer]:
    """A LocalStack of our own, to pause."""
    python = localstack.ensure_installed(print)
    server = localstack.start(tmp_path_factory.mktemp("cloud"), free_ports(1)[0], ("sqs",), python=python)
    try:
        localstack.wait_ready(server, START_TIMEOUT_S)
        yield server
    finally:
        server.stop()


@pytest.fixture
def sqs_environ(cloud: localstack.CloudServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of that LocalStack; a short lease, so that a killed sidecar's envelopes come again soon."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    return {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": cloud.endpoint,
        "ASYA_SQS_VISIBILITY_TIMEOUT": "10",
        "ASYA_SQS_WAIT_TIME_SECONDS": "2",
        **credentials,
    }
