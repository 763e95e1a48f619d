"""The journey that reports tell: every way in which hops follow one another, come late, or never end."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asya_gateway.records.body import evidence_of
from asya_gateway.records.journey import Visit, trace, visit_body
from asya_gateway.records.lifecycle import Ended, Progress, Reopened, Report, Sending, apply, created
from asya_gateway.records.record import Event, Record
from asya_manifest.explanation import explain
from asya_protocol.reports import Facts, Retry

START = datetime(2026, 1, 1, tzinfo=UTC)
ROUTE = ("a", "b")


@dataclass
class Life:
    """A record and its history, written by the gateway's own rules."""

    record: Record
    history: list[Event]

    @classmethod
    def begin(cls) -> "Life":
        change = created(Record("e", ROUTE, START, START))
        return cls(change.record, [change.event])

    def at(self, seconds: float, *reports: Report) -> "Life":
        for report in reports:
            change = apply(self.record, report, START + timedelta(seconds=seconds))
            if change is not None:
                self.record = change.record
                self.history.append(change.event)
        return self

    def trace(self) -> list[Visit]:
        return trace(self.record, self.history)

    def told(self) -> list[tuple[str | None, int, str]]:
        return [(visit.actor, visit.attempt, visit.state) for visit in self.trace()]


def received(index: int, route: tuple[str, ...] = ROUTE) -> Progress:
    return Progress(route, index, "received", "Received message (0.10 KB)")


def at_work(index: int, actor: str, route: tuple[str, ...] = ROUTE) -> Progress:
    return Progress(route, index, "processing", f"Processing in {actor}", Facts(by=actor))


def completed(index: int, ms: int, route: tuple[str, ...] = ROUTE) -> Progress:
    return Progress(route, index, "completed", f"Completed processing in {ms}ms", Facts(duration_ms=ms))


def failed(index: int, cause: str, route: tuple[str, ...] = ROUTE) -> Progress:
    retry = Retry(1, 4.0, cause)
    return Progress(route, index, "processing", retry.words, Facts(retry=retry))


def visits_of(index: int, actor: str) -> tuple[Progress, Progress]:
    return received(index), at_work(index, actor)


def test_hops_follow_one_another_with_their_waits_and_their_work() -> None:
    life = Life.begin().at(0.1, Sending()).at(1, *visits_of(0, "a")).at(3, completed(0, 1500))
    life.at(7, *visits_of(1, "b")).at(8, completed(1, 1000)).at(8.5, Ended(succeeded=True))
    first, second = life.trace()
    assert (first.waited_s, first.took_s, first.state) == (1.0, 1.5, "completed")
    assert (second.waited_s, second.took_s, second.left_at) == (4.5, 1.0, START + timedelta(seconds=2.5))
    assert visit_body(second) == {
        "index": 1, "actor": "b", "attempt": 1, "state": "completed", "end_actor": False, "waited_s": 4.5, "took_s": 1.0,
        "left_at": "2026-01-01T00:00:02.500000Z", "began_at": "2026-01-01T00:00:07Z", "ended_at": "2026-01-01T00:00:08Z",
        "error": None, "retry_at": None,
    }  # fmt: skip


def test_a_failed_attempt_tells_why_and_when_the_next_begins() -> None:
    life = Life.begin().at(1, *visits_of(0, "a")).at(3, failed(0, "ValueError: line one\nline two"))
    (visit,) = life.trace()
    assert (visit.error, visit.took_s, visit.ended_at) == (
        "ValueError: line one\nline two", 2.0, START + timedelta(seconds=3),
    )  # fmt: skip
    assert visit_body(visit)["retry_at"] == "2026-01-01T00:00:07Z"
    assert life.record.message == "Attempt 1 failed, next in 4.0 s: ValueError: line one\nline two"
    assert life.record.progress_percent == 25.0


