"""What every test here starts from."""

import uuid

import pytest

from lab.servers.localstack import CREDENTIALS, localstack_endpoint
from lab.servers.memory import memory_environ
from lab.servers.rabbitmq import Address, call_management, rabbitmq_server

__all__ = ["localstack_endpoint", "memory_environ", "rabbitmq_server"]

REGION = "eu-north-1"
"""Of SQS, for queues of these tests alone: they have the actors' own names."""


@pytest.fixture
def rabbitmq_environ(rabbitmq_server: Address) -> dict[str, str]:
    """A virtual host of the session's RabbitMQ."""
    vhost = f"traces-{uuid.uuid4().hex[:8]}"
    call_management(rabbitmq_server.management_url, "PUT", f"/api/vhosts/{vhost}")
    return {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": f"{rabbitmq_server.url.rpartition('/')[0]}/{vhost}",
        "ASYA_RABBITMQ_MANAGEMENT_URL": rabbitmq_server.management_url,
    }


@pytest.fixture
def sqs_environ(localstack_endpoint: str) -> dict[str, str]:
    """SQS with a short lease, so that what a killed sidecar held comes again soon."""
    return {
        **CREDENTIALS,
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": localstack_endpoint,
        "ASYA_AWS_REGION": REGION,
        "ASYA_SQS_VISIBILITY_TIMEOUT": "10",
        "ASYA_SQS_WAIT_TIME_SECONDS": "2",
    }
