"""Keys of calls: one contract for memory, SQLite and a real Postgres."""

import asyncio
import uuid

import pytest

from asya_gateway.records.call_key import KEPT_S, CallKey, call_key
from asya_gateway.records.lifecycle import Sending
from asya_gateway.store.postgres import PostgresStore
from lab.servers.postgres import postgres
from tests.support.envelope_stores import StoreBench, bench, record

__all__ = ["bench", "postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


def key(name: str = "k", **arguments: object) -> CallKey:
    return call_key("me", name, "tool", arguments)


async def test_of_many_calls_with_one_key_one_makes_the_envelope(bench: StoreBench) -> None:
    other = bench.again()
    await other.open(lambda _: None)
    made = [record(bench) for _ in range(20)]
    stores = [bench.store, other] * 10
    claims = await asyncio.gather(
        *(store.create_once(one, Sending(), key(n=1), 5) for store, one in zip(stores, made, strict=True))
    )
    assert sorted(claim.calls for claim in claims) == list(range(1, 21))
    (envelope_id,) = {claim.envelope_id for claim in claims}
    kept = [one.id for one in made if await bench.store.get(one.id) is not None]
    assert kept == [envelope_id]
    assert [event.seq for event in await bench.store.history(envelope_id)] == [1, 2]
    await other.close()


async def test_another_key_is_another_call_and_arguments_are_told_apart(bench: StoreBench) -> None:
    one, other = record(bench), record(bench)
    first = await bench.store.create_once(one, Sending(), key(n=1), 5)
    assert (await bench.store.create_once(other, Sending(), key("another", n=1), 5)).calls == 1
    again = await bench.store.create_once(record(bench), Sending(), key(n=2), 5)
    assert (again.envelope_id, again.arguments) == (one.id, first.arguments)
    assert again.arguments != key(n=2).arguments
    assert (await bench.store.claim(key(n=1))) == again
    assert await bench.store.claim(key("nobody")) is None


async def test_what_a_dead_call_did_not_send_is_sent_by_one_other(bench: StoreBench) -> None:
    await bench.store.create_once(record(bench), Sending(), key(), 0.2)
    assert not await bench.store.take_over(key(), 60)
    await bench.let_pass(0.4)
    takes = await asyncio.gather(*(bench.store.take_over(key(), 60) for _ in range(8)))
    assert takes.count(True) == 1
    await bench.store.claim_sent(key())
    claim = await bench.store.claim(key())
    assert claim is not None
    assert claim.sending_until is None
    assert not await bench.store.take_over(key(), 60)
    await bench.store.claim_sent(key("nobody"))


@pytest.mark.parametrize("bench", ["memory", "sqlite"], indirect=True)
async def test_a_key_is_free_again_after_a_day(bench: StoreBench) -> None:
    assert not isinstance(bench.store, PostgresStore)
    await bench.store.create_once(record(bench), Sending(), key(), 5)
    await bench.let_pass(KEPT_S - 1)
    await bench.store.purge(KEPT_S)
    assert (await bench.store.create_once(record(bench), Sending(), key(), 5)).calls == 2
    await bench.let_pass(1)
    second = record(bench, id=uuid.uuid4().hex)
    claim = await bench.store.create_once(second, Sending(), key(), 5)
    assert (claim.envelope_id, claim.calls) == (second.id, 1)
    await bench.let_pass(KEPT_S)
    await bench.store.purge(3 * KEPT_S)
    assert await bench.store.claim(key()) is None


@pytest.mark.parametrize("bench", ["postgres"], indirect=True)
async def test_postgres_frees_a_key_whose_day_is_over(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_gateway.store.postgres.KEPT_S", 0.1)
    await bench.store.create_once(record(bench), Sending(), key(), 5)
    await bench.let_pass(0.2)
    second = record(bench)
    claim = await bench.store.create_once(second, Sending(), key(), 5)
    assert (claim.envelope_id, claim.calls) == (second.id, 1)
    await bench.let_pass(0.2)
    await bench.store.purge(3600)
    assert await bench.store.claim(key()) is None
