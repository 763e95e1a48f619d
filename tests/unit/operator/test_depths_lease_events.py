"""Counting queues, holding the lease, writing Events: the pure parts."""

from datetime import UTC, datetime

from asya_operator.depths import IDLE_S, Depths
from asya_operator.event_recorder import LONGEST_MESSAGE, build_event
from asya_operator.lease import taken
from asya_transport.port import Depth

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACTOR = {"metadata": {"name": "ocr", "namespace": "t", "uid": "u1"}}


def test_busy_and_filled_queues_are_counted_each_round_idle_ones_once_a_minute() -> None:
    depths = Depths()
    depths.note(("t", "idle"), Depth(0), 0.0)
    depths.note(("t", "filled"), Depth(3), 0.0)
    depths.note(("t", "busy"), Depth(0), 0.0)
    idle, filled, busy, new = (("t", name) for name in ("idle", "filled", "busy", "new"))
    actors = [(idle, False), (filled, False), (busy, True), (new, False)]
    assert depths.due(actors, 10.0) == [filled, busy, new]
    assert depths.due(actors, IDLE_S) == [idle, filled, busy, new]


def test_only_a_different_count_is_news() -> None:
    depths = Depths()
    assert depths.note(("t", "a"), Depth(1), 0.0)
    assert not depths.note(("t", "a"), Depth(1), 1.0)
    assert depths.note(("t", "a"), Depth(1, in_flight=1), 2.0)
    depths.forget(("t", "a"))
    assert depths.of(("t", "a")) is None


def test_a_new_holder_writes_a_transition_and_a_renewal_does_not() -> None:
    first = taken({}, "a", NOW)
    assert (first["holderIdentity"], first["leaseTransitions"]) == ("a", 0)
    renewed = taken(first, "a", NOW.replace(second=9))
    assert renewed["acquireTime"] == first["acquireTime"]
    assert renewed["renewTime"] > first["renewTime"]
    assert taken(renewed, "b", NOW)["leaseTransitions"] == 1


def test_the_same_event_has_the_same_name_and_another_message_another() -> None:
    names = [build_event(ACTOR, "Warning", "QueueKept", text, NOW)["metadata"]["name"] for text in ("a", "a", "b")]
    assert names[0] == names[1] != names[2]


def test_a_long_message_is_cut_at_the_server_s_limit() -> None:
    assert len(build_event(ACTOR, "Normal", "X", "y" * 5000, NOW)["message"]) == LONGEST_MESSAGE
