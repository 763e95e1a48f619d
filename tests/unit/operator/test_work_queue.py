"""Keys wait at most once, are worked on by one at a time, and back off."""

import asyncio

import pytest

from asya_operator.work_queue import FIRST_DELAY_S, LONGEST_DELAY_S, WorkQueue
from asya_process.backoff import pause_after


async def test_many_asks_for_one_key_are_one_look() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(10):
        queue.add("a")
    assert await queue.take() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_key_that_is_worked_on_waits_for_its_worker() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.take()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.take() == "a"


async def test_a_key_asked_for_later_comes_by_itself() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    async with asyncio.timeout(60):
        assert await queue.take() == "a"


async def test_the_earlier_of_two_laters_stays() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    async with asyncio.timeout(60):
        assert await queue.take() == "a"


async def test_a_failed_look_pauses_longer_each_time_and_a_good_one_resets() -> None:
    queue: WorkQueue[str] = WorkQueue()
    delays = []
    for _ in range(3):
        queue.add("a")
        await queue.take()
        delays.append(queue.failed("a"))
    queue.add("a")
    await queue.take()
    queue.done("a")
    queue.add("a")
    await queue.take()
    assert [*delays, queue.failed("a")] == [1.0, 2.0, 4.0, 1.0]


async def test_a_forgotten_key_does_not_come_again() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    queue.forget("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await queue.take()


@pytest.mark.parametrize(
    ("failures", "expected"), [(1, 1.0), (5, 16.0), (9, 256.0), (10, LONGEST_DELAY_S), (99, 300.0)]
)
def test_pauses_are_bounded(failures: int, expected: float) -> None:
    assert pause_after(failures, FIRST_DELAY_S, LONGEST_DELAY_S) == expected
