"""The program of every environment in a cluster on the real engine: a whole life, twice nothing to do, what is refused.

Kubernetes objects are recorded after checks against its schemas, so actors are not waited for; ``tests/e2e/test_stack.py``
runs the same program on a real cluster.
"""

import pytest
from pulumi import automation
from pulumi.automation import CommandError

from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.support.stack_program import Run, count, kinds

pytestmark = pytest.mark.timeout(1500)


def test_oss_lives_and_dies(environment: Run) -> None:
    """RabbitMQ, an S3 store, the operator and actors: preview says what up makes, and up again makes nothing."""
    made, stack = environment("oss", {})
    planned = stack.preview().change_summary
    assert not recorded(made.recorded), "a preview makes nothing"
    up = stack.up()
    assert up.summary.resource_changes == {"create": count(planned)}
    there = kinds(made)
    assert "asyncactors.asya.sh" in there["CustomResourceDefinition"]
    assert {"happy-end", "error-end"} <= set(there["AsyncActor"])
    assert "asya-operator" in there["Deployment"]
    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": count(planned)}
    assert set(stack.refresh().summary.resource_changes or {}) == {"same"}
    stack.set_config("asya:operatorImage", automation.ConfigValue("mirror.example/asya-operator:9"))
    changed = dict(stack.up().summary.resource_changes or {})
    assert set(changed) == {"same", "update"}
    stack.destroy()
    assert recorded(made.recorded) == [] and made.resources() == []


def test_no_password_is_readable_in_the_state(environment: Run) -> None:
    """The credentials of the settings are encrypted wherever the state repeats them."""
    made, stack = environment("oss", {})
    stack.set_config("asya:password", automation.ConfigValue("pa55-of-the-broker", secret=True))
    stack.set_config("asya:secretKey", automation.ConfigValue("k3y-of-the-store", secret=True))
    stack.up()
    state = made.state_file()
    assert "pa55-of-the-broker" not in state and "k3y-of-the-store" not in state
    encoded = "cGE1NS1vZi10aGUtYnJva2Vy"  # the same in the base64 of a Secret
    assert encoded not in state


def test_localstack_lives_and_dies(environment: Run) -> None:
    """SQS and S3 by their endpoints."""
    made, stack = environment("localstack", {"asya:monitoring": "true", "asya:keda": "none"})
    up = stack.up()
    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": count(up.summary.resource_changes)}
    actor = next(thing for thing in recorded(made.recorded) if thing["kind"] == "AsyncActor")
    assert actor["spec"]["transport"] == "sqs"
    there = kinds(made)
    servers = {name.removeprefix("asya-") for kind in ("Deployment", "StatefulSet") for name in there.get(kind, [])}
    assert {"prometheus", "grafana"} <= servers
    stack.destroy()
    assert recorded(made.recorded) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"asya:queue": "kafka"}, "asya:queue: 'kafka' is not one of"),
        ({"asya:queue": "sqs"}, "asya:region: is not set"),
        ({"asya:context": "nowhere"}, "asya:context: 'nowhere' is no context of"),
        ({"asya:kubeconfig": "missing"}, "asya:kubeconfig: "),
        ({"asya:waitSeconds": "soon"}, "asya:waitSeconds: 'soon' is not a whole number"),
    ],
    ids=["transport", "region", "context", "kubeconfig", "number"],
)
def test_bad_settings_are_one_line_and_make_nothing(environment: Run, settings: dict[str, str], says: str) -> None:
    """The line names the key, and nothing is made."""
    made, stack = environment("oss", settings)
    with pytest.raises(CommandError) as refused:
        stack.up()
    assert says in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert not recorded(made.recorded)
