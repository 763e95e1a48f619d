"""Pods, as the API server shows them, lead to counts and to the trouble that is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_operator.status.pod_states import PodState, assess_pods, pod_state, pod_trouble
from asya_operator.status.troubles import Trouble

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PODS = Path(__file__).parent / "pods"


def shown(case: str) -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load((PODS / f"{case}.yaml").read_text(encoding="utf-8"))
    return pod


CASES = {
    "running_ready": (PodState.READY, None, ""),
    "running_not_ready": (PodState.PENDING, None, ""),
    "running_long_not_ready": (PodState.PENDING, None, ""),
    "starting": (PodState.PENDING, None, ""),
    "old_restarts": (PodState.READY, None, ""),
    "terminating": (PodState.GONE, None, ""),
    "node_lost": (PodState.LOST, None, ""),
    "crash_loop": (PodState.FAILING, Trouble.RUNTIME, "Container asya-runtime in CrashLoopBackOff (pod: "),
    "oom_killed": (PodState.FAILING, Trouble.RUNTIME, "OOMKilled, exit code 137"),
    "oom_killed_just_now": (PodState.FAILING, Trouble.RUNTIME, "Container asya-runtime in OOMKilled"),
    "many_restarts": (PodState.READY, Trouble.RUNTIME, "Container asya-runtime has 9 restarts (pod: "),
    "run_container_error": (PodState.FAILING, Trouble.RUNTIME, '"python3": executable file not found'),
    "image_pull_back_off": (PodState.FAILING, Trouble.IMAGE, "Container asya-runtime in ImagePullBackOff (pod: "),
    "err_image_pull": (PodState.FAILING, Trouble.IMAGE, "401 Unauthorized"),
    "invalid_image_name": (PodState.FAILING, Trouble.IMAGE, "in InvalidImageName"),
    "unschedulable_cpu": (PodState.FAILING, Trouble.RESOURCES, "Insufficient cpu"),
    "unschedulable_gpu": (PodState.FAILING, Trouble.RESOURCES, "Insufficient nvidia.com/gpu"),
    "unschedulable_claim": (PodState.FAILING, Trouble.VOLUME, 'persistentvolumeclaim "models" not found'),
    "config_map_missing": (PodState.FAILING, Trouble.CONFIG, 'configmap "ocr-settings" not found'),
    "secret_missing": (PodState.FAILING, Trouble.CONFIG, 'secret "ocr-token" not found'),
    "secret_key_missing": (PodState.FAILING, Trouble.CONFIG, "couldn't find key token"),
    "config_message": (PodState.FAILING, Trouble.CONFIG, 'configmap "ocr-settings" not found'),
    "volume_message": (PodState.FAILING, Trouble.VOLUME, "MountVolume.SetUp failed"),
    "volume_stuck": (PodState.FAILING, Trouble.VOLUME, "are not mounted"),
    "sub_path": (PodState.FAILING, Trouble.VOLUME, "subPath"),
    "sidecar_crash_native": (
        PodState.FAILING,
        Trouble.SIDECAR,
        "Init container asya-sidecar in CrashLoopBackOff (pod: ",
    ),
    "sidecar_crash_plain": (PodState.FAILING, Trouble.SIDECAR, "Container asya-sidecar in CrashLoopBackOff (pod: "),
    "init_crash": (PodState.FAILING, Trouble.OTHER, "Init container fetch-model in CrashLoopBackOff (pod: "),
    "evicted": (PodState.FAILED, Trouble.OTHER, "in Failed phase: Evicted: The node was low on resource: memory"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pod_counts_as_what_it_is_and_tells_why(case: str) -> None:
    state, kind, text = CASES[case]
    trouble = pod_trouble(shown(case), NOW)
    assert pod_state(shown(case), NOW) is state
    assert (trouble.kind if trouble else None) is kind
    assert text in (trouble.message if trouble else "")


def test_every_pod_file_is_a_case() -> None:
    assert {path.stem for path in PODS.glob("*.yaml")} == set(CASES)


def test_pods_are_counted_by_state_and_gone_ones_are_not() -> None:
    cases = ("running_ready", "running_not_ready", "crash_loop", "terminating", "evicted", "node_lost")
    health = assess_pods([shown(case) for case in cases], NOW)
    assert (health.ready, health.pending, health.failing, health.failed, health.lost) == (1, 1, 1, 1, 1)
    assert health.total == 4


def test_the_surer_cause_is_told_in_any_order_of_pods() -> None:
    pods = [shown("unschedulable_cpu"), shown("crash_loop"), shown("image_pull_back_off")]
    for order in (pods, pods[::-1]):
        trouble = assess_pods(order, NOW).trouble
        assert trouble is not None
        assert trouble.kind is Trouble.IMAGE


def test_a_pod_becomes_old_after_five_minutes_without_readiness() -> None:
    assert not assess_pods([shown("running_not_ready")], NOW).old_unready
    assert assess_pods([shown("running_long_not_ready")], NOW).old_unready


def test_what_the_kubelet_leaves_out_is_no_error() -> None:
    bare: dict[str, Any] = {"metadata": {"name": "p"}}
    assert pod_state(bare, NOW) is PodState.PENDING
    assert pod_state({**bare, "status": {"conditions": None, "containerStatuses": None}}, NOW) is PodState.PENDING
    waiting = {"containerStatuses": [{"name": "x", "state": {"waiting": {}}}]}
    assert pod_state({**bare, "status": waiting}, NOW) is PodState.PENDING
