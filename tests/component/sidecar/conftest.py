"""The environment that leads a sidecar to each broker."""

import pytest

from lab.servers.localstack import localstack_endpoint
from lab.servers.memory import memory_environ
from lab.servers.rabbitmq import rabbitmq_server, rabbitmq_url

__all__ = ["localstack_endpoint", "memory_environ", "rabbitmq_server", "rabbitmq_url"]


@pytest.fixture(params=["memory", "rabbitmq", "sqs"])
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """Each transport; leases of 6 s where there are leases."""
    if request.param == "memory":
        return dict(request.getfixturevalue("memory_environ"))
    if request.param == "rabbitmq":
        return {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": request.getfixturevalue("rabbitmq_url")}
    return {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": request.getfixturevalue("localstack_endpoint"),
        "ASYA_SQS_WAIT_TIME_SECONDS": "1",
        "ASYA_SQS_VISIBILITY_TIMEOUT": "6",
    }
