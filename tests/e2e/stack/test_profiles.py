"""The quick start that users of Asya 0.1.1 know: `make up PROFILE=...`, then `make trigger-tests`."""

import pytest

from tests.e2e.stack.conftest import Checkouts
from tests.support.cluster import Cluster
from tools.stack import servers
from tools.stack.trigger import trigger

pytestmark = pytest.mark.timeout(2400)


@pytest.mark.parametrize(("profile", "environment"), [("sqs-s3", "localstack"), ("rabbitmq-minio", "oss")])
def test_an_evaluation_answers_and_goes_away(
    profile: str, environment: str, checkouts: Checkouts, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its servers are started, used and ended with it."""
    checkout = checkouts[0]
    folder = checkout.state / "servers" / environment
    try:
        code, said = checkout.make("up", profile=profile)
        assert code == 0, said[-6000:]
        assert "in the cluster of `make cluster`" in said
        assert trigger(checkout.state), capfd.readouterr().out
    finally:
        code, said = checkout.make("down", environment)
        servers.stop(folder)
    assert code == 0, said[-3000:]
    assert servers.running(folder) is None
    assert "asya" not in cluster.kubectl("get", "namespace,crd", "-o", "name")
