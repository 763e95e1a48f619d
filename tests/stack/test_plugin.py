"""AsyncActor and McpTool as a component provider: what a program in any other language makes of them, by the engine's protocol.

The program here is Python, but knows the components only by their tokens, as a program in TypeScript or YAML does.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation

from lab.checkout import ROOT
from tests.support.pulumi_project import project

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]

PROGRAM = """
import pulumi
import yaml

with open("CRD") as file:
    definition = yaml.safe_load(file)
crd = pulumi.CustomResource("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "crd", definition)

class Remote(pulumi.ComponentResource):
    def __init__(self, token, name, props, opts=None):
        super().__init__(token, name, props, opts, remote=True)

actor = Remote("asya:index:AsyncActor", "ocr", {
    "image": "ocr:1", "handler": "ocr.process", "transport": "rabbitmq", "env": {"LANGUAGE": "de"},
    "scaling": {"maxReplicas": MOST, "queueLength": 2}, "queueUrl": "amqp://broker:5672",
    "queueName": None, "status": None,
}, pulumi.ResourceOptions(depends_on=[crd]))
Remote("asya:index:McpTool", "read", {"route": ["ocr"], "description": "Reads"}, pulumi.ResourceOptions(depends_on=[actor]))
pulumi.export("queue", actor.queueName)
pulumi.export("url", actor.queueUrl)
"""


def program(most: int) -> str:
    return PROGRAM.replace("MOST", str(most)).replace("CRD", str(ROOT / "deploy/operator/crd.yaml"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    plugin = ROOT / "infra/plugin"
    (folder / "Pulumi.yaml").write_text(
        f"name: remote\nruntime: python\nplugins: {{providers: [{{name: asya, path: {plugin}}}]}}\n", encoding="utf-8"
    )
    (folder / "__main__.py").write_text(program(most=7), encoding="utf-8")
    return folder


def test_a_program_that_knows_only_tokens_declares_an_actor_and_a_tool(source: Path, tmp_path: Path) -> None:
    made = project(source, tmp_path)
    stack = made.stack("test", {})
    try:
        up = stack.up()
        assert up.outputs["queue"].value == "asya-ocr"
        assert up.outputs["url"].value == "amqp://broker:5672/asya-ocr"
        objects = {each["type"]: each["inputs"] for each in made.resources() if each["type"].startswith("kubernetes:")}
        assert objects["kubernetes:asya.sh/v1alpha1:AsyncActor"]["spec"] == {
            "transport": "rabbitmq",
            "image": "ocr:1",
            "handler": "ocr.process",
            "scaling": {"enabled": True, "maxReplicas": 7, "queueLength": 2},
            "workload": {
                "template": {
                    "spec": {"containers": [{"name": "asya-runtime", "env": [{"name": "LANGUAGE", "value": "de"}]}]}
                }
            },
        }
        assert list(objects["kubernetes:core/v1:ConfigMapPatch"]["data"]) == ["read.yaml"]
        stack.up(expect_no_changes=True)

        (made.folder / "__main__.py").write_text(program(most=0), encoding="utf-8")
        with pytest.raises(automation.CommandError, match="maxReplicas"):
            stack.preview()
    finally:
        stack.destroy()
    assert made.resources() == []


def shape(resource: dict[str, Any]) -> dict[str, Any]:
    """Names, types, demands and secrets of a component, as schemas have them."""
    kinds = {
        part: {name: each.get("type", each.get("$ref")) for name, each in resource.get(part, {}).items()}
        for part in ("inputProperties", "properties")
    }
    secret = [name for name, each in resource.get("inputProperties", {}).items() if each.get("secret")]
    required = resource.get("requiredInputs", [])
    return {**kinds, "required": required, "secret": secret, "component": resource["isComponent"]}


def test_the_schema_that_the_provider_answers_is_the_one_kept_here(source: Path, tmp_path: Path) -> None:
    made = project(source, tmp_path)
    command = automation.PulumiCommand(root=str(made.engine.parent))
    argv = ["package", "get-schema", str(ROOT / "infra/plugin/pulumi-resource-asya")]
    answer = command.run(argv, cwd=str(made.folder), additional_env={**made.environment, "PULUMI_HOME": str(made.home)})
    kept = json.loads((ROOT / "infra/plugin/schema.json").read_text(encoding="utf-8"))
    found = json.loads(answer.stdout)
    # The engine leaves out what is empty, and writes parts of nested types in its own way.
    assert {key: shape(each) for key, each in found["resources"].items()} == {
        key: shape(each) for key, each in kept["resources"].items()
    }
    assert list(found["types"]) == list(kept["types"])
