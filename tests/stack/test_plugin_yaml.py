"""AsyncActor and McpTool from Pulumi YAML: the program of docs/environments.md, run by the real host of that language."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from asya_infra.actor_args import ActorArgs, Scaling, actor_manifest
from asya_infra.tool import tool_file
from tests.support.pulumi_project import Project, project, require_yaml_host
from tests.support.pulumi_standins.kubernetes.recorder import Recorder, recorded
from tools.tree import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]  # The host may have to be built first.


def program() -> str:
    """What a reader would copy."""
    page = (ROOT / "docs/environments.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# Pulumi\.yaml of a program in YAML\n.*?)```", page, re.DOTALL)
    return str(block).replace("/path/to/asya", str(ROOT))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The program, its host on PATH, and a cluster where actors are a known kind."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "Pulumi.yaml").write_text(program(), encoding="utf-8")
    made = project(source, tmp_path)
    made.environment["PATH"] = os.pathsep.join([str(require_yaml_host()), made.environment["PATH"]])
    monkeypatch.setenv("STANDIN_OPENAPI", made.environment["STANDIN_OPENAPI"])
    with (ROOT / "deploy/operator/crd.yaml").open(encoding="utf-8") as definition:
        Recorder(made.recorded).apply(yaml.safe_load(definition))
    return made


def objects(made: Project) -> dict[str, Mapping[str, Any]]:
    return {each["kind"]: each for each in recorded(made.recorded) if each["kind"] != "CustomResourceDefinition"}


def test_a_yaml_program_makes_what_a_python_program_makes(made: Project) -> None:
    stack = made.stack("test", {})
    try:
        # The stack, two components, two objects.
        assert stack.preview().change_summary == {automation.OpType.CREATE: 5}
        assert objects(made) == {}

        up = stack.up()
        assert up.outputs["queue"].value == "asya-ocr"
        assert up.outputs["url"].value == "amqp://broker:5672/asya-ocr"
        args = ActorArgs(
            image="ocr:1",
            handler="ocr.process",
            env={"LANGUAGE": "de"},
            scaling=Scaling(max_replicas=10, queue_length=2),
        )
        assert objects(made)["AsyncActor"]["spec"] == actor_manifest("ocr", "rabbitmq", args)["spec"]
        (tool,) = recorded(made.recorded, "patch")
        assert tool["data"] == {
            "read.yaml": tool_file("read", ["ocr"], description="Reads", parameters=None, timeout=None)
        }
        stack.up(expect_no_changes=True)

        path = made.folder / "Pulumi.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("maxReplicas: 10", "maxReplicas: 0"), encoding="utf-8")
        with pytest.raises(automation.CommandError, match="maxReplicas"):
            stack.preview()
    finally:
        stack.destroy()
    assert made.resources() == []
    assert objects(made) == {}
