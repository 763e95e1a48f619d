"""Kubernetes Events as they are written: their names, and the bound on their text."""

from datetime import UTC, datetime

from asya_operator.event_recorder import LONGEST_MESSAGE, build_event

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACTOR = {"metadata": {"name": "ocr", "namespace": "t", "uid": "u1"}}


def test_the_same_event_has_the_same_name_and_another_message_another() -> None:
    names = [build_event(ACTOR, "Warning", "QueueKept", text, NOW)["metadata"]["name"] for text in ("a", "a", "b")]
    assert names[0] == names[1] != names[2]


def test_a_long_message_is_cut_at_the_server_s_limit() -> None:
    assert len(build_event(ACTOR, "Normal", "X", "y" * 5000, NOW)["message"]) == LONGEST_MESSAGE
