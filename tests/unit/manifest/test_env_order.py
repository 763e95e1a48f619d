"""Environment entries written once each, for a container that gets what Kubernetes would have given it."""

import re
from typing import Any

import pytest

from asya_manifest.env_order import in_order, refers_to
from asya_manifest.pod import EnvVar
from asya_manifest.problems import RuleBroken

POD = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def entries(*given: tuple[str, str] | dict[str, Any]) -> list[EnvVar]:
    return [
        EnvVar.model_validate(each if isinstance(each, dict) else {"name": each[0], "value": each[1]}) for each in given
    ]


def kubelet(env: list[EnvVar], pod: str = "p-0") -> dict[str, str]:
    """What a container gets: as the kubelet's makeEnvironmentVariables and its expansion package have it."""
    values: dict[str, str] = {}

    def expanded(found: re.Match[str]) -> str:
        return "$" if found.group(0) == "$$" else values.get(found.group(1), found.group(0))

    for entry in env:
        text = re.sub(r"\$\$|\$\(([^()]*)\)", expanded, entry.value or "")
        values[entry.name] = pod if entry.value_from is not None else text
    return values


@pytest.mark.parametrize(
    "given",
    [
        [("A", "1"), ("B", "$(A)"), ("A", "2")],
        [("A", "1"), ("A", "$(A):2"), ("A", "$(A):3"), ("B", "$(A)")],
        [("A", "/models"), POD, ("A", "/models/$(POD)")],
        [("B", "$(A)"), ("A", "1"), ("C", "$(A)$(B)"), ("A", "2")],
        [("A", "1"), ("B", "$$(A) $(A) $$$(A)"), ("A", "2")],
        [("A", "$(N)"), ("N", "1"), ("B", "$(A)"), ("A", "2")],
        [("A", "x"), ("B", "$(A"), ("C", "$(D)$"), ("A", "")],
        [("A", ""), ("B", "<$(A)>"), ("A", "2"), ("B", "$(B)$(A)")],
        [POD, ("B", "$(POD)")],
    ],
)
def test_a_container_gets_the_same_environment_from_a_list_without_repetition(given: list[Any]) -> None:
    env = entries(*given)
    written = in_order(env)
    assert len({entry.name for entry in written}) == len(written)
    assert kubelet(written) == kubelet(env)


def test_entries_that_stand_once_stay_as_they_are() -> None:
    env = entries(("A", "$(B) $$(C)"), POD, ("B", "$(POD)"))
    assert in_order(env)[1:] == env[1:]
    assert kubelet(in_order(env)) == kubelet(env)


def test_a_reference_to_what_has_no_text_and_is_set_again_is_refused() -> None:
    with pytest.raises(
        RuleBroken, match=r"\[1\]\.value: refers to 'POD', which is no plain value and is set again later"
    ):
        in_order(entries(POD, ("POD", "$(POD)-x")))


def test_a_reference_is_found_but_not_in_an_escaped_text() -> None:
    assert refers_to(entries(("B", "x$(A)")), "A")
    assert not refers_to(entries(("B", "$$(A)")), "A")
