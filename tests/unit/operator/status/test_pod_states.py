"""Pods, as the API server shows them, lead to counts and to the trouble that is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_operator.status.pod_states import assess_pods, pod_trouble
from asya_operator.status.troubles import Trouble

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PODS = Path(__file__).parent / "pods"


def counted(pod: dict[str, Any]) -> str:
    """What one pod counts as."""
    health = assess_pods([pod], NOW)
    return next(
        (state for state in ("ready", "pending", "failing", "lost", "failed") if getattr(health, state)), "gone"
    )


def shown(case: str) -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load((PODS / f"{case}.yaml").read_text(encoding="utf-8"))
    return pod


CASES = {
    "running_ready": ("ready", None, ""),
    "running_not_ready": ("pending", None, ""),
    "running_long_not_ready": ("pending", None, ""),
    "starting": ("pending", None, ""),
    "old_restarts": ("ready", None, ""),
    "terminating": ("gone", None, ""),
    "node_lost": ("lost", None, ""),
    "crash_loop": ("failing", Trouble.RUNTIME, "Container asya-runtime in CrashLoopBackOff (pod: "),
    "oom_killed": ("failing", Trouble.RUNTIME, "OOMKilled, exit code 137"),
    "oom_killed_just_now": ("failing", Trouble.RUNTIME, "Container asya-runtime in OOMKilled"),
    "many_restarts": ("ready", Trouble.RUNTIME, "Container asya-runtime has 9 restarts (pod: "),
    "run_container_error": ("failing", Trouble.RUNTIME, '"python3": executable file not found'),
    "image_pull_back_off": ("failing", Trouble.IMAGE, "Container asya-runtime in ImagePullBackOff (pod: "),
    "err_image_pull": ("failing", Trouble.IMAGE, "401 Unauthorized"),
    "invalid_image_name": ("failing", Trouble.IMAGE, "in InvalidImageName"),
    "unschedulable_cpu": ("failing", Trouble.RESOURCES, "Insufficient cpu"),
    "unschedulable_gpu": ("failing", Trouble.RESOURCES, "Insufficient nvidia.com/gpu"),
    "unschedulable_claim": ("failing", Trouble.VOLUME, 'persistentvolumeclaim "models" not found'),
    "config_map_missing": ("failing", Trouble.CONFIG, 'configmap "ocr-settings" not found'),
    "secret_missing": ("failing", Trouble.CONFIG, 'secret "ocr-token" not found'),
    "secret_key_missing": ("failing", Trouble.CONFIG, "couldn't find key token"),
    "config_message": ("failing", Trouble.CONFIG, 'configmap "ocr-settings" not found'),
    "volume_message": ("failing", Trouble.VOLUME, "MountVolume.SetUp failed"),
    "volume_stuck": ("failing", Trouble.VOLUME, "are not mounted"),
    "sub_path": ("failing", Trouble.VOLUME, "subPath"),
    "sidecar_crash_native": (
        "failing",
        Trouble.SIDECAR,
        "Init container asya-sidecar in CrashLoopBackOff (pod: ",
    ),
    "sidecar_crash_plain": ("failing", Trouble.SIDECAR, "Container asya-sidecar in CrashLoopBackOff (pod: "),
    "init_crash": ("failing", Trouble.OTHER, "Init container fetch-model in CrashLoopBackOff (pod: "),
    "evicted": ("failed", Trouble.OTHER, "in Failed phase: Evicted: The node was low on resource: memory"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pod_counts_as_what_it_is_and_tells_why(case: str) -> None:
    state, kind, text = CASES[case]
    trouble = pod_trouble(shown(case), NOW)
    assert counted(shown(case)) == state
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
    assert counted(bare) == "pending"
    assert counted({**bare, "status": {"conditions": None, "containerStatuses": None}}) == "pending"
    waiting = {"containerStatuses": [{"name": "x", "state": {"waiting": {}}}]}
    assert counted({**bare, "status": waiting}) == "pending"
