"""Every input of every resource of every environment against the types of the real providers' SDKs."""

from typing import Any

import pytest

from lab.pulumi_standins.sdk_types import problems
from tests.support.pulumi_program import ENVIRONMENTS, whole_environment

pytestmark = pytest.mark.unit
FOREIGN = ("asya.sh/", "karpenter.sh/", "eks.amazonaws.com/")
"""Of CustomResourceDefinitions, which no SDK knows."""


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_sdks_know_every_input(name: str) -> None:
    checked, found = set(), []
    for each in whole_environment(name).resources:
        package = each.type.split(":")[0]
        if package not in {"aws", "kubernetes"} or any(group in each.type for group in FOREIGN):
            continue
        checked.add(each.type)
        inputs = in_words_of_the_sdk(each.inputs)
        found += [
            f"{each.type} {each.name}: {path}: {text}"
            for path, text in problems(each.type, inputs, f"pulumi_{package}")
        ]
    assert found == []
    assert len(checked) >= (40 if name == "aws" else 12)


def in_words_of_the_sdk(value: Any) -> Any:
    """``x-kubernetes-*``, which the provider knows in both spellings, as the SDK has it: with underscores."""
    if isinstance(value, dict):
        return {
            key.replace("-", "_") if key.startswith("x-kubernetes") else key: in_words_of_the_sdk(item)
            for key, item in value.items()
        }
    return [in_words_of_the_sdk(item) for item in value] if isinstance(value, list) else value
