"""What changes between two statuses is told once, as Events."""

from typing import Any

import pytest

from asya_operator.status.events import transitions
from asya_operator.status.table import STATUSES, Rule, rule_of


def status(name: str, **conditions: tuple[str, str, str]) -> dict[str, Any]:
    built = [
        {"type": type_name, "status": value, "reason": reason, "message": message}
        for type_name, (value, reason, message) in conditions.items()
    ]
    return {"status": name, "conditions": built}


GOOD = ("True", "WorkloadCreated", "All pods healthy")
BAD = ("False", "PodsNotHealthy", "Container asya-runtime in CrashLoopBackOff (pod: p)")


def test_nothing_new_tells_nothing() -> None:
    same = status("RuntimeError", WorkloadReady=BAD)
    assert transitions(same, same) == []


def test_a_change_to_the_worse_is_a_warning_with_status_and_cause() -> None:
    change, flip = transitions(status("Running", WorkloadReady=GOOD), status("RuntimeError", WorkloadReady=BAD))
    assert (change.type, change.reason) == ("Warning", "RuntimeError")
    assert change.message.startswith("Running -> RuntimeError: The handler's container")
    assert (flip.type, flip.reason) == ("Warning", "PodsNotHealthy")
    assert flip.message == f"WorkloadReady is False: {BAD[2]}"


def test_a_mended_actor_is_normal() -> None:
    found = transitions(status("RuntimeError", WorkloadReady=BAD), status("Running", WorkloadReady=GOOD))
    assert [(one.type, one.reason) for one in found] == [("Normal", "Running"), ("Normal", "WorkloadCreated")]


def test_the_first_status_tells_itself_and_only_what_is_wrong() -> None:
    [only] = transitions({}, status("Creating", WorkloadReady=GOOD))
    assert (only.type, only.reason) == ("Normal", "Creating")
    assert only.message.startswith("Creating: ")
    assert [one.reason for one in transitions({}, status("RuntimeError", WorkloadReady=BAD))] == [
        "RuntimeError",
        "PodsNotHealthy",
    ]


def test_a_condition_that_cannot_be_judged_tells_nothing() -> None:
    unjudged = ("Unknown", "NotChecked", "The spec is not valid")
    before, after = status("Running", TransportReady=GOOD), status("Running", TransportReady=unjudged)
    assert transitions(before, after) == []
    assert [one.reason for one in transitions(after, before)] == ["WorkloadCreated"]


@pytest.mark.parametrize("rule", STATUSES, ids=[rule.status for rule in STATUSES])
def test_every_status_says_what_it_means_where_to_look_and_what_to_do(rule: Rule) -> None:
    assert all(text.endswith(".") for text in (rule.meaning, rule.look, rule.mend))
    assert rule_of(rule.status) is rule
    assert [one.reason for one in transitions({}, {"status": rule.status})] == [rule.status]


def test_a_word_that_is_no_status_has_no_rule() -> None:
    assert rule_of("NoTransport") is None
