"""What is applied again: what we changed, and what somebody else changed."""

from typing import Any

from asya_operator.applied import RESYNC_S, Applied, leftovers
from asya_operator.resources import DEPLOYMENT, OWNED, SCALED_OBJECT


def deployment(image: str = "a:1") -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "ocr", "namespace": "t"}, "spec": {"image": image}}


def stored(generation: int = 1) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "ocr", "namespace": "t", "generation": generation}}


def policy() -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "metadata": {"name": "ocr", "namespace": "t"}, "spec": {}}


def test_what_was_never_applied_is_due() -> None:
    assert Applied().is_due(deployment(), stored(), 0.0)


def test_an_object_that_is_as_we_left_it_is_not_due() -> None:
    applied = Applied()
    applied.note(deployment(), stored(), 0.0)
    assert not applied.is_due(deployment(), stored(), 1e9)


def test_a_change_of_ours_a_change_by_others_and_a_deletion_are_due() -> None:
    applied = Applied()
    applied.note(deployment(), stored(), 0.0)
    assert applied.is_due(deployment("a:2"), stored(), 0.0)
    assert applied.is_due(deployment(), stored(generation=2), 0.0)
    assert applied.is_due(deployment(), None, 0.0)


def test_a_config_map_is_told_by_its_resource_version() -> None:
    wanted = {"kind": "ConfigMap", "metadata": {"name": "asya-runtime", "namespace": "t"}, "data": {}}
    applied = Applied()
    applied.note(wanted, {"kind": "ConfigMap", "metadata": {"resourceVersion": "7"}}, 0.0)
    assert not applied.is_due(wanted, {"kind": "ConfigMap", "metadata": {"resourceVersion": "7"}}, 0.0)
    assert applied.is_due(wanted, {"kind": "ConfigMap", "metadata": {"resourceVersion": "8"}}, 0.0)


def test_what_is_not_watched_is_due_now_and_then() -> None:
    applied = Applied()
    applied.note(policy(), {"kind": "NetworkPolicy", "metadata": {"generation": 1}}, 100.0)
    assert not applied.is_due(policy(), None, 100.0 + RESYNC_S - 1)
    assert applied.is_due(policy(), None, 100.0 + RESYNC_S)


def test_leftovers_are_what_exists_and_is_wanted_no_longer_scalers_first() -> None:
    scaler, workload = ("ScaledObject", "t", "ocr"), ("Deployment", "t", "ocr")
    assert leftovers(OWNED, set(), {workload, scaler}) == [(SCALED_OBJECT, scaler), (DEPLOYMENT, workload)]
    assert leftovers(OWNED, {workload}, {workload}) == []
