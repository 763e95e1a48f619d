"""How many replicas, and when fewer."""

import pytest

from asya_local.scaling import NeedHistory, desired_replicas


@pytest.mark.parametrize(
    ("in_flight", "total", "concurrency", "queue_length", "bounds", "expected"),
    [
        (0, 0, 1, 5, (0, 10), 0),  # nothing to do
        (0, 1, 1, 5, (0, 10), 1),  # one envelope wakes one replica
        (0, 5, 1, 5, (0, 10), 1),  # as many as one replica should have
        (0, 6, 1, 5, (0, 10), 2),  # one more
        (0, 500, 1, 5, (0, 10), 10),  # bounded
        (100, 100, 1, 5, (0, 200), 100),  # 100 busy replicas and an empty queue: all stay
        (100, 100, 4, 5, (0, 200), 25),  # four calls in each
        (101, 101, 4, 5, (0, 200), 26),
        (10, 100, 1, 5, (0, 200), 20),  # backlog asks for more than what is in flight
        (0, 0, 1, 5, (2, 10), 2),  # never fewer
        (3, 3, 1, 1, (5, 4), 4),  # this machine's cap wins over the minimum
    ],
)
def test_the_need_is_what_is_in_flight_or_the_backlog_whichever_asks_for_more(
    *, in_flight: int, total: int, concurrency: int, queue_length: int, bounds: tuple[int, int], expected: int
):
    """Work in flight counts in full, so that busy replicas are never surplus."""
    assert expected == desired_replicas(
        in_flight=in_flight,
        total=total,
        concurrency=concurrency,
        queue_length=queue_length,
        minimum=bounds[0],
        maximum=bounds[1],
    )


@pytest.mark.parametrize(
    ("cooldown_s", "needs", "targets"),
    [
        (10, [(0, 0), (1, 3)], [0, 3]),  # more at once
        (10, [(0, 3), (5, 0), (14.9, 0), (15, 0)], [3, 3, 3, 0]),  # fewer once the lower need has lasted
        (10, [(0, 3), (5, 0), (10, 2), (16, 2), (20, 2)], [3, 3, 3, 2, 2]),  # the highest need of the period counts
        (10, [(0, 3), (5, 1), (9, 3), (14, 1), (23, 1), (24, 1)], [3, 3, 3, 3, 3, 1]),  # a rise starts it anew
        (0, [(0, 3), (1, 0)], [3, 0]),  # no cooldown
        (10, [(0, 3), (60, 0), (65, 0), (70, 0)], [3, 3, 3, 0]),  # seldom polled: need lasts until the next poll
    ],
)
def test_a_lower_need_counts_after_it_has_lasted_for_the_cooldown_period(
    cooldown_s: float, needs: list[tuple[float, int]], targets: list[int]
):
    """Scale-out at once, scale-in after the cooldown period."""
    history, seen = NeedHistory(), []
    for now_s, replicas in needs:
        history = history.add(now_s, replicas, cooldown_s)
        seen.append(history.target)
    assert seen == targets


def test_the_history_does_not_grow_without_bound():
    """Only the steps of one period are kept."""
    history = NeedHistory()
    for second in range(1000):
        history = history.add(second, second % 7, 10)
    assert len(history.steps) <= 11
