"""One contract for the envelope stores: memory and SQLite with a clock turned by hand, and a real Postgres with a real one."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from asya_gateway.records.lifecycle import Ended, Progress, Reopened, Report, Sending, cancelled
from asya_gateway.records.record import Record
from asya_gateway.store.factory import open_envelope_store
from asya_gateway.store.port import Applied
from asya_gateway.store.postgres import PostgresStore
from asya_protocol.errors import StoreUnavailable
from asya_protocol.reports import Facts, Retry
from asya_protocol.status import Status
from lab.servers.postgres import PostgresServer, postgres
from tests.support.envelope_stores import DONE, StoreBench, bench, record

__all__ = ["bench", "postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


async def test_what_is_created_is_read_back_whole(bench: StoreBench) -> None:
    made = record(
        bench, 60, metadata=b'{"job_id":"1"}', headers=b'{"h":[1]}', payload=b'{"t":"\\u0000 \xc3\xa9","n":1.50}',
        timeout_s=60, parent_id="p",
    )  # fmt: skip
    assert await bench.store.create(made)
    kept = await bench.store.get(made.id)
    assert kept is not None
    assert (kept.id, kept.actors, kept.parent_id, kept.deadline) == (made.id, made.actors, "p", made.deadline)
    assert (kept.metadata, kept.headers, kept.payload) == (made.metadata, made.headers, made.payload)
    assert (kept.status, kept.result, kept.error, kept.events) == (Status.PENDING, None, None, 1)


async def test_an_id_is_taken_once(bench: StoreBench) -> None:
    made = record(bench)
    assert await bench.store.create(made)
    assert not await bench.store.create(record(bench, id=made.id, actors=("other",)))
    kept = await bench.store.get(made.id)
    assert kept is not None
    assert kept.actors == ("a", "b")
    assert len(await bench.store.history(made.id)) == 1


async def test_unknown_envelopes_are_unknown(bench: StoreBench) -> None:
    assert await bench.store.get("nobody\x00") is None
    assert await bench.store.history("nobody") == []
    assert await bench.store.children("nobody") == []
    assert (await bench.store.report("nobody", DONE)).applied is Applied.UNKNOWN


async def test_a_life_is_a_numbered_history(bench: StoreBench) -> None:
    made = record(bench)
    await bench.store.create(made)
    await bench.store.report(made.id, Sending())
    await bench.store.report(made.id, Progress(("a", "b"), 0, "processing", "at\x00work"))
    outcome = await bench.store.report(made.id, DONE)
    assert outcome.applied is Applied.CHANGED
    history = await bench.store.history(made.id)
    assert [event.seq for event in history] == [1, 2, 3, 4]
    assert [event.status.value for event in history] == ["pending", "running", "running", "succeeded"]
    assert (history[2].actor, history[2].actors, history[2].phase) == ("a", ("a", "b"), "processing")
    assert (history[2].current_actor_idx, history[2].progress_percent) == (0, 25.0)
    assert history[3].result == b'{"n":1}'
    assert [event.seq for event in await bench.store.history(made.id, 2)] == [3, 4]


async def test_the_facts_of_a_report_are_kept_as_they_came(bench: StoreBench) -> None:
    made = record(bench)
    await bench.store.create(made)
    facts = Facts(by="a", duration_ms=1.5, retry=Retry(2, 0.25, 'KeyError: "\u00e9\x00"\n'))
    await bench.store.report(made.id, Progress(("a", "b"), 0, "processing", "in other words", facts))
    await bench.store.report(made.id, Progress(("a", "b"), 0, "processing", "Processing in a"))
    _, with_fields, in_words = await bench.store.history(made.id)
    assert (with_fields.facts, with_fields.told) == (facts, facts)
    assert (in_words.facts, in_words.told) == (None, Facts(by="a"))


async def test_after_the_final_report_nothing_changes(bench: StoreBench) -> None:
    made = record(bench, 0.2)
    await bench.store.create(made)
    await bench.store.report(made.id, DONE)
    late: list[Report] = [
        Sending(),
        Progress(("a", "b"), 1, "received"),
        Ended(succeeded=False, error="late"),
        cancelled(),
    ]
    for report in late:
        assert (await bench.store.report(made.id, report)).applied is Applied.FINAL_BEFORE
    await bench.let_pass(0.4)
    assert made.id not in await bench.store.expire()
    kept = await bench.store.get(made.id)
    assert kept is not None
    assert (kept.status, kept.result, kept.error, kept.events) == (Status.SUCCEEDED, b'{"n":1}', None, 2)


async def test_of_many_final_reports_at_once_one_counts(bench: StoreBench) -> None:
    made = record(bench)
    await bench.store.create(made)
    reports = [Ended(succeeded=number % 2 == 0, error=f"e{number}") for number in range(20)]
    outcomes = await asyncio.gather(*(bench.store.report(made.id, report) for report in reports))
    assert [outcome.applied for outcome in outcomes].count(Applied.CHANGED) == 1
    assert [event.seq for event in await bench.store.history(made.id)] == [1, 2]


async def test_concurrent_reports_leave_no_gap(bench: StoreBench) -> None:
    made = record(bench)
    await bench.store.create(made)
    await asyncio.gather(*(bench.store.report(made.id, Progress(("a",), 0, "received", str(n))) for n in range(20)))
    assert [event.seq for event in await bench.store.history(made.id)] == list(range(1, 22))


async def test_a_deadline_fires_once_whoever_sweeps(bench: StoreBench) -> None:
    later, never = record(bench, 600), record(bench)
    for made in (later, never):
        await bench.store.create(made)
    assert await bench.store.expire() == []
    due = [record(bench, 0.2) for _ in range(30)]
    for made in due:
        await bench.store.create(made)
    await bench.let_pass(0.4)
    other = bench.again()
    await other.open(lambda _: None)
    swept = await asyncio.gather(*(store.expire(10) for store in (bench.store, other) for _ in range(4)))
    fired = [envelope_id for part in swept for envelope_id in part]
    while part := await bench.store.expire(10):
        fired += part
    assert sorted(fired) == sorted(made.id for made in due)
    kept = await bench.store.get(due[0].id)
    assert kept is not None
    assert (kept.status, kept.error) == (Status.FAILED, "envelope timed out")
    assert (await bench.store.history(due[0].id))[-1].error == "envelope timed out"
    await other.close()


async def test_children_are_found_by_their_parent(bench: StoreBench) -> None:
    for name in ("c-1", "c-2"):
        await bench.store.create(record(bench, id=name, parent_id="parent"))
        await bench.let_pass(0.002)
    assert await bench.store.children("parent") == ["c-1", "c-2"]


async def test_every_change_wakes(bench: StoreBench) -> None:
    made = record(bench, 0.1)
    async with asyncio.timeout(60):
        while isinstance(bench.store, PostgresStore) and "" not in bench.woken:
            await asyncio.sleep(0.01)
        await bench.store.create(made)
        await bench.store.report(made.id, Sending())
        await bench.let_pass(0.2)
        await bench.store.expire()
        while bench.woken.count(made.id) < 3:
            await asyncio.sleep(0.01)


async def test_old_histories_are_forgotten(bench: StoreBench) -> None:
    final, open_ = record(bench), record(bench)
    for made in (final, open_):
        await bench.store.create(made)
    await bench.store.report(final.id, DONE)
    assert await bench.store.purge(60) == 0
    await bench.let_pass(0.2)
    assert await bench.store.purge(0.1) == 1
    assert await bench.store.history(final.id) == []
    assert len(await bench.store.history(open_.id)) == 1


@pytest.mark.parametrize("bench", ["sqlite", "postgres"], indirect=True)
async def test_everything_outlives_the_process(bench: StoreBench) -> None:
    made = record(bench, 0.2)
    await bench.store.create(made)
    await bench.store.close()
    await bench.let_pass(0.4)
    bench.store = bench.again()
    await bench.store.open(lambda _: None)
    assert await bench.store.expire() == [made.id]
    await bench.store.close()


async def test_replicas_hear_of_one_another(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    stores = [PostgresStore(url, 1, 4) for _ in range(4)]
    heard: list[list[str]] = [[] for _ in stores]
    await asyncio.gather(*(store.open(ears.append) for store, ears in zip(stores, heard, strict=True)))
    now = datetime.now(UTC)
    async with asyncio.timeout(60):
        while not all("" in ears for ears in heard):
            await asyncio.sleep(0.01)
        await stores[0].create(Record("x", ("a",), now, now))
        while not all("x" in ears for ears in heard):
            await asyncio.sleep(0.01)
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_database_that_restarts_is_used_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asya_gateway.store.postgres.TIMEOUT_S", 5.0)
    store = PostgresStore(postgres.new_database(), 1, 4)
    woken: list[str] = []
    await store.open(woken.append)
    now = datetime.now(UTC)
    await store.create(Record("x", ("a",), now, now, deadline=now))
    async with asyncio.timeout(60):
        while "" not in woken:
            await asyncio.sleep(0.01)
    postgres.stop()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    postgres.start()
    expired: list[str] = []
    async with asyncio.timeout(60):
        while not expired:
            with contextlib.suppress(StoreUnavailable):  # the pool dials again after pauses that have grown meanwhile
                expired = await store.expire()
    assert expired == ["x"]
    async with asyncio.timeout(60):
        while woken.count("") < 2:
            await asyncio.sleep(0.01)
    await store.close()


def test_another_kind_of_url_is_refused_without_its_password() -> None:
    with pytest.raises(ValueError, match="must be memory:") as caught:
        open_envelope_store("mysql://u:secret@h/db")
    assert "secret" not in str(caught.value)


async def test_an_owner_finds_its_envelopes_newest_first(bench: StoreBench) -> None:
    made = []
    for number in range(5):
        await bench.let_pass(0.01)
        kept = record(bench, owner="me" if number != 2 else "other")
        assert await bench.store.create(kept)
        made.append(kept)
    assert await bench.store.create(record(bench, owner="me", parent_id=made[0].id))
    assert await bench.store.create(record(bench))
    found = await bench.store.owned("me", 10)
    assert [one.id for one in found] == [made[place].id for place in (4, 3, 1, 0)]
    assert {one.owner for one in found} == {"me"}
    first = await bench.store.owned("me", 2)
    rest = await bench.store.owned("me", 2, (first[-1].created_at, first[-1].id))
    assert [one.id for one in first + rest] == [one.id for one in found]
    assert await bench.store.owned("nobody", 10) == []


async def test_an_announcement_wakes_by_its_name(bench: StoreBench) -> None:
    async with asyncio.timeout(60):
        while "!topic" not in bench.woken:  # Postgres may not be listening yet
            await bench.store.announce("!topic")
            await asyncio.sleep(0.01)


async def test_old_records_are_forgotten_with_all_that_is_theirs(bench: StoreBench) -> None:
    old, new = [record(bench, owner="me"), record(bench, owner="me")], record(bench, owner="me")
    for one in [*old, new]:
        assert await bench.store.create(one)
    for one in old:
        await bench.store.report(one.id, DONE)
    await bench.let_pass(0.2)
    assert await bench.store.forget(3600) == 0
    assert [await bench.store.forget(0.1, 1) for _ in range(3)] == [1, 1, 0]
    for one in old:
        assert await bench.store.get(one.id) is None
        assert await bench.store.history(one.id) == []
    assert [one.id for one in await bench.store.owned("me", 10)] == [new.id]
    assert await bench.store.create(record(bench, id=old[0].id, owner="me"))


async def test_a_failed_envelope_is_opened_again_once_and_has_no_deadline_then(bench: StoreBench) -> None:
    made = record(bench, 0.2)
    await bench.store.create(made)
    await bench.store.report(made.id, Ended(succeeded=False, error="boom", details=b'{"type":"T"}'))
    again = Reopened("Sent again from 'b'", ("a", "b"), 1)
    outcomes = await asyncio.gather(*(bench.store.report(made.id, again) for _ in range(4)))
    assert sorted(outcome.applied.name for outcome in outcomes) == ["CHANGED", *["FINAL_BEFORE"] * 3]
    await bench.let_pass(0.4)
    assert await bench.store.expire() == []
    kept = await bench.store.get(made.id)
    assert kept is not None
    assert (kept.status, kept.error, kept.result, kept.deadline) == (Status.RUNNING, None, None, None)
    assert (await bench.store.report(made.id, DONE)).applied is Applied.CHANGED
    assert [event.status.value for event in await bench.store.history(made.id)] == [
        "pending", "failed", "running", "succeeded",
    ]  # fmt: skip