TOLD: list[tuple[str, Life, list[tuple[str | None, int, str]]]] = [
    ("nothing yet", Life.begin(), []),
    ("on its way", Life.begin().at(1, Sending()), []),
    ("at work", Life.begin().at(1, *visits_of(0, "a")), [("a", 1, "running")]),
    (
        "a retry",
        Life.begin().at(1, *visits_of(0, "a")).at(2, *visits_of(0, "a")).at(3, completed(0, 9)),
        [("a", 1, "retried"), ("a", 2, "completed")],
    ),
    (
        "an attempt that failed, and the next has not begun",
        Life.begin().at(1, *visits_of(0, "a")).at(2, failed(0, "E: torn")),
        [("a", 1, "retried")],
    ),
    (
        "an attempt that failed, and the next is at work",
        Life.begin().at(1, *visits_of(0, "a")).at(2, failed(0, "E: torn")).at(6, *visits_of(0, "a")),
        [("a", 1, "retried"), ("a", 2, "running")],
    ),
    (
        "the deadline passes before the next attempt",
        Life.begin().at(1, *visits_of(0, "a")).at(2, failed(0, "E: torn")).at(3, Ended(succeeded=False)),
        [("a", 1, "failed")],
    ),
    ("only the failure of an attempt was told", Life.begin().at(1, failed(0, "E: torn")), [("a", 1, "retried")]),
    (
        "an error, with and without a word from error-end",
        Life.begin().at(1, *visits_of(0, "a")).at(2, *visits_of(0, "error-end")).at(3, Ended(succeeded=False)),
        [("a", 1, "failed")],
    ),
    ("a failure at once", Life.begin().at(1, received(0)).at(2, Ended(succeeded=False)), [("a", 1, "failed")]),
    (
        "at its end actor",
        Life.begin().at(1, *visits_of(0, "a"), completed(0, 1)).at(2, *visits_of(2, "happy-end")),
        [("a", 1, "completed"), ("happy-end", 1, "running")],
    ),
    (
        "the end of a hop is told after the beginning of the next",
        Life.begin().at(1, *visits_of(0, "a")).at(2, *visits_of(1, "b")).at(3, completed(0, 5), completed(1, 5)),
        [("a", 1, "completed"), ("b", 1, "completed")],
    ),
    (
        "the end of a hop is lost",
        Life.begin().at(1, *visits_of(0, "a")).at(2, *visits_of(1, "b")),
        [("a", 1, "completed"), ("b", 1, "running")],
    ),
    (
        "the final report overtakes the last actor's",
        Life.begin().at(1, *visits_of(0, "a")).at(2, Ended(succeeded=True), completed(0, 5)),
        [("a", 1, "completed")],
    ),
    (
        "Asya 0.1.1's sidecar, which tells the next actor's place when one completed",
        Life.begin().at(1, *visits_of(0, "a"), completed(1, 5)).at(2, *visits_of(1, "b"), completed(2, 5)),
        [("a", 1, "completed"), ("b", 1, "completed")],
    ),
    (
        "a route that an actor lengthened",
        Life.begin()
        .at(1, *visits_of(0, "a"), completed(0, 5, ("a", "x", "b")))
        .at(2, received(1, ("a", "x", "b")), at_work(1, "x", ("a", "x", "b"))),
        [("a", 1, "completed"), ("x", 1, "running")],
    ),
    (
        "only the end was told",
        Life.begin().at(1, completed(0, 5)),
        [("a", 1, "completed")],
    ),
    (
        "back to an earlier place",
        Life.begin().at(1, *visits_of(0, "a"), completed(0, 5)).at(2, *visits_of(1, "b")).at(3, *visits_of(0, "a")),
        [("a", 1, "completed"), ("b", 1, "unfinished"), ("a", 2, "running")],
    ),
    (
        "an actor is told of only after the next one's retry",
        Life.begin()
        .at(1, *visits_of(1, "b"))
        .at(1.1, failed(1, "E: torn"))
        .at(1.2, *visits_of(0, "a"), completed(0, 5))
        .at(2, *visits_of(1, "b"), completed(1, 5)),
        [("a", 1, "completed"), ("b", 1, "retried"), ("b", 2, "completed")],
    ),
]


@pytest.mark.parametrize(("life", "told"), [pytest.param(life, told, id=name) for name, life, told in TOLD])
def test_every_story_is_told_in_order(life: Life, told: list[tuple[str | None, int, str]]) -> None:
    assert life.told() == told


@pytest.mark.parametrize(("life", "told"), [pytest.param(life, told, id=name) for name, life, told in TOLD])
def test_every_story_is_the_same_of_sidecars_that_told_it_in_words_alone(
    life: Life, told: list[tuple[str | None, int, str]]
) -> None:
    old = Life(life.record, [replace(event, facts=None) for event in life.history])
    assert old.told() == told
    assert old.trace() == life.trace()


def test_no_time_runs_backwards() -> None:
    for _, life, _ in TOLD:
        for visit in life.trace():
            lengths: list[Any] = [visit.waited_s, visit.took_s]
            assert all(length is None or length >= 0 for length in lengths), visit
            assert visit.began_at is None or visit.ended_at is None or visit.began_at <= visit.ended_at, visit


def test_an_end_that_is_told_late_is_no_later_than_the_next_beginning() -> None:
    life = Life.begin().at(1, *visits_of(0, "a")).at(2, *visits_of(1, "b")).at(3, completed(0, 500), completed(1, 200))
    first, second = life.trace()
    assert (first.began_at, first.ended_at) == (START + timedelta(seconds=1), START + timedelta(seconds=1.5))
    assert (second.left_at, second.waited_s) == (first.ended_at, 0.5)
    assert (second.began_at, second.ended_at) == (START + timedelta(seconds=2), START + timedelta(seconds=2.2))


def test_a_call_longer_than_its_reports_allow_begins_no_earlier_than_the_envelope_left() -> None:
    (visit,) = Life.begin().at(1, *visits_of(0, "a")).at(2, completed(0, 60_000)).trace()
    assert (visit.began_at, visit.took_s) == (START, 60.0)


def test_an_envelope_that_ends_while_it_is_looked_at_is_explained_by_its_reports() -> None:
    open_record = Life.begin().at(1, *visits_of(0, "a")).record
    life = (
        Life.begin().at(1, *visits_of(0, "a")).at(2, failed(0, "E: torn")).at(3, Ended(succeeded=True, result=b"[1]"))
    )
    evidence = evidence_of(open_record, life.history, None, (START + timedelta(seconds=3)).timestamp())
    assert explain(evidence).because == "attempt 1 at a failed: E: torn; the next one in 3.0 s"


def test_a_replay_is_a_run_of_its_own_behind_the_one_that_failed() -> None:
    life = Life.begin().at(1, at_work(0, "a")).at(2, completed(0, 1000)).at(3, at_work(1, "b"))
    life.at(4, Ended(succeeded=False, error="boom", actor="b", index=1))
    assert life.told() == [("a", 1, "completed"), ("b", 1, "failed")]
    life.at(60, Reopened("Sent again from 'b'", ROUTE, 1)).at(61, at_work(1, "b"))
    assert life.told() == [("a", 1, "completed"), ("b", 1, "failed"), ("b", 1, "running")]
    assert life.trace()[-1].waited_s == 1.0
    life.at(62, completed(1, 1000), Ended(succeeded=True))
    assert life.told() == [("a", 1, "completed"), ("b", 1, "failed"), ("b", 1, "completed")]
