"""Which queues are counted when, and what is news."""

from asya_operator.poller import IDLE_S, Depths
from asya_transport.port import Depth


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
