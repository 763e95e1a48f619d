"""How much is taken from the broker ahead: arithmetic that a table can show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_sidecar.core.window import MAX_AHEAD, prefetch_for, smooth, window


@pytest.mark.parametrize(
    ("concurrency", "mean_s", "held"),
    [(1, None, 1), (1, 60.0, 1), (1, 0.6, 1), (1, 0.1, 6), (1, 0.001, 101), (4, 0.1, 24), (4, 60.0, 4), (1, 0.0, 101)],
)
def test_slow_handlers_hold_exactly_what_they_run(concurrency: int, mean_s: float | None, held: int) -> None:
    """Fast ones hold half a second of work ahead, bounded."""
    assert window(concurrency, mean_s) == held
    assert held <= concurrency + MAX_AHEAD


def test_one_slow_call_ends_hoarding_at_once() -> None:
    """A mean would need many calls to notice."""
    assert smooth(0.001, 5.0) == 5.0
    assert smooth(None, 0.2) == 0.2
    assert smooth(1.0, 0.5) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("window_now", "current", "expected"),
    [
        (1, 50, 1),
        (1, 0, 1),
        (10, 0, 20),
        (10, 20, 20),
        (19, 20, 20),
        (21, 20, 42),
        (6, 20, 20),
        (4, 20, 8),
        (101, 20, 101),
    ],
)
def test_the_prefetch_follows_the_window_in_strides(window_now: int, current: int, expected: int) -> None:
    """A slow actor's at once, down to what it runs; small changes not at all."""
    assert prefetch_for(window_now, current, 1) == expected


@given(st.integers(1, 50), st.integers(0, 500), st.integers(1, 8))
def test_a_prefetch_once_chosen_is_kept(window_now: int, current: int, at_once: int) -> None:
    chosen = prefetch_for(window_now, current, at_once)
    assert prefetch_for(window_now, chosen, at_once) == chosen
    assert chosen >= min(window_now, at_once)
