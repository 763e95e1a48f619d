"""Deliveries of callbacks: one contract for memory, SQLite and a real Postgres."""

import asyncio
import json
from dataclasses import replace

import pytest

from asya_gateway.records.delivery import LARGEST_RESULT
from asya_gateway.records.lifecycle import Ended, Reopened, Sending
from asya_gateway.records.record import Record
from asya_manifest.callback import Callback
from lab.servers.postgres import postgres
from tests.support.envelope_stores import DONE, StoreBench, bench, record

__all__ = ["bench", "postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

TO = Callback("https://a.example/hook?token=hidden", "team")
FAILED = Ended(succeeded=False, error="it\x00broke")


async def ended(bench: StoreBench, report: Ended = DONE, callback: Callback | None = TO) -> Record:
    """An envelope that has come to its end."""
    made = record(bench, callback=callback)
    await bench.store.create(made, Sending())
    outcome = await bench.store.report(made.id, report)
    assert outcome.record is not None
    return outcome.record


async def test_an_end_is_kept_to_be_told_once_with_what_it_says(bench: StoreBench) -> None:
    done = await ended(bench)
    assert done.callback == TO
    assert (await bench.store.report(done.id, FAILED)).record == done
    (found,) = await bench.store.deliveries.lease(10, 60)
    assert (found.id, found.envelope_id) == (f"{done.id}.{done.events}", done.id)
    assert (found.url, found.secret_ref, found.attempts) == (TO.url, "team", 1)
    body = json.loads(found.body)
    assert (body["type"], body["data"]["id"], body["data"]["result"]) == ("envelope.succeeded", done.id, {"n": 1})
    assert body["timestamp"].endswith("Z")
    assert await bench.store.deliveries.counts() == (1, 0)


async def test_only_ends_that_somebody_wants_to_know_of_are_kept(bench: StoreBench) -> None:
    await ended(bench, DONE, None)
    await ended(bench, DONE, replace(TO, events=("failed",)))
    assert await bench.store.deliveries.lease(10, 60) == []
    failed = await ended(bench, FAILED, replace(TO, events=("failed",)))
    (found,) = await bench.store.deliveries.lease(10, 60)
    body = json.loads(found.body)
    assert (body["type"], body["data"]["error"]) == ("envelope.failed", failed.error)


async def test_an_envelope_that_fails_at_its_deadline_is_told(bench: StoreBench) -> None:
    late = record(bench, 0.05, callback=TO)
    await bench.store.create(late, Sending())
    await bench.let_pass(0.2)
    assert await bench.store.expire() == [late.id]
    (found,) = await bench.store.deliveries.lease(10, 60)
    assert json.loads(found.body)["data"]["error"] == "envelope timed out"


async def test_an_envelope_that_is_replayed_ends_anew_under_another_id(bench: StoreBench) -> None:
    failed = await ended(bench, FAILED)
    await bench.store.report(failed.id, Reopened("again"))
    await bench.store.report(failed.id, DONE)
    found = await bench.store.deliveries.lease(10, 60)
    assert {json.loads(one.body)["type"] for one in found} == {"envelope.failed", "envelope.succeeded"}
    assert len({one.id for one in found}) == 2


async def test_a_large_result_is_told_by_its_size_and_place(bench: StoreBench) -> None:
    done = await ended(bench, Ended(succeeded=True, result=b'"%b"' % (b"x" * LARGEST_RESULT)))
    (found,) = await bench.store.deliveries.lease(10, 60)
    data = json.loads(found.body)["data"]
    assert (data["result_bytes"], data["result_at"]) == (LARGEST_RESULT + 2, f"/envelopes/{done.id}")
    assert "result" not in data


async def test_of_gateways_that_ask_at_once_each_is_given_others(bench: StoreBench) -> None:
    other = bench.again()
    await other.open(lambda _: None)
    for _ in range(30):
        await ended(bench)
    stores = [bench.store, other] * 5
    found = await asyncio.gather(*(store.deliveries.lease(4, 60) for store in stores))
    ids = [one.id for part in found for one in part]
    assert all(len(part) <= 4 for part in found)
    while rest := await other.deliveries.lease(4, 60):  # a row that another one is just taking is passed over
        ids += [one.id for one in rest]
    assert (len(ids), len(set(ids))) == (30, 30)
    await other.close()


async def test_a_lease_that_nobody_settles_runs_out_and_the_late_one_counts_no_more(bench: StoreBench) -> None:
    await ended(bench)
    (first,) = await bench.store.deliveries.lease(10, 0.1)
    await bench.let_pass(0.3)
    (second,) = await bench.store.deliveries.lease(10, 60)
    assert (second.id, second.attempts, second.body) == (first.id, 2, first.body)
    assert not await bench.store.deliveries.postpone(first, None, "late")
    assert (await bench.store.deliveries.counts()) == (1, 0)
    await bench.store.deliveries.delivered(first.id)
    assert not await bench.store.deliveries.postpone(second, 0.1, "gone")
    assert (await bench.store.deliveries.counts()) == (0, 0)


async def test_a_failed_attempt_waits_and_the_longest_due_come_first(bench: StoreBench) -> None:
    one = await ended(bench)
    await bench.let_pass(0.01)
    await ended(bench)
    first, second = sorted(await bench.store.deliveries.lease(10, 60), key=lambda each: each.since)
    assert first.envelope_id == one.id
    for each, told in ((second, "answered 500\x00"), (first, "answered 503")):
        assert await bench.store.deliveries.postpone(each, 60, told)
    assert await bench.store.deliveries.lease(10, 60) == []
    (kept, _) = await bench.store.deliveries.kept(10, dead=False)
    assert (kept.id, kept.told) == (first.id, "answered 503")
    for each in (second, first):
        assert await bench.store.deliveries.postpone(each, 0, "answered 500")
        await bench.let_pass(0.01)
    assert [each.id for each in await bench.store.deliveries.lease(1, 60)] == [second.id]
    assert [each.id for each in await bench.store.deliveries.lease(1, 60)] == [first.id]


async def test_a_dead_letter_rests_until_it_is_redriven_with_its_day_anew(bench: StoreBench) -> None:
    for _ in range(3):
        await ended(bench)
    leased = await bench.store.deliveries.lease(10, 60)
    for each in leased:
        assert await bench.store.deliveries.postpone(each, None, "answered 410")
    await bench.let_pass(0.1)
    assert await bench.store.deliveries.lease(10, 60) == []
    assert await bench.store.deliveries.counts() == (0, 3)
    dead = await bench.store.deliveries.kept(2, dead=True)
    assert [(each.due_at, each.told) for each in dead] == [(None, "answered 410")] * 2
    assert await bench.store.deliveries.redrive(dead[0].id) == 1
    assert await bench.store.deliveries.redrive(dead[0].id) == 0
    assert await bench.store.deliveries.redrive("nobody\x00") == 0
    (again,) = await bench.store.deliveries.lease(10, 60)
    assert (again.id, again.attempts, again.told, again.body) == (dead[0].id, 1, "", dead[0].body)
    assert again.since > dead[0].since
    assert await bench.store.deliveries.redrive(None) == 2
    assert await bench.store.deliveries.counts() == (3, 0)


async def test_old_dead_letters_are_forgotten_and_nothing_that_waits(bench: StoreBench) -> None:
    for _ in range(2):
        await ended(bench)
    (dead, _) = await bench.store.deliveries.lease(10, 60)
    await bench.store.deliveries.postpone(dead, None, "refused")
    await bench.let_pass(0.2)
    assert await bench.store.deliveries.forget(60) == 0
    assert await bench.store.deliveries.forget(0.1) == 1
    assert await bench.store.deliveries.counts() == (1, 0)


async def test_an_end_is_told_also_where_its_record_is_forgotten(bench: StoreBench) -> None:
    done = await ended(bench)
    await bench.let_pass(0.2)
    assert await bench.store.forget(0.1) == 1
    (found,) = await bench.store.deliveries.lease(10, 60)
    assert found.envelope_id == done.id


@pytest.mark.parametrize("bench", ["sqlite", "postgres"], indirect=True)
async def test_deliveries_outlive_their_gateway(bench: StoreBench) -> None:
    done = await ended(bench)
    await bench.store.close()
    bench.store = bench.again()
    await bench.store.open(lambda _: None)
    (found,) = await bench.store.deliveries.lease(10, 60)
    assert found.envelope_id == done.id
