"""An envelope's events as lines: in order as far as that is known, with the cause of a failure, and no end before the end."""

from typing import Any

import pytest

from asya_cli.envelope import status_lines
from asya_cli.follow import Order, event_line, percent_of

TRACEBACK = 'Traceback (most recent call last):\n  File "/app/handler.py", line 19, in handle\nValueError: torn\n'
DETAILS = {"type": "ValueError", "message": "torn", "traceback": TRACEBACK}
FAILED = {
    "id": "e1", "status": "failed", "error": "processing_error", "progress_percent": 100.0, "actor": "ocr",
    "message": "Envelope failed at actor 'ocr': processing_error",
    "result": {"error": "processing_error", "details": DETAILS},
}  # fmt: skip


def told(phase: str, place: int, **more: Any) -> dict[str, Any]:
    return {"status": "running", "envelope_state": phase, "current_actor_idx": place, **more}


def test_a_failure_is_told_with_its_cause_and_place() -> None:
    cause = "processing_error: ValueError: torn, at handler.py:19 in handle"
    assert event_line(FAILED) == f"100%  failed     ocr: {cause}"
    assert f"error     {cause}" in list(status_lines(FAILED))


@pytest.mark.parametrize(
    ("document", "percent"),
    [
        (told("completed", 1, progress_percent=100.0), 99.0),
        (told("received", 0, progress_percent=5.0), 5.0),
        ({"status": "succeeded", "progress_percent": 100.0}, 100.0),
        (FAILED, 100.0),
        (told("received", 0), None),
    ],
)
def test_nothing_is_whole_before_its_end(document: dict[str, Any], percent: float | None) -> None:
    assert percent_of(document) == percent


def test_what_an_actor_tells_after_the_next_one_was_heard_comes_late() -> None:
    order = Order()
    events = [
        {"status": "running", "message": "Sending"}, told("received", 0), told("received", 1), told("processing", 0),
        told("completed", 0), told("processing", 1), told("received", 1),
    ]  # fmt: skip
    assert [order.late(event) for event in events] == [False, False, False, True, True, False, False]
    assert not order.late({"status": "running", "current_actor_idx": 0})  # a replay, from its start
    assert not order.late(told("received", 0))
    assert event_line(told("completed", 0, actor="ocr"), late=True) == "  -   running    ocr: completed (told late)"
