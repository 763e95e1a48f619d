"""When an actor counts as ready, and what is said when it does not; a real operator is asked in tests/e2e."""

from typing import Any

import pytest

from asya_infra.actor_status import judge
from asya_infra.actor_wait import _Waiter

pytestmark = pytest.mark.unit


def actor(status: str, *, seen: int = 2, conditions: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "status": {"status": status, "observedGeneration": seen, "conditions": list(conditions)},
    }


@pytest.mark.parametrize("word", ["Running", "Napping"])
def test_running_and_napping_are_ready(word: str) -> None:
    assert judge(actor(word)) == (word, "")


def test_a_status_of_an_older_version_is_none() -> None:
    assert judge(actor("Running", seen=1)) == ("Running", "the operator has not seen this version of it yet")


def test_an_actor_that_nobody_looked_at_is_told_so() -> None:
    assert judge(None) == ("", "it does not exist")
    word, why = judge({"metadata": {"generation": 1}})
    assert (word, why.partition(";")[0]) == ("", "the operator has not looked at it yet")


def test_the_operators_own_message_is_told() -> None:
    broken = {"type": "TransportReady", "status": "False", "reason": "QueueError", "message": "the broker refused"}
    fine = {"type": "WorkloadReady", "status": "True", "message": "applied"}
    said = {"type": "ScalingReady", "status": "False", "reason": "ReconcileError", "message": ""}
    assert judge(actor("TransportError", conditions=(broken, fine, said))) == (
        "TransportError",
        "TransportError, TransportReady: the broker refused; ScalingReady: ReconcileError",
    )


def test_only_a_new_manifest_or_another_actor_is_waited_for_again() -> None:
    old = {"actor": "ocr", "namespace": "asya", "generation": "1", "kubeconfig": "old", "wait_s": 300}
    diff = _Waiter().diff
    assert not diff("", old, {**old, "kubeconfig": "rotated", "wait_s": 60}).changes
    assert diff("", old, {**old, "generation": "2"}).changes
    assert diff("", old, {**old, "namespace": "other"}).replaces == ["namespace"]
