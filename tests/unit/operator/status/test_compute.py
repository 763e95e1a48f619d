"""One reconcile of an actor becomes its status: each status from pods as the API server shows them, and the bound on writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_operator.status.compute import compute_status, worth_writing, write_due_s
from asya_operator.status.events import transitions
from asya_operator.status.observation import Finding, Observed, find_condition
from asya_operator.status.replicas import format_age
from asya_operator.status.table import STATUSES

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PODS = Path(__file__).parent / "pods"
STAMP = "2026-03-01T12:00:00Z"
REFUSED = 'pods "ocr-6c9d7f5b8-" is forbidden: exceeded quota: team, requested: limits.memory=8Gi'


def shown(case: str, name: str = "") -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load((PODS / f"{case}.yaml").read_text(encoding="utf-8"))
    pod["metadata"]["name"] = name or pod["metadata"]["name"]
    return pod


def workload(wanted: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ocr", "namespace": "team", "generation": 3},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 3, "replicas": wanted, "updatedReplicas": wanted, **status},
    }


def look(*cases: str, **changes: Any) -> Observed:
    pods = [shown(case, f"ocr-{number}") for number, case in enumerate(cases)]
    wanted = changes.pop("replicas", 1)
    fixed = None if changes.get("scaling_enabled") else wanted
    fields = {"fixed_replicas": fixed, "workload": workload(wanted), "pods": pods, **changes}
    return Observed(name="ocr", namespace="team", generation=2, now=NOW, **fields)


def scaled(*cases: str, **changes: Any) -> Observed:
    ready = [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "ScaledObject is ready"}]
    return look(*cases, scaling_enabled=True, **{"scaled_object": {"status": {"conditions": ready}}, **changes})


def condition(status: Mapping[str, Any], type_name: str) -> Mapping[str, Any]:
    return find_condition(status["conditions"], type_name)


def refused(text: str) -> dict[str, Any]:
    return workload(
        conditions=[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": text}]
    )


KEDA_REFUSES = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed"}]}}
ON_DELETE = workload(updatedReplicas=0)
ON_DELETE["spec"]["updateStrategy"] = {"type": "OnDelete"}
JUST_SCALED = workload(2, replicas=1, updatedReplicas=1, observedGeneration=2)
OLD_PODS = workload(2, replicas=3, updatedReplicas=1)

LOOKS: Sequence[tuple[str, Observed]] = (
    ("Terminating", look("running_ready", deleting=True)),
    ("TransportError", look("running_ready", transport_problem=Finding("InvalidTransport", "transport 'x' not found"))),
    ("TransportError", look("running_ready", queue_problem=Finding("QueueError", "broker is away"))),
    ("ImagePullError", look("image_pull_back_off")),
    ("ImagePullError", look("err_image_pull")),
    ("ImagePullError", look("invalid_image_name")),
    ("ConfigError", look("config_map_missing")),
    ("ConfigError", look("secret_missing")),
    ("ConfigError", look("config_message")),
    ("VolumeError", look("volume_stuck")),
    ("VolumeError", look("volume_message")),
    ("VolumeError", look("unschedulable_claim")),
    ("RuntimeError", look("crash_loop")),
    ("RuntimeError", look("oom_killed")),
    ("RuntimeError", look("running_ready", "oom_killed", replicas=2)),
    ("SidecarError", look("sidecar_crash_native")),
    ("SidecarError", look("sidecar_crash_plain")),
    ("PendingResources", look("unschedulable_cpu")),
    ("PendingResources", look("unschedulable_gpu")),
    ("PendingResources", look(workload=refused(REFUSED))),
    ("WorkloadError", look(workload=refused("admission webhook denied the request"))),
    ("WorkloadError", look(workload_problem=Finding("ValidationError", "spec.transport: required field is missing"))),
    ("WorkloadError", look("crash_loop", workload_problem=Finding("ReconcileError", "Deployment is not valid"))),
    ("WorkloadError", look("init_crash")),
    ("WorkloadError", look("evicted")),
    ("Running", look("evicted", "running_ready")),
    ("ScalingError", scaled("running_ready", scaling_problem=Finding("ReconcileError", "KEDA CRDs not installed"))),
    ("ScalingError", scaled("running_ready", scaled_object=KEDA_REFUSES)),
    ("Creating", look(workload=None)),
    ("Creating", look(workload=workload(observedGeneration=0))),
    ("Napping", scaled(replicas=0)),
    ("Napping", scaled("terminating", replicas=0, hpa={"status": {"desiredReplicas": 2}})),
    ("Running", look(replicas=0)),
    ("Updating", look("running_ready", "running_ready", "starting", replicas=2, workload=OLD_PODS)),
    ("Updating", look("running_ready", workload=workload(observedGeneration=2))),
    ("ScalingUp", scaled("running_ready", workload=JUST_SCALED)),
    ("ScalingUp", look(workload=workload(1))),
    ("ScalingUp", look("starting")),
    ("ScalingUp", look("running_ready", "running_not_ready", replicas=2)),
    ("ScalingUp", scaled("running_ready", hpa={"status": {"desiredReplicas": 4}})),
    ("ScalingDown", look("running_ready", "running_ready")),
    ("Degraded", look("running_ready", "running_long_not_ready", replicas=2)),
    ("Running", look("running_ready")),
    ("Running", look("running_ready", "terminating")),
    ("Running", scaled("running_ready", scaled_object=None)),
    ("Running", look("old_restarts")),
    ("Running", look("running_ready", workload=ON_DELETE)),
    ("Unknown", look("running_ready", "node_lost", replicas=2)),
)


@pytest.mark.parametrize(("status", "observed"), LOOKS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_look_gives_the_status_that_it_shows(status: str, observed: Observed) -> None:
    assert compute_status(observed)["status"] == status


def test_every_status_of_the_table_is_reached_and_listed_once() -> None:
    names = [rule.status for rule in STATUSES]
    assert {status for status, _ in LOOKS} == set(names)
    assert len(names) == len(set(names)) == 18


def test_a_healthy_scaled_actor_shows_every_field() -> None:
    status = compute_status(scaled("running_ready", "starting", replicas=2, ready=7, in_flight=1))
    assert all(found["observedGeneration"] == 2 for found in status.pop("conditions"))
    assert status == {
        "readySummary": "3/3",
        "status": "ScalingUp",
        "readyReplicas": 1,
        "totalReplicas": 2,
        "pendingReplicas": 1,
        "failingPods": 0,
        "readyReplicasSummary": "1/2",
        "transportStatus": "Ready",
        "replicas": 1,
        "desiredReplicas": 2,
        "replicasSummary": "1/2",
        "scalingMode": "KEDA",
        "observedGeneration": 2,
        "lastMeasureTime": STAMP,
        "lastScaleFormatted": "-",
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ocr", "namespace": "team"},
        "scaledObjectRef": {"name": "ocr", "namespace": "team"},
        "queuedMessages": 7,
        "processingMessages": 1,
    }


def test_a_napping_actor_is_healthy() -> None:
    status = compute_status(scaled(replicas=0))
    assert (status["readySummary"], status["failingPods"], status["replicasSummary"]) == ("3/3", 0, "0/0")


def test_reason_and_message_are_refreshed_while_the_condition_stays_false() -> None:
    first = compute_status(look("image_pull_back_off"))
    later = replace(look("crash_loop"), previous=first, now=NOW + timedelta(minutes=3), generation=5)
    before, after = condition(first, "WorkloadReady"), condition(compute_status(later), "WorkloadReady")
    assert "ImagePullBackOff" in before["message"]
    assert "CrashLoopBackOff" in after["message"]
    assert after["lastTransitionTime"] == before["lastTransitionTime"] == STAMP
    assert after["observedGeneration"] == 5


def test_the_time_of_transition_moves_with_the_conditions_status() -> None:
    later = replace(look("running_ready"), previous=compute_status(look("crash_loop")), now=NOW + timedelta(minutes=3))
    assert condition(compute_status(later), "WorkloadReady")["lastTransitionTime"] == "2026-03-01T12:03:00Z"


def test_a_queue_that_cannot_be_made_is_the_transports_condition() -> None:
    found = condition(compute_status(look(queue_problem=Finding("QueueError", "broker is away"))), "TransportReady")
    assert (found["status"], found["reason"], found["message"]) == ("False", "QueueError", "broker is away")


def test_a_spec_that_is_not_valid_leaves_the_transport_unjudged() -> None:
    status = compute_status(look(workload_problem=Finding("ValidationError", "spec: broken")))
    assert condition(status, "TransportReady")["status"] == "Unknown"
    assert status["transportStatus"] == "NotReady"


def test_an_actor_that_is_deleted_keeps_the_conditions_of_before() -> None:
    first = compute_status(look("running_ready"))
    assert compute_status(replace(look(deleting=True), previous=first))["conditions"] == first["conditions"]


def test_a_changed_number_of_ready_pods_is_the_last_scaling() -> None:
    before = compute_status(look("running_ready"))
    up = compute_status(replace(look("running_ready", "running_ready", replicas=2), previous=before))
    assert (up["lastScaleTime"], up["lastScaleDirection"], up["lastScaleFormatted"]) == (STAMP, "up", "0s ago (up)")
    later = replace(look("running_ready", "running_ready", replicas=2), previous=up, now=NOW + timedelta(minutes=5))
    assert compute_status(later)["lastScaleFormatted"] == "5m ago (up)"
    down = compute_status(replace(look("running_ready"), previous=up))
    assert down["lastScaleDirection"] == "down"


def test_a_pod_that_loses_its_readiness_is_no_scaling() -> None:
    before = compute_status(look("running_ready", "running_ready", replicas=2))
    after = compute_status(replace(look("running_ready", "running_not_ready", replicas=2), previous=before))
    assert after["lastScaleFormatted"] == "-"


def test_counts_that_could_not_be_taken_stay_as_they_were() -> None:
    before = compute_status(look(ready=5, in_flight=2))
    after = compute_status(replace(look(), previous=before))
    assert (after["queuedMessages"], after["processingMessages"]) == (5, 2)
    assert "queuedMessages" not in compute_status(look())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (90000, "1d")]
)
def test_an_age_is_written_in_its_largest_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


def test_the_same_again_is_not_written() -> None:
    before = compute_status(look("running_ready", ready=1, in_flight=0))
    later = replace(look("running_ready", ready=1, in_flight=0), previous=before, now=NOW + timedelta(hours=1))
    assert write_due_s(before, compute_status(later), later.now) is None
    assert not worth_writing(before, compute_status(later), later.now)


def test_what_matters_is_written_at_once() -> None:
    before = compute_status(look("running_ready"))
    after = compute_status(look("crash_loop"))
    assert worth_writing({}, before, NOW)
    assert worth_writing(before, after, NOW)


def test_counts_and_ages_alone_are_written_once_a_minute_however_often_they_change() -> None:
    stored = compute_status(look("running_ready", ready=0, in_flight=0))
    stored |= {"lastScaleTime": "2026-03-01T11:59:30Z", "lastScaleDirection": "up"}
    writes = 0
    for second in range(600):
        now = NOW + timedelta(seconds=second)
        seen = replace(look("running_ready", ready=second % 97, in_flight=1), previous=stored, now=now)
        new = compute_status(seen)
        if worth_writing(stored, new, now):
            stored, writes = new, writes + 1
    assert 9 <= writes <= 10


def test_a_write_that_is_put_off_says_when_it_is_due() -> None:
    before = compute_status(look("running_ready", ready=0, in_flight=0))
    after = compute_status(look("running_ready", ready=9, in_flight=0))
    assert write_due_s(before, after, NOW + timedelta(seconds=20)) == 40.0


READY = {
    "Running": look("running_ready"),
    "Napping": scaled(replicas=0),
    "ScalingDown": look("running_ready", "running_ready"),
    "ScalingUp": scaled("running_ready", hpa={"status": {"desiredReplicas": 4}}),
}
NOT_READY = {
    "ScalingUp": look("starting"),
    "Updating": look("running_ready", "running_ready", "starting", replicas=2, workload=OLD_PODS),
    "Degraded": look("running_ready", "running_long_not_ready", replicas=2),
    "ImagePullError": look("image_pull_back_off"),
    "Creating": look(workload=None),
}


@pytest.mark.parametrize(("value", "cases"), [("True", READY), ("False", NOT_READY)], ids=["ready", "not ready"])
def test_an_actor_is_ready_while_its_newest_spec_works_on_envelopes_or_would(
    value: str, cases: dict[str, Observed]
) -> None:
    """What `kubectl wait --for=condition=Ready`, Argo CD and Flux go by; not one of the conditions that are counted."""
    for name, observed in cases.items():
        status = compute_status(observed)
        found = condition(status, "Ready")
        assert (found["status"], found["reason"], found["observedGeneration"]) == (value, name, 2)
        assert status["readySummary"].endswith("/3" if observed.scaling_enabled else "/2")


def test_an_actor_that_is_not_ready_says_why() -> None:
    pulling = compute_status(look("image_pull_back_off"))
    assert condition(pulling, "Ready")["message"] == condition(pulling, "WorkloadReady")["message"]
    assert "template" in condition(compute_status(NOT_READY["Updating"]), "Ready")["message"]


def test_the_change_of_ready_is_told_by_the_change_of_the_status_alone() -> None:
    before, after = compute_status(look("starting")), compute_status(look("running_ready"))
    assert condition(after, "Ready")["status"] != condition(before, "Ready")["status"]
    assert [each.reason for each in transitions(before, after)] == ["Running"]
