"""Pauses between attempts."""

from itertools import islice

from asya_process.backoff import pause_after, pauses


def test_pauses_double_up_to_the_bound() -> None:
    assert [pause_after(failures, 1.0, 10.0) for failures in (1, 2, 3, 4, 5, 10_000)] == [1, 2, 4, 8, 10, 10]


def test_they_go_on_without_end_or_lie_between_so_many_attempts() -> None:
    assert list(islice(pauses(0.5, 3.0), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert list(pauses(0.5, 3.0, 4)) == [0.5, 1.0, 2.0]
    assert list(pauses(0.5, 3.0, 1)) == []
