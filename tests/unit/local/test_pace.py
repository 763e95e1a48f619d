"""Rates and medians over the last seconds."""

import math

import pytest

from asya_local.pace import WINDOW_S, Pace


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
