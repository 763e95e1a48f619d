"""The ring behind the console's charts: what it keeps, what it forgets, and what it says of all actors together."""

import asyncio
from contextlib import suppress

import pytest

from asya_gateway.actors.history import CALLS_MOST, FIELDS, CallTimes, History
from asya_gateway.actors.sampling import keep_history
from asya_gateway.actors.view import SHOWN_MOST, ActorView

pytestmark = pytest.mark.unit


def told(history: History, actor: str = "") -> dict[str, object]:
    return history.body(actor, 15.0)


def test_samples_come_oldest_first_and_what_was_not_known_is_null() -> None:
    history = History()
    history.add(10.0, [ActorView("ocr", queued=3, ready=1)])
    history.add(25.0, [ActorView("ocr", queued=5, rate=0.5)])
    body = told(history, "ocr")
    assert (body["times"], body["queued"]) == ([10.0, 25.0], [3.0, 5.0])
    assert (body["ready"], body["rate"]) == ([1.0, None], [None, 0.5])
    assert (body["actors"], body["every_s"]) == (["ocr"], 15.0)


def test_an_actor_that_is_away_has_a_gap() -> None:
    history = History()
    for now_s, actors in enumerate(([ActorView("ocr", queued=1)], [], [ActorView("ocr", queued=2)])):
        history.add(float(now_s), actors)
    assert told(history, "ocr")["queued"] == [1.0, None, 2.0]


def test_the_ring_keeps_so_many_and_forgets_who_is_gone_from_all_of_it() -> None:
    history = History(kept=3)
    history.add(0.0, [ActorView("gone", queued=9), ActorView("ocr", queued=0)])
    for number in range(1, 5):
        history.add(float(number), [ActorView("ocr", queued=number)])
    body = told(history, "ocr")
    assert (body["times"], body["queued"], body["actors"]) == ([2.0, 3.0, 4.0], [2.0, 3.0, 4.0], ["ocr"])


def test_all_together_are_sums_and_the_slowest_actor_s_calls() -> None:
    history = History()
    history.add(0.0, [ActorView("a", queued=2, p99_s=1.0, rate=0.5), ActorView("b", queued=3, p99_s=4.0)])
    body = told(history)
    assert (body["queued"], body["p99_s"], body["rate"], body["p50_s"]) == ([5.0], [4.0], [0.5], [None])


def test_nobody_knows_an_actor_that_was_never_seen() -> None:
    history = History()
    history.add(0.0, [ActorView("a", queued=2)])
    assert {field: told(history, "b")[field] for field in FIELDS} == {field: [None] for field in FIELDS}


def test_the_ring_has_a_bound() -> None:
    history = History(kept=2)
    history.add(0.0, [ActorView(f"a{number}", queued=1) for number in range(SHOWN_MOST + 50)])
    assert len(told(history)["actors"]) == SHOWN_MOST  # type: ignore[arg-type]
    calls = CallTimes()
    for number in range(SHOWN_MOST + 50):
        calls.add(f"a{number}", 1.0)
    for _ in range(2 * CALLS_MOST):
        calls.add("a0", 2.0)
    taken = calls.take()
    assert (len(taken), taken["a0"]) == (SHOWN_MOST, (2.0, 2.0))
    assert calls.take() == {}


def test_calls_are_ranked() -> None:
    calls = CallTimes()
    for number in range(100):
        calls.add("ocr", (number + 1) / 100)
    assert calls.take() == {"ocr": (0.5, 0.99)}


class Board:
    """Tells of one actor, and fails the second time."""

    def __init__(self) -> None:
        self.asked = 0

    async def glance(self, over_s: float) -> tuple[ActorView, ...]:
        self.asked += 1
        if self.asked == 2:
            raise RuntimeError("away")
        return (ActorView("told", p50_s=0.1, p99_s=0.2), ActorView("reported", rate=over_s))


async def test_a_sample_that_fails_is_a_gap_and_reported_calls_fill_what_a_source_does_not_tell(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board, calls, history = Board(), CallTimes(), History()
    calls.add("told", 9.0)
    calls.add("reported", 0.7)
    keeping = asyncio.create_task(keep_history(board, calls, history, 0.001))  # type: ignore[arg-type]
    while board.asked < 4:
        await asyncio.sleep(0)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    assert (told(history, "told")["p50_s"][0], told(history, "reported")["p99_s"][0]) == (  # type: ignore[index]
        pytest.approx(0.1),
        pytest.approx(0.7),
    )
    assert "no sample of the actors" in caplog.text
