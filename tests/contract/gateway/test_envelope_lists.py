"""Lists and counts of the envelope stores: one contract for memory, SQLite and a real Postgres."""

import itertools
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from asya_gateway.records.lifecycle import Ended, Progress, Sending
from asya_gateway.records.record import Record
from asya_gateway.records.summary import Place, Question, read_cursor
from asya_gateway.store.sqlite import SqliteStore
from asya_gateway.store.sqlite_schema import FIRST
from asya_protocol.status import Status
from lab.servers.postgres import postgres
from tests.support.envelope_stores import DONE, StoreBench, bench, record

__all__ = ["bench", "postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


async def fill(bench: StoreBench, count: int = 7) -> list[str]:
    """Make envelopes, the last two of the same moment; their ids, newest first."""
    made = []
    for number in range(count):
        if number < count - 1:
            await bench.let_pass(0.002)
            now = bench.now()
        # The time zone is no part of the moment.
        await bench.store.create(Record(f"e{number}", ("a", "b"), now, now, payload=b"[1]"))
        made.append(f"e{number}")
    return made[::-1]


async def test_pages_meet_without_a_gap_or_a_repeat(bench: StoreBench) -> None:
    made = await fill(bench)
    found: list[str] = []
    after: Place | None = None
    for pages in itertools.count(1):
        page = await bench.store.page(Question(3, after=after))
        found += [summary.id for summary in page.summaries]
        after = page.following
        if after is None:
            break
        after = read_cursor(after.cursor())
        await bench.store.create(record(bench, id=f"new{pages}"))  # newer ones are not in the pages that follow
    assert (found, pages) == (made, 3)


async def test_a_list_is_of_states_and_of_beginnings_of_ids(bench: StoreBench) -> None:
    await fill(bench, 4)
    await bench.store.report("e0", DONE)
    await bench.store.report("e1", Ended(succeeded=False, error="x" * 400))
    await bench.store.report("e2", Sending())
    odd = ["100%", "100x", "a_b", "aXb", "a*b", "a?b", "a[b]", "E0", "back\\slash"]
    for name in odd:
        await bench.store.create(record(bench, id=name))

    async def ids(**more: object) -> set[str]:
        page = await bench.store.page(Question(50, **more))  # type: ignore[arg-type]
        return {summary.id for summary in page.summaries}

    assert await ids(statuses=frozenset({Status.FAILED})) == {"e1"}
    assert await ids(statuses=frozenset({Status.FAILED, Status.RUNNING})) == {"e1", "e2"}
    assert await ids(statuses=frozenset({Status.PENDING}), prefix="e") == {"e3"}
    assert await ids(prefix="e") == {"e0", "e1", "e2", "e3"}
    for name in odd:
        assert await ids(prefix=name) == {name}
    assert await ids(prefix="a*") == {"a*b"}
    assert await ids(prefix="nobody\x00") == set()
    (failed,) = (await bench.store.page(Question(1, frozenset({Status.FAILED})))).summaries
    assert (failed.status, failed.error, failed.actors) == (Status.FAILED, "x" * 300, ("a", "b"))


async def test_some_envelopes_are_summarised_as_they_stand(bench: StoreBench) -> None:
    await fill(bench, 3)
    await bench.store.report("e1", Progress(("a", "b"), 1, "received", "got it"))
    newer, older = await bench.store.summaries(["e0", "e1", "nobody\x00", "e1"])
    assert (newer.id, older.id) == ("e1", "e0")
    assert (newer.status, newer.current_actor_name, newer.message) == (Status.RUNNING, "b", "got it")
    assert (newer.progress_percent, newer.actors_completed, older.status) == (55.0, 1, Status.PENDING)
    assert await bench.store.summaries([]) == []


async def test_a_failure_is_summarised_with_what_the_handler_said(bench: StoreBench) -> None:
    told = {
        "whole": (b'{"type": "Oops", "message": "caf\xc3\xa9 \\"x\\"", "traceback": "t"}', 'Oops: café "x"'),
        "long": (b'{"type": "Oops", "message": "' + b"x" * 400 + b'"}', f"Oops: {'x' * 294}"),
        "half": (b'{"message": "why"}', "why"),
        "list": (b"[1]", None),
        "text": (b'"why"', None),
        "none": (None, None),
    }
    for name, (details, _) in told.items():
        await bench.store.create(record(bench, id=name))
        await bench.store.report(name, Ended(succeeded=False, error="e", details=details, actor="a"))
    found = await bench.store.summaries(list(told))
    assert {summary.id: summary.reason for summary in found} == {name: words for name, (_, words) in told.items()}


@pytest.mark.parametrize("words", [b"\\u0000", b"\\ud800", b"\\\\u0000"])
async def test_words_that_a_database_cannot_hold_fail_no_list(bench: StoreBench, words: bytes) -> None:
    await bench.store.create(record(bench, id="odd"))
    details = b'{"type": "Oops", "message": "' + words + b'"}'
    await bench.store.report("odd", Ended(succeeded=False, error="e", details=details))
    assert [summary.id for summary in (await bench.store.page(Question(5))).summaries] == ["odd"]


async def test_states_are_counted_up_to_a_limit(bench: StoreBench) -> None:
    assert await bench.store.counts(3) == dict.fromkeys(Status, 0)
    await fill(bench, 5)
    await bench.store.report("e0", DONE)
    counts = {Status.PENDING: 3, Status.RUNNING: 0, Status.SUCCEEDED: 1, Status.FAILED: 0}
    assert await bench.store.counts(3) == counts
    assert (await bench.store.counts(100))[Status.PENDING] == 4


async def test_children_are_counted_with_their_parent_and_left_out_of_lists_that_want_it_so(bench: StoreBench) -> None:
    await bench.store.create(record(bench, id="order"))
    for index in range(3):
        await bench.store.create(record(bench, id=f"order-{index}", parent_id="order"))
    await bench.store.report("order-0", DONE)
    assert await bench.store.counts(100) == {**dict.fromkeys(Status, 0), Status.PENDING: 1}
    top = await bench.store.page(Question(10, top=True))
    assert [summary.id for summary in top.summaries] == ["order"]
    assert len((await bench.store.page(Question(10))).summaries) == 4
    assert (await bench.store.page(Question(10, frozenset({Status.SUCCEEDED}), top=True))).summaries == []


async def test_completions_are_counted_while_they_are_recent(bench: StoreBench) -> None:
    await fill(bench, 3)
    for name in ("e0", "e1"):
        await bench.store.report(name, Progress(("a", "b"), 0, "received"))
        await bench.store.report(name, Progress(("a", "b"), 0, "completed"))
    await bench.store.report("e2", Progress(("a", "b"), 1, "completed"))
    assert await bench.store.completed(60) == {"a": 2, "b": 1}
    await bench.let_pass(0.2)
    assert await bench.store.completed(0.1) == {}


async def test_a_file_of_the_first_version_goes_up_with_its_data(tmp_path: Path) -> None:
    path, now = tmp_path / "gateway.db", datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    with sqlite3.connect(path) as database:
        database.executescript(FIRST)
        old = Record("old", ("a",), now, now, status=Status.RUNNING, events=1)
        row = ("old", None, 0, None, now.timestamp(), msgspec.msgpack.encode(old))
        database.execute("INSERT INTO envelopes VALUES (?, ?, ?, ?, ?, ?)", row)
    database.close()
    for _ in range(2):
        store = SqliteStore(path)
        await store.open(lambda _: None)
        page = await store.page(Question(5, frozenset({Status.RUNNING}), after=Place(now + timedelta(seconds=1), "")))
        assert [(summary.id, summary.created_at) for summary in page.summaries] == [("old", now)]
        await store.close()


@pytest.mark.parametrize("text", ["", "x", "!!", "WyJ4Il0", "bnVsbA", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwieCJd", "é"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        read_cursor(text)
