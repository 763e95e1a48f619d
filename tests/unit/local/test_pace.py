"""Rates and medians over the last seconds, and how long the oldest envelope waits."""

import math

import pytest

from asya_local.pace import WINDOW_S, Pace
from asya_local.queue_age import MAX_LOOKS, Backlog


def test_a_rate_is_that_of_the_window_and_fades_when_work_ends():
    """Ten a second for a minute, then nothing."""
    pace = Pace()
    assert pace.rate == 0.0
    for second in range(60):
        pace.look(float(second), second * 10, {})
    assert pace.rate == pytest.approx(10.0)
    for second in range(60, 60 + int(WINDOW_S) // 2):
        pace.look(float(second), 590, {})
    assert 3 < pace.rate < 8
    for second in range(65, 80):
        pace.look(float(second), 590, {})
    assert pace.rate == 0.0


def test_looks_in_between_change_nothing():
    """The processes are looked at four times a second, the sums change once."""
    pace = Pace()
    pace.look(0.0, 0, {})
    pace.look(0.25, 100, {})
    assert pace.rate == 0.0
    pace.look(1.0, 100, {})
    assert pace.rate == 100.0


@pytest.mark.parametrize(
    ("calls", "p50_s"),
    [
        ({0.1: 0.0, 0.5: 10.0, math.inf: 10.0}, 0.3),
        ({0.1: 10.0, 0.5: 10.0, math.inf: 10.0}, 0.05),
        ({0.1: 1.0, 0.5: 4.0, math.inf: 10.0}, 0.5),
        ({0.1: 0.0, math.inf: 0.0}, None),
        ({}, None),
    ],
)
def test_the_median_comes_from_the_calls_of_the_window(calls: dict[float, float], p50_s: float | None):
    """Calls from before do not count; beyond the last bound there is no figure but that bound."""
    pace = Pace()
    before = dict.fromkeys(calls, 1000.0)
    pace.look(0.0, 0, before)
    pace.look(5.0, 0, {bound: 1000.0 + count for bound, count in calls.items()})
    assert pace.p50_s == (None if p50_s is None else pytest.approx(p50_s))


def test_the_oldest_has_waited_since_it_arrived_while_others_are_taken():
    """Three arrive at 0, three at 10; the age falls when the last of the first three is taken."""
    backlog = Backlog()
    backlog.look(0.0, taken=0, waiting=3)
    backlog.look(10.0, taken=0, waiting=6)
    assert backlog.oldest_s(12.0) == 12.0
    backlog.look(13.0, taken=2, waiting=4)
    assert backlog.oldest_s(13.0) == 13.0
    backlog.look(14.0, taken=3, waiting=3)
    assert backlog.oldest_s(14.0) == 4.0
    backlog.look(20.0, taken=6, waiting=0)
    assert backlog.oldest_s(20.0) is None


def test_a_long_backlog_keeps_its_age_and_little_memory():
    """A day without a consumer."""
    backlog = Backlog()
    for second in range(5 * MAX_LOOKS):
        backlog.look(float(second), taken=0, waiting=second + 1)
    assert backlog.oldest_s(86400.0) == 86400.0
    assert len(backlog._arrived) <= MAX_LOOKS
