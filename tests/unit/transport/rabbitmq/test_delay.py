"""Which delay queue a delay goes to, and with what expiry."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_transport.rabbitmq.delay import LEVELS, MAX_DELAY_S, delay_ms, delay_name, level_arguments, level_of


@pytest.mark.parametrize(
    ("delay_s", "level"),
    [(0.001, 0), (0.5, 0), (1.0, 0), (1.001, 1), (2.0, 1), (2.5, 2), (60.0, 6), (3600.0, 12), (MAX_DELAY_S, 12)],
)
def test_a_delay_goes_to_the_lowest_level_that_holds_it(delay_s: float, level: int) -> None:
    """The bound of level n is 2^n seconds."""
    assert level_of(delay_s) == level


@given(st.floats(min_value=0.0005, max_value=MAX_DELAY_S))
def test_the_level_bounds_the_delay_within_a_factor_of_two(delay_s: float) -> None:
    """Nothing waits longer behind another body than about its own delay again, above one second."""
    level = level_of(delay_s)
    assert 0 <= level < LEVELS
    assert delay_s <= 2**level
    assert level == 0 or delay_s > 2 ** (level - 1)
    assert delay_ms(delay_s) <= level_arguments(level, (3, 10))["x-message-ttl"]


@pytest.mark.parametrize("delay_s", [0.0, -1.0, MAX_DELAY_S + 1, math.inf, math.nan])
def test_a_delay_that_no_level_holds_is_refused(delay_s: float) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ValueError, match="outside 0 to 4096 s"):
        level_of(delay_s)


def test_the_longest_delay_is_at_least_an_hour() -> None:
    """Backoff of a handler may be that long."""
    assert MAX_DELAY_S >= 3600


@pytest.mark.parametrize(("delay_s", "milliseconds"), [(0.00001, 1), (0.0011, 2), (1.5, 1500)])
def test_an_expiry_is_never_zero(delay_s: float, milliseconds: int) -> None:
    """Zero would expire a body at once."""
    assert delay_ms(delay_s) == milliseconds


def test_a_broker_without_expiring_quorum_queues_gets_classic_ones() -> None:
    """Quorum queues know expiry and at-least-once dead-lettering since 3.10."""
    assert "x-queue-type" not in level_arguments(3, (3, 9))
    assert level_arguments(3, (4, 1))["x-dead-letter-strategy"] == "at-least-once"


def test_no_actor_can_have_the_queue_of_a_level() -> None:
    """Actors' names are DNS labels, which hold no underscore."""
    assert "_" in delay_name(0)
    assert not delay_name(0).startswith("asya-")
