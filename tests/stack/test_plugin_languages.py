"""AsyncActor and McpTool from Pulumi YAML and TypeScript: the programs of docs/environments.md on their real hosts."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from asya_infra.actor_args import ActorArgs, Scaling, actor_manifest
from asya_infra.tool import tool_file
from lab.checkout import ROOT
from lab.installs.node import install_pulumi
from lab.pulumi_standins.kubernetes.recorder import Recorder, recorded
from tests.support.pulumi_project import Project, project, require_host

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


def block(language: str, first: str) -> str:
    """The program in the page that begins with a line; what a reader would copy."""
    page = (ROOT / "docs/environments.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n({re.escape(first)}\n.*?)```", page, re.DOTALL)
    return str(found).replace("/path/to/asya", str(ROOT))


def yaml_program(folder: Path) -> Path:
    program = folder / "Pulumi.yaml"
    program.write_text(block("yaml", "# Pulumi.yaml of a program in YAML"), encoding="utf-8")
    return program


def typescript_program(folder: Path) -> Path:
    settings = yaml.safe_load(block("yaml", "# Pulumi.yaml of a program in YAML"))
    kept = {"name": settings["name"], "runtime": "nodejs", "plugins": settings["plugins"]}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    (folder / "package.json").write_text("{}", encoding="utf-8")
    (folder / "node_modules").symlink_to(install_pulumi())
    program = folder / "index.ts"
    program.write_text(block("typescript", "// index.ts"), encoding="utf-8")
    return program


def prepared(language: str, tmp_path: Path) -> Project:
    """A project with the language's host on PATH, and a cluster where actors are a known kind."""
    source = tmp_path / "source"
    source.mkdir()
    made = project(source, tmp_path)
    made.environment["PATH"] = os.pathsep.join([str(require_host(language)), made.environment["PATH"]])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("STANDIN_OPENAPI", made.environment["STANDIN_OPENAPI"])
        Recorder(made.recorded).apply(yaml.safe_load((ROOT / "deploy/operator/crd.yaml").read_text(encoding="utf-8")))
    return made


def objects(made: Project) -> dict[str, Mapping[str, Any]]:
    return {each["kind"]: each for each in recorded(made.recorded) if each["kind"] != "CustomResourceDefinition"}


@pytest.mark.parametrize(("language", "write"), [("yaml", yaml_program), ("nodejs", typescript_program)])
def test_a_program_in_another_language_makes_what_a_python_program_makes(
    language: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    made = prepared(language, tmp_path)
    path = write(made.folder)
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

        path.write_text(path.read_text(encoding="utf-8").replace("maxReplicas: 10", "maxReplicas: 0"), encoding="utf-8")
        with pytest.raises(automation.CommandError, match="maxReplicas"):
            stack.preview()
    finally:
        stack.destroy()
    assert made.resources() == []
    assert objects(made) == {}
