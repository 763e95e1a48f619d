"""The life of an envelope as tables: what each report changes, and what it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from asya_gateway.records.lifecycle import (
    Ended,
    Progress,
    Reopened,
    Report,
    Sending,
    apply,
    cancelled,
    created,
    percent,
    send_failed,
)
from asya_gateway.records.lifecycle import timed_out as timeout
from asya_gateway.records.record import Record, closing_event, event_body, record_body, with_runs
from asya_protocol.reports import HowEnded
from asya_protocol.status import Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
NEW = created(Record("e", ("a", "b", "c"), NOW, NOW)).record


def after(*reports: Report, record: Record = NEW) -> Record:
    for report in reports:
        change = apply(record, report, LATER)
        if change is not None:
            record = change.record
    return record


REPORTS: list[Report] = [
    Sending(), Progress(("a", "b", "c"), 1, "received"), Ended(succeeded=True, result=b"1"),
    Ended(succeeded=False, error="x"), timeout(), cancelled(), send_failed("x"),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_final_is_final(status: Status, report: Report) -> None:
    assert apply(replace(NEW, status=status), report, LATER) is None


@pytest.mark.parametrize("before", [Status.PENDING, Status.RUNNING])
@pytest.mark.parametrize(
    ("report", "status"),
    list(zip(REPORTS, ["running", "running", "succeeded", "failed", "failed", "failed", "failed"], strict=True)),
)
def test_an_open_envelope_goes_where_its_report_says(before: Status, report: Report, status: str) -> None:
    change = apply(replace(NEW, status=before), report, LATER)
    assert change is not None
    assert (change.record.status.value, change.event.status.value) == (status, status)
    assert (change.record.updated_at, change.event.timestamp) == (LATER, LATER)
    assert change.event.seq == change.record.events == NEW.events + 1


@pytest.mark.parametrize(
    ("actors", "index", "phase", "expected"),
    [
        (3, 0, "received", 3.33), (3, 0, "processing", 16.67), (3, 0, "completed", 33.33), (3, 1, "received", 36.67),
        (3, 2, "completed", 100.0), (3, 1, "other", 33.33), (0, 0, "completed", 0.0), (3, 3, "completed", 100.0),
        (3, -1, "received", 3.33), (1, 9, "received", 100.0),
    ],
)  # fmt: skip
def test_percent_follows_place_and_phase(actors: int, index: int, phase: str, expected: float) -> None:
    assert percent(actors, index, phase) == expected


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        # percent, place, its name, completed, route
        ([Progress(("a", "b", "c"), 0, "received")], (3.33, 0, "a", 0, "abc")),
        ([Progress(("a", "b", "c"), 0, "completed")], (33.33, 0, "a", 1, "abc")),
        ([Progress((), 1, "processing")], (50.0, 1, "b", 1, "abc")),
        # a retry of the same hop: no way back
        ([Progress((), 1, "processing"), Progress((), 1, "received")], (50.0, 1, "b", 1, "abc")),
        # the report of an earlier actor, late
        ([Progress((), 2, "received"), Progress((), 1, "completed")], (70.0, 2, "c", 2, "abc")),
        # a longer route: percent stays until it is passed
        ([Progress((), 1, "completed"), Progress(tuple("abcde"), 2, "received")], (66.67, 2, "c", 2, "abcde")),
        # a shorter route is the route
        ([Progress((), 0, "completed"), Progress(("a", "z"), 1, "received")], (55.0, 1, "z", 1, "az")),
        # Asya 0.1.1's sidecar: the last actor completed, with the index of the next
        ([Progress((), 3, "completed")], (100.0, 3, "a", 3, "abc")),
    ],
)
def test_progress_never_goes_back(reports: list[Report], expected: tuple[object, ...]) -> None:
    record = after(*reports, record=replace(NEW, current_actor_name="a"))
    shown = (
        record.progress_percent, record.current_actor_idx, record.current_actor_name, record.actors_completed,
        "".join(record.actors),
    )  # fmt: skip
    assert shown == expected


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (Ended(succeeded=True), "Envelope completed successfully"),
        (Ended(succeeded=True, stored_at="s3://b/k"), "Envelope completed successfully, results stored at s3://b/k"),
        (Ended(succeeded=False), "Envelope failed"),
        (Ended(succeeded=False, error="e"), "Envelope failed: e"),
        (Ended(succeeded=False, error="e", actor="b"), "Envelope failed at actor 'b': e"),
        (timeout(), "Envelope failed: envelope timed out"),
        (cancelled(), "Envelope cancelled"),
        (send_failed("no queue"), "Envelope failed: failed to send envelope: no queue"),
        (Sending(), "Sending envelope to first actor"),
    ],
)
def test_messages_are_the_originals(report: Report, message: str) -> None:
    change = apply(NEW, report, LATER)
    assert change is not None
    assert change.record.message == change.event.message == message


def test_a_failure_with_details_has_them_as_its_result() -> None:
    report = Ended(succeeded=False, error="e", details=b'{"type":"T"}', actor="b", index=1, actors=("a", "b"))
    record = after(report)
    assert msgspec.json.decode(record.result or b"") == {
        "error": "e", "details": {"type": "T"}, "failed_actor": "b", "failed_actor_idx": 1, "route": ["a", "b"],
    }  # fmt: skip
    assert (record.error, record.progress_percent, record.current_actor_name) == ("e", 100.0, "b")


def test_bodies_leave_out_what_is_not_set() -> None:
    body = msgspec.json.decode(msgspec.json.encode(record_body(NEW, [])))
    assert body == {
        "id": "e", "status": "pending", "route": {"actors": ["a", "b", "c"], "current": 0}, "payload": None,
        "result": None, "progress_percent": 0.0, "current_actor_idx": 0, "actors_completed": 0, "total_actors": 3,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    change = apply(NEW, Progress((), 1, "received", "m"), LATER)
    assert change is not None
    assert event_body(change.event) == {
        "id": "e", "status": "running", "message": "m", "progress_percent": 36.67, "actor": "b",
        "actors": ("a", "b", "c"), "current_actor_idx": 1, "envelope_state": "received",
        "timestamp": "2026-01-01T00:00:01Z",
    }  # fmt: skip


def test_a_final_record_tells_its_end_without_a_history() -> None:
    event = closing_event(after(Ended(succeeded=True, result=b"5")))
    assert (event.seq, event.status, event.result) == (2, Status.SUCCEEDED, b"5")


def test_only_a_replay_opens_a_record_again_and_only_a_failed_one() -> None:
    again = Reopened("Sent again from 'b'", ("a", "b", "d"), 1)
    assert apply(NEW, again, LATER) is None
    assert apply(after(Ended(succeeded=True)), again, LATER) is None
    change = apply(after(Ended(succeeded=False, error="boom", actor="c", index=2)), again, LATER)
    assert change is not None
    record = change.record
    assert (record.status, record.error, record.result, record.deadline) == (Status.RUNNING, None, None, None)
    assert (record.actors, record.current_actor_idx, record.current_actor_name) == (("a", "b", "d"), 1, "b")
    assert (record.progress_percent, record.actors_completed) == (33.33, 1)
    assert (change.event.message, change.event.actor, change.event.phase) == ("Sent again from 'b'", "b", None)


def test_who_follows_an_envelope_reads_on_behind_an_end_that_was_taken_back() -> None:
    life: list[Report] = [Ended(succeeded=False, error="boom"), Reopened("again"), Ended(succeeded=True)]
    record, events = NEW, []
    for report in life:
        change = apply(record, report, LATER)
        assert change is not None
        record = change.record
        events.append(change.event)
    assert [event.status for event in with_runs(events)] == [Status.RUNNING, Status.RUNNING, Status.SUCCEEDED]
    assert [event.error for event in with_runs(events)] == ["boom", None, None]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("joined", "Joined at 'b'; what comes of it goes on under its parent's id"),
        ("early", "Ended early at 'b', whose handler returned nothing: there is no result"),
    ],
)
def test_an_end_that_is_not_the_end_of_the_route_says_so(how: HowEnded, message: str) -> None:
    change = apply(NEW, Ended(succeeded=True, actor="b", index=1, actors=("a", "b", "c"), how=how), LATER)
    assert change is not None
    assert (change.record.message, change.record.result, change.record.current_actor_idx) == (message, None, 1)
    assert event_body(change.event)["ended"] == how
