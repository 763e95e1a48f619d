"""What is applied again: what we changed, and what somebody else changed."""

from typing import Any

from asya_kube.resources import DEPLOYMENT, OWNED, SCALED_OBJECT
from asya_operator.applied import RESYNC_S, TRACKED, Applied, leftovers


def deployment(image: str = "a:1") -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "ocr", "namespace": "t"}, "spec": {"image": image}}


def stored(generation: int = 1) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "ocr", "namespace": "t", "generation": generation}}


def monitor() -> dict[str, Any]:
    return {"kind": "PodMonitor", "metadata": {"name": "ocr", "namespace": "t"}, "spec": {}}


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
    applied.note(monitor(), {"kind": "PodMonitor", "metadata": {"generation": 1}}, 100.0)
    assert not applied.is_due(monitor(), None, 100.0 + RESYNC_S - 1)
    assert applied.is_due(monitor(), None, 100.0 + RESYNC_S)


def test_only_pod_monitors_are_not_watched() -> None:
    """Drift of everything else is seen at once, and costs no request while there is none."""
    assert {kind.kind for kind in OWNED} - TRACKED == {"PodMonitor"}


def test_what_was_applied_is_found_by_its_names_until_it_is_forgotten() -> None:
    applied = Applied()
    applied.note(deployment(), stored(), 0.0)
    applied.note(monitor(), {"kind": "PodMonitor", "metadata": {"generation": 1}}, 0.0)
    keys = {("Deployment", "t", "ocr"), ("PodMonitor", "t", "ocr")}
    assert set(applied.of_actor("t", {"ocr", "ocr-trigger-auth"})) == keys
    assert applied.of_actor("other", {"ocr"}) == []
    for key in keys:
        applied.forget(key)
    assert applied.of_actor("t", {"ocr"}) == []


def test_leftovers_are_what_exists_and_is_wanted_no_longer_scalers_first() -> None:
    scaler, workload = ("ScaledObject", "t", "ocr"), ("Deployment", "t", "ocr")
    assert leftovers(OWNED, set(), {workload, scaler}) == [(SCALED_OBJECT, scaler), (DEPLOYMENT, workload)]
    assert leftovers(OWNED, {workload}, {workload}) == []
