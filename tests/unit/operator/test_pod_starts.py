"""Which pods' starts are counted, and how long they took."""

from typing import Any

import pytest

from asya_operator.metrics import Metrics
from asya_operator.pod_starts import PodStarts, Start

pytestmark = pytest.mark.unit
KEY = ("team", "ocr")


def pod(uid: str, ready: str = "", **status: Any) -> tuple[tuple[str, str], dict[str, Any]]:
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-30T10:00:00Z"},
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": ready or "2026-11-30T10:00:01Z",
        },
    ]
    return KEY, {"metadata": {"uid": uid}, "status": {"conditions": conditions, **status}}


def test_each_pod_counts_once_when_it_becomes_ready() -> None:
    starts = PodStarts()
    assert starts.new([pod("old", "2026-11-30T10:00:05Z"), pod("slow")]) == []
    looked = [pod("old", "2026-11-30T10:00:05Z"), pod("slow", "2026-11-30T10:01:30Z"), pod("late")]
    assert starts.new(looked) == [(KEY, Start(90.0, None))]
    assert starts.new(looked) == []


def test_a_pod_that_nobody_scheduled_yet_is_none() -> None:
    starts = PodStarts()
    starts.new([])
    assert starts.new([(KEY, {"metadata": {"uid": "a"}}), (KEY, {"metadata": {"uid": "b"}, "status": None})]) == []


@pytest.mark.parametrize("part", ["containerStatuses", "initContainerStatuses"])
def test_the_start_of_its_sidecar_is_told_apart(part: str) -> None:
    running = {"name": "asya-sidecar", "restartCount": 0, "state": {"running": {"startedAt": "2026-11-30T10:00:40Z"}}}
    again = {**running, "restartCount": 1}
    starts, metrics = PodStarts(), Metrics()
    starts.new([])
    at = "2026-11-30T10:01:30Z"
    found = starts.new(
        [pod("first", at, **{part: [{"name": "asya-runtime"}, running]}), pod("2", at, **{part: [again]})]
    )
    assert found == [(KEY, Start(90.0, 40.0)), (KEY, Start(90.0, None))]
    metrics.observe_starts(found)
    text = metrics.render().decode()
    assert 'asya_operator_sidecar_start_seconds_sum{actor_namespace="team",queue="ocr"} 40.0' in text
    assert 'asya_operator_pod_start_seconds_count{actor_namespace="team",queue="ocr"} 2.0' in text
