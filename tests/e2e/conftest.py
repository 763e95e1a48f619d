"""One cluster, one installed operator and one set of brokers for the whole tier; a namespace per test module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.servers.forward import forwarded
from lab.servers.localstack import LocalStackServer
from lab.servers.rabbitmq import RabbitMqServer
from tests.support.cluster import HINT, Cluster, host_ip, kubeconfig
from tests.support.installed import Brokers, install_crew, install_operator, prepare_namespace
from tests.support.wire import Wire


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the gateway's module first: its actors use the queues whose names the session's namespaces take afterwards.

    The first test of all also waits for brokers, operator and crew.
    """
    items.sort(key=lambda item: item.path.name != "test_gateway.py")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(2400))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of `make cluster`."""
    config = kubeconfig()
    if config is None:
        if os.environ.get("CI"):
            pytest.fail(HINT)
        pytest.skip(HINT)
    return Cluster(config)


@pytest.fixture(scope="session")
def brokers(cluster: Cluster) -> Iterator[Brokers]:
    """Real RabbitMQ and LocalStack, reachable from pods."""
    host = host_ip()
    with (
        RabbitMqServer() as rabbitmq,
        LocalStackServer() as aws,
        forwarded(host, rabbitmq.port) as amqp,
        forwarded(host, rabbitmq.management_port) as management,
        forwarded(host, aws.port) as aws_port,
    ):
        yield Brokers(host, amqp, management, aws_port)


@pytest.fixture(scope="session")
def operator(cluster: Cluster, brokers: Brokers) -> None:
    """The operator, installed from ``deploy/operator``."""
    install_operator(cluster, brokers)


@pytest.fixture(scope="session")
def wire(brokers: Brokers) -> Iterator[Wire]:
    """Sends envelopes and reads results, from this machine."""
    with Wire(brokers) as wire:
        yield wire


@pytest.fixture(scope="session")
def rabbit(cluster: Cluster, brokers: Brokers, operator: None) -> Iterator[str]:
    """Namespace whose actors use RabbitMQ, with the crew in it."""
    yield from _namespace(cluster, brokers, "e2e-rabbitmq", "rabbitmq")


@pytest.fixture(scope="session")
def sqs(cluster: Cluster, brokers: Brokers, operator: None) -> Iterator[str]:
    """Namespace whose actors use SQS, with the crew in it."""
    yield from _namespace(cluster, brokers, "e2e-sqs", "sqs")


def _namespace(cluster: Cluster, brokers: Brokers, name: str, transport: str) -> Iterator[str]:
    prepare_namespace(cluster, name, brokers)
    install_crew(cluster, name, transport)
    yield name
    cluster.kubectl("-n", name, "delete", "asyncactor", "--all", "--wait=true", "--timeout=300s")
    cluster.kubectl("delete", "namespace", name, "--wait=false")
