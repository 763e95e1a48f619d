"""The components of other languages under mocks: what of their arguments is kept, and what their schema says of secrets."""

import dataclasses
import inspect
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from asya_infra import actor, actor_args, tool
from asya_infra.component_provider import AsyaProvider
from asya_infra.errors import ConfigError
from asya_infra.remote import AsyncActor, AsyncActorArgs, McpToolArgs
from tests.support.pulumi_program import KUBECONFIG, Run, run_environment, run_program

pytestmark = pytest.mark.unit


def declared(*, hidden: bool) -> Run:
    def program() -> None:
        kubeconfig: pulumi.Input[str] = pulumi.Output.secret(KUBECONFIG) if hidden else KUBECONFIG
        # As the host calls it: with those arguments alone that the program gave.
        args: AsyncActorArgs = {"image": "ocr:1", "handler": "ocr.process", "kubeconfig": kubeconfig}  # type: ignore[typeddict-item]
        AsyncActor("ocr", args)

    return run_program(program)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_kubeconfig_is_readable_in_no_input(*, hidden: bool) -> None:
    """Whether the program marked it as a secret or gave it as plain text."""
    seen = declared(hidden=hidden)
    inputs = {(each.type, key): key in each.secrets for each in seen.resources for key in each.inputs}
    assert inputs["asya:index:AsyncActor", "handler"] is False
    assert inputs["pulumi-python:dynamic:Resource", "kubeconfig"] is True
    for each in seen.resources:
        shown = [key for key, value in each.inputs.items() if "kubeconfig-token" in str(value)]
        assert set(shown) <= each.secrets, each.type


def test_the_schema_says_that_it_is_a_secret() -> None:
    schema = json.loads(AsyaProvider().schema or "")
    secret = [
        (token, name)
        for token, resource in schema["resources"].items()
        for name, each in resource["inputProperties"].items()
        if each.get("secret")
    ]
    assert secret == [("asya:index:AsyncActor", "secrets"), ("asya:index:AsyncActor", "kubeconfig")]


ELSEWHERE = {
    "mesh": "platform",
    "resource_name": "actor",
    "timeout": "timeout_seconds",
    "source": "only for the local mesh, which a component in another language never reaches",
    "self": "",
    "name": "the resource's",
    "opts": "the resource's",
}
"""What Python's classes have under another name, or alone."""


@pytest.mark.parametrize(("here", "there"), [(actor.AsyncActor, AsyncActorArgs), (tool.McpTool, McpToolArgs)])
def test_every_argument_of_python_is_offered(here: type, there: type) -> None:
    wanted = inspect.signature(here).parameters.keys()
    assert {name for name in wanted - ELSEWHERE.keys() if name not in there.__annotations__} == set()


@pytest.mark.parametrize("part", ["Scaling", "Retry", "Timeout", "Batch", "Dedup", "Delivery", "Sidecar"])
def test_every_part_has_python_s_fields_and_a_plain_name(part: str) -> None:
    types = json.loads(AsyaProvider().schema or "")["types"]
    assert f"asya:index:{part}" in types
    wanted = {entry.name for entry in dataclasses.fields(getattr(actor_args, part))}
    offered = {name.lower() for name in types[f"asya:index:{part}"]["properties"]}
    # Raw variables of a container are a list of objects that no schema of ours describes; the workload has them.
    assert {name for name in wanted if name.replace("_", "") not in offered} <= {"env"}
    assert not [token for token in types if token.endswith("Args")]


def test_the_package_says_whose_it_is() -> None:
    schema = json.loads(AsyaProvider().schema or "")
    assert schema["language"]["nodejs"]["packageName"] == "@asya/pulumi"
    assert {"description", "homepage", "keywords", "license", "publisher", "repository"} <= schema.keys()


def remote(late: Mapping[str, Any] | None = None, **args: Any) -> Run:
    """Run a program with one actor; ``late`` are arguments that it has as outputs."""

    def program() -> None:
        known_later = {key: pulumi.Output.from_input(value) for key, value in (late or {}).items()}
        given: Any = {"image": "registry.example/ocr:1", "handler": "ocr.process", **args, **known_later}
        AsyncActor("ocr", given)

    return run_program(program, stack="team")


def test_a_platform_on_aws_gives_the_actor_a_role_that_sends_where_it_says() -> None:
    platform = run_environment("aws", keda="installed").exports["platform"]
    seen = remote(
        platform=platform,
        sends_to=["grade"],
        policies=["arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"],
        actor="reader",
    )
    assert seen.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs["serviceAccount"] == "asya-reader"
    document = json.loads(seen.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    (send,) = [each["Resource"] for each in document["Statement"] if each["Sid"] == "Send"]
    assert {arn.rpartition(":")[2] for arn in send} == {"asya-reader", "asya-grade", "asya-happy-end", "asya-error-end"}
    made = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor").inputs
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("reader", "asya")
    assert seen.one("asya:index:AsyncActor").inputs.keys().isdisjoint({"platform", "secrets", "kubeconfig"})


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"platform": "{}", "namespace": "b", "kubeconfig": "c"}, "namespace, kubeconfig and platform say the same"),
        ({"sends_to": []}, "sends_to wants a role"),
        ({"policies": ["arn:aws:iam::aws:policy/A"]}, "policies want a role"),
        ({"resources": {"limit": {}}}, "resources: has no limit"),
    ],
)
def test_what_cannot_be_is_refused(args: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        remote(**args)


def test_what_is_known_later_is_taken_as_it_comes() -> None:
    late = {
        "handler": "ocr.process",
        "namespace": "team",
        "transport": "rabbitmq",
        "labels": {"team": "a"},
        "resources": {"limits": {"memory": "1Gi"}},
        "env": {"A": "1"},
        "secrets": {"TOKEN": "hidden"},
    }
    seen = remote(late, scaling={"max_replicas": 3.0})
    made = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor").inputs
    assert made["metadata"]["namespace"] == "team" and made["metadata"]["labels"] == {"team": "a"}
    assert made["spec"]["handler"] == "ocr.process" and made["spec"]["scaling"]["maxReplicas"] == 3
    (container,) = made["spec"]["workload"]["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"memory": "1Gi"}} and container["env"] == [{"name": "A", "value": "1"}]
    assert "stringData" in seen.one("kubernetes:core/v1:Secret").secrets
