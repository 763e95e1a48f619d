"""The program of every environment on the real engine: a whole life, twice nothing to do, and what is refused.

Kubernetes objects are recorded after checks against its schemas, so actors are not waited for; ``tests/e2e/test_stack.py``
runs the same program on a real cluster.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation
from pulumi.automation import CommandError

from tests.support.pulumi_project import Project, project
from tests.support.pulumi_standins.kubernetes.recorder import recorded
from tools.tree import ROOT

NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "recorded", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {"token": "none"}}],
    "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
    "current-context": "recorded",
}
Run = Callable[..., tuple[Project, automation.Stack]]


def program_folder(tmp_path: Path) -> Path:
    """The program and its environments, without the rest of the checkout; packages come from the virtual environment."""
    folder = tmp_path / "program"
    folder.mkdir()
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copyfile(path, folder / path.name)
    (folder / "infra").mkdir()
    shutil.copyfile(ROOT / "infra/__main__.py", folder / "infra/__main__.py")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Run]:
    """Make an environment's stack; it is destroyed at the end."""
    made: list[tuple[Project, automation.Stack]] = []

    def start(name: str, settings: dict[str, str], **where: str) -> tuple[Project, automation.Stack]:
        prepared = project(program_folder(tmp_path), tmp_path, **where)
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(NOBODY), encoding="utf-8")
        prepared.attach()
        recording = {"asya:kubeconfig": str(kubeconfig), "asya:waitSeconds": "0"}
        stack = prepared.stack(name, recording | settings)
        made.append((prepared, stack))
        return prepared, stack

    yield start
    for prepared, stack in made:
        stack.destroy()
        prepared.close()


def kinds(project: Project) -> dict[str, list[str]]:
    """The recorded objects' names by kind."""
    found: dict[str, list[str]] = {}
    for thing in recorded(project.recorded):
        found.setdefault(thing["kind"], []).append(thing["metadata"]["name"])
    return found


def count(changes: Any) -> int:
    return sum((changes or {}).values())


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
