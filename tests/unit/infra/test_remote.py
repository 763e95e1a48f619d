"""The components of other languages under mocks: what of their arguments is kept, and what their schema says of secrets."""

import json

import pulumi
import pytest

from asya_infra.component_provider import AsyaProvider
from asya_infra.remote import AsyncActor, AsyncActorArgs
from tests.support.pulumi_program import KUBECONFIG, Run, run_program

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
    assert secret == [("asya:index:AsyncActor", "kubeconfig")]
