"""The machinery itself, on a small program: a whole life on the real engine, the real host and a file backend."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pulumi import automation
from pulumi.automation import OpType

from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.stack.conftest import Clouds
from tests.support.pulumi_project import Project, project

pytestmark = pytest.mark.timeout(1500)

PROGRAM = Path(__file__).parent / "programs/mailbox"
RESOURCES = 10


@pytest.fixture
def mailbox(tmp_path: Path, clouds: Clouds) -> Iterator[tuple[Project, automation.Stack]]:
    """The program's stack, destroyed at the end."""
    made = project(PROGRAM, tmp_path, aws=clouds.aws, moto=clouds.moto)
    made.attach()
    stack = made.stack("dev", {"aws:region": "us-east-1"}, {"token": "t0psecret"})
    yield made, stack
    stack.destroy()
    made.close()


def sqs(clouds: Clouds) -> Any:
    return boto3.client(
        "sqs", endpoint_url=clouds.aws, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def test_a_whole_life(mailbox: tuple[Project, automation.Stack], clouds: Clouds) -> None:
    """Preview, up, a second up that changes nothing, an update, drift put right, a replacement, destroy."""
    made, stack = mailbox
    assert stack.preview().change_summary == {OpType.CREATE: RESOURCES}
    assert not made.recorded.exists() or not recorded(made.recorded), "a preview makes nothing"

    up = stack.up()
    url = up.outputs["url"].value
    assert up.summary.resource_changes == {"create": RESOURCES}
    assert url.endswith("/asya-echo") and up.outputs["bucket"].value.startswith("results-")
    assert up.outputs["account"].value == "000000000000"
    config_map = next(thing for thing in recorded(made.recorded) if thing["kind"] == "ConfigMap")
    assert config_map["data"] == {"queue": url} and config_map["metadata"]["name"] == up.outputs["settings"].value

    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": RESOURCES}

    stack.set_config("timeout", automation.ConfigValue("60"))
    assert stack.up().summary.resource_changes == {"same": RESOURCES - 1, "update": 1}
    assert attribute(clouds, url, "VisibilityTimeout") == "60"

    sqs(clouds).set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "99"})
    assert stack.refresh().summary.resource_changes == {"same": RESOURCES - 1, "update": 1}
    assert stack.up().summary.resource_changes == {"same": RESOURCES - 1, "update": 1}
    assert attribute(clouds, url, "VisibilityTimeout") == "60"

    stack.set_config("queueName", automation.ConfigValue("asya-renamed"))
    changes = stack.up().summary.resource_changes
    # The map's data is its own reason to be replaced, and the Deployment follows its new name.
    assert changes == {"same": RESOURCES - 4, "replace": 2, "update": 2}

    stack.destroy()
    assert made.resources() == [] and recorded(made.recorded) == []
    assert "QueueUrls" not in sqs(clouds).list_queues(QueueNamePrefix="asya-echo")


def test_secrets_stay_secret_in_the_state(mailbox: tuple[Project, automation.Stack]) -> None:
    """A secret tag is in no readable part of the state file, nor is an output that repeats it."""
    made, stack = mailbox
    up = stack.up()
    assert up.outputs["tags"].secret and up.outputs["tags"].value["token"] == "t0psecret"
    assert "t0psecret" not in made.state_file() and "ciphertext" in made.state_file()


def test_what_was_deleted_by_hand_comes_back(mailbox: tuple[Project, automation.Stack], clouds: Clouds) -> None:
    """A refresh drops what is gone, and the next up makes it again; deleting what is gone is fine."""
    made, stack = mailbox
    url = stack.up().outputs["url"].value
    sqs(clouds).delete_queue(QueueUrl=url)
    assert stack.up(refresh=True).summary.resource_changes == {"same": RESOURCES - 1, "create": 1}
    sqs(clouds).delete_queue(QueueUrl=url)
    stack.destroy()
    assert made.resources() == []


def attribute(clouds: Clouds, url: str, name: str) -> str:
    found = sqs(clouds).get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return str(found[name])


def test_an_actor_that_moves_below_another_component_lives_on_by_its_alias(tmp_path: Path) -> None:
    """Without one the engine makes it under its new name and then deletes the object of the cluster, which is the same."""
    made = project(PROGRAM.with_name("moving"), tmp_path)
    made.attach()
    try:
        stack = made.stack("dev", {})
        created = stack.up().summary.resource_changes or {}
        stack.set_config("moved", automation.ConfigValue("true"))
        assert stack.up().summary.resource_changes == {"same": sum(created.values())}
    finally:
        made.close()
