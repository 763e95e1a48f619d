"""A gateway in a cluster on the real engine: the objects of deploy/gateway and its database, made, unchanged and gone."""

import pytest

from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.support.stack_program import Run, count, kinds

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


def test_a_gateway_is_installed_with_its_database_and_gone_again(environment: Run) -> None:
    secrets = {"asya:gatewayTokens": "caller-of-tools|call:*", "asya:reportToken": "reporter-of-progress"}
    made, stack = environment(
        "oss", {"asya:gatewayImage": "asya-gateway:0.2.0", "asya:queuePrefix": "team-b-", **secrets}
    )
    up = stack.up()
    there = kinds(made)
    assert "asya-gateway" in there["Deployment"]
    assert "asya-postgres" in there["StatefulSet"]
    objects = {(thing["kind"], thing["metadata"]["name"]): thing for thing in recorded(made.recorded)}
    assert objects["ConfigMap", "asya-gateway-config"]["data"] == {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_GATEWAY_ACTORS": "kubernetes:asya",
        "ASYA_QUEUE_PREFIX": "team-b-",
    }
    operator = objects["Deployment", "asya-operator"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "ASYA_GATEWAY_TOKEN_SECRET", "value": "asya-gateway-report"} in operator
    assert objects["Deployment", "asya-gateway"]["spec"]["replicas"] == 2
    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": count(up.summary.resource_changes)}
    stack.destroy()
    assert recorded(made.recorded) == []
