"""Pauses before a dead process is started again."""

import pytest

from asya_local.backoff import HANDLER_TIMEOUT_EXIT, RestartPolicy

POLICY = RestartPolicy(first_s=1, cap_s=10, healthy_s=30)


def test_pauses_double_up_to_the_cap():
    """However many deaths there were."""
    assert [POLICY.pause_s(failures) for failures in (1, 2, 3, 4, 5, 6, 10_000)] == [1, 2, 4, 8, 10, 10, 10]


@pytest.mark.parametrize(
    ("before", "lived_s", "exit_code", "after"),
    [
        (0, 1, 1, 1),
        (3, 1, 1, 4),
        (3, 30, 1, 1),  # it lived well
        (3, 1, HANDLER_TIMEOUT_EXIT, 1),  # it did its duty
        (3, 1, -9, 4),
    ],
)
def test_deaths_in_a_row_are_counted_until_a_process_lives_well(
    before: int, lived_s: float, exit_code: int, after: int
):
    """A runtime that ended a stuck handler is not counted as crashing again and again."""
    assert POLICY.failures_after(before, lived_s=lived_s, exit_code=exit_code) == after
