"""KEDA's scaling modifiers of an actor: honoured, or refused with what would be right."""

from typing import Any

import pytest

from asya_manifest.errors import InvalidActor
from asya_manifest.policies import names_in
from tests.support.rendered import actor, objects

AT = "spec.scaling.advanced"


def scaled(**advanced: Any) -> dict[str, Any]:
    """The ScaledObject's spec."""
    declared = actor(scaling={"enabled": True, "advanced": advanced})
    spec: dict[str, Any] = objects(declared)["ScaledObject/hello-actor"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("advanced", "expected"),
    [
        ({"target": "20"}, "target: is about a formula; without one, scaling.queueLength says"),
        ({"activationTarget": "5"}, "activationTarget: is about a formula"),
        ({"metricType": "Value"}, "metricType: is about a formula"),
        ({"formula": "total", "metricType": "Utilization"}, "metricType: a queue has no utilization"),
        ({"formula": "5"}, "formula: '5' counts nothing; a formula counts by queueLength, total and ready"),
        ({"formula": "total + cpu"}, "formula: 'cpu' is not known; a formula counts by queueLength, total and ready"),
        ({"formula": "total", "target": "many"}, "target: must be a number above 0, not 'many'"),
        ({"formula": "total", "target": "0"}, "target: must be a number above 0, not '0'"),
        ({"formula": "total", "activationTarget": "nan"}, "activationTarget: must be a number of 0 or more, not 'nan'"),
    ],
)
def test_what_keda_would_refuse_or_ignore_is_refused(advanced: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidActor) as caught:
        scaled(**advanced)
    assert [str(problem)[: len(f"{AT}.{expected}")] for problem in caught.value.problems] == [f"{AT}.{expected}"]


@pytest.mark.parametrize(
    ("formula", "triggers"),
    [
        ("ceil(queueLength / 10)", {"queueLength": "true"}),
        ("max(total - ready, total / 3)", {"total": "true", "ready": "false"}),
        ("ready > 0 ? ready : queueLength", {"queueLength": "true", "ready": "false"}),
    ],
)
def test_a_formula_gets_the_counts_that_it_names(formula: str, triggers: dict[str, str]) -> None:
    spec = scaled(formula=formula)
    assert spec["advanced"]["scalingModifiers"] == {"formula": formula, "target": "1"}
    assert {each["name"]: each["metadata"]["scaleOnInFlight"] for each in spec["triggers"]} == triggers


def test_functions_strings_members_and_variables_of_a_formula_are_no_counts() -> None:
    assert names_in("let n = max(total, 1e3); n > 2 and not (ready in [1]) ? float('x y').z : 0") == {"total", "ready"}
