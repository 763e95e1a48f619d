"""Which pods' starts are counted, and how long they took."""

from typing import Any

import pytest

from asya_operator.pod_starts import PodStarts

pytestmark = pytest.mark.unit
KEY = ("team", "ocr")


def pod(uid: str, ready: str = "") -> tuple[tuple[str, str], dict[str, Any]]:
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-30T10:00:00Z"},
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": ready or "2026-11-30T10:00:01Z",
        },
    ]
    return KEY, {"metadata": {"uid": uid}, "status": {"conditions": conditions}}


def test_each_pod_counts_once_when_it_becomes_ready() -> None:
    starts = PodStarts()
    assert starts.new([pod("old", "2026-11-30T10:00:05Z"), pod("slow")]) == []
    looked = [pod("old", "2026-11-30T10:00:05Z"), pod("slow", "2026-11-30T10:01:30Z"), pod("late")]
    assert starts.new(looked) == [(KEY, 90.0)]
    assert starts.new(looked) == []


def test_a_pod_that_nobody_scheduled_yet_is_none() -> None:
    starts = PodStarts()
    starts.new([])
    assert starts.new([(KEY, {"metadata": {"uid": "a"}}), (KEY, {"metadata": {"uid": "b"}, "status": None})]) == []
