"""What changed between two statuses, as Events. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asya_operator.status.conditions import READY
from asya_operator.status.observation import find_condition
from asya_operator.status.table import rule_of

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change.

    Attributes:
        type: Warning for a change to the worse.
        reason: The new status, or the condition's reason.
        message: A sentence.
    """

    type: EventType
    reason: str
    message: str


def transitions(previous: Mapping[str, Any], new: Mapping[str, Any]) -> list[Transition]:
    """List the change of status and each flip of a condition.

    A condition flips when it becomes False, or True after it was something else; one that begins as True, or that
    cannot be judged for now, makes no Event.
    """
    found = []
    before, status = previous.get("status"), str(new.get("status", "Unknown"))
    if status != before:
        rule = rule_of(status)
        kind: EventType = "Warning" if rule is not None and rule.warning else "Normal"
        path = f"{before} -> {status}" if before else status
        found.append(Transition(kind, status, f"{path}: {rule.meaning}" if rule is not None else path))
    found += [
        flip
        for condition in new.get("conditions") or ()
        if condition["type"] != READY  # says what the status says
        and (flip := _flip(find_condition(previous.get("conditions"), condition["type"]), condition)) is not None
    ]
    return found


def _flip(before: Mapping[str, Any], after: Mapping[str, Any]) -> Transition | None:
    if before.get("status") == after["status"]:
        return None
    text = f"{after['type']} is {after['status']}: {after['message']}"
    if after["status"] == "False":
        return Transition("Warning", str(after["reason"]), text)
    if after["status"] == "True" and before:
        return Transition("Normal", str(after["reason"]), text)
    return None
