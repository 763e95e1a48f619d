"""One contract for the dedup stores: in memory with a clock that is turned by hand, and in a real Postgres with a real one."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from asya_protocol.errors import StoreUnavailable
from asya_protocol.key_segment import segment
from asya_store.dedup import MemoryDedup, open_dedup
from asya_store.dedup_port import DedupStore, Verdict
from asya_store.dedup_postgres import PostgresDedup
from lab.servers.postgres import PostgresServer, postgres

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


@dataclass
class DedupBench:
    """A store, and how to let time pass in it."""

    store: DedupStore
    let_pass: Callable[[float], Awaitable[None]]
    key: str


@pytest.fixture(params=["memory", "postgres"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[DedupBench]:
    key = uuid.uuid4().hex
    if request.param == "memory":
        now_s = [100.0]

        async def turn(seconds: float) -> None:
            now_s[0] += seconds

        yield DedupBench(MemoryDedup(lambda: now_s[0]), turn, key)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    store = PostgresDedup(server.url)
    yield DedupBench(store, asyncio.sleep, key)
    await store.close()


async def test_a_key_is_given_to_one_until_it_is_done(bench: DedupBench) -> None:
    store, key = bench.store, bench.key
    assert await store.begin(key, "a", 30) is Verdict.RUN
    assert await store.begin(key, "b", 30) is Verdict.BUSY
    assert await store.begin(key, "a", 30) is Verdict.BUSY
    await store.finish(key, 60)
    assert await store.begin(key, "b", 30) is Verdict.DONE
    assert await store.begin(key + "x", "b", 30) is Verdict.RUN


async def test_what_is_let_go_may_be_run_again_but_only_by_its_holder(bench: DedupBench) -> None:
    store, key = bench.store, bench.key
    await store.begin(key, "a", 30)
    await store.forget(key, "b")
    assert await store.begin(key, "b", 30) is Verdict.BUSY
    await store.forget(key, "a")
    assert await store.begin(key, "b", 30) is Verdict.RUN
    await store.finish(key, 60)
    await store.forget(key, "b")
    assert await store.begin(key, "c", 30) is Verdict.DONE


async def test_a_dead_holders_lease_runs_out(bench: DedupBench) -> None:
    await bench.store.begin(bench.key, "dead", 0.5)
    await bench.let_pass(0.6)
    assert await bench.store.begin(bench.key, "next", 30) is Verdict.RUN
    await bench.store.extend([bench.key], "dead", 0.001)
    assert await bench.store.begin(bench.key, "other", 30) is Verdict.BUSY


async def test_a_lease_can_be_extended(bench: DedupBench) -> None:
    await bench.store.begin(bench.key, "a", 0.5)
    await bench.store.extend([bench.key, "unknown"], "a", 30)
    await bench.let_pass(0.6)
    assert await bench.store.begin(bench.key, "b", 30) is Verdict.BUSY


@pytest.mark.parametrize(
    "name",
    ["a\0b", "\ud800", "é" * 200, random.Random(1).randbytes(5_000).hex(), "~", " \n"],
    ids=["nul", "surrogate", "letters", "10 kB", "tilde", "blank"],
)
async def test_any_text_is_a_key_of_its_own(bench: DedupBench, name: str) -> None:
    """Producers choose ids freely, and what could not be asked about would come again for ever."""
    store, key = bench.store, f"actor/1/{bench.key}{name}"
    likely = [key + "x", key[:-1], quote(key, errors="surrogatepass"), segment(key), f"~{segment(key)}"]
    assert await store.begin(key, "a", 30) is Verdict.RUN
    await store.extend([key], "a", 30)
    await store.forget(key, "a")
    assert await store.begin(key, "b", 30) is Verdict.RUN
    await store.finish(key, 60)
    assert await store.begin(key, "c", 30) is Verdict.DONE
    for other in {*likely} - {key}:
        assert await store.begin(other, "c", 30) is Verdict.RUN


async def test_what_is_done_is_forgotten_after_the_window(bench: DedupBench) -> None:
    await bench.store.begin(bench.key, "a", 30)
    await bench.store.finish(bench.key, 0.3)
    await bench.let_pass(0.5)
    assert await bench.store.begin(bench.key, "a", 30) is Verdict.RUN


async def test_of_many_who_ask_at_once_one_gets_it(bench: DedupBench) -> None:
    verdicts = await asyncio.gather(*(bench.store.begin(bench.key, f"o{number}", 30) for number in range(50)))
    assert verdicts.count(Verdict.RUN) == 1
    assert verdicts.count(Verdict.BUSY) == 49


async def test_two_processes_may_make_the_table_at_once(postgres: PostgresServer) -> None:
    stores = [PostgresDedup(postgres.url) for _ in range(8)]
    key = uuid.uuid4().hex
    verdicts = await asyncio.gather(*(store.begin(key, str(n), 30) for n, store in enumerate(stores)))
    assert verdicts.count(Verdict.RUN) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_expired_keys_are_swept(bench: DedupBench, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "asya_store.dedup_port" if isinstance(bench.store, MemoryDedup) else "asya_store.dedup_postgres"
    monkeypatch.setattr(f"{module}.SWEEP_EVERY", 2)
    await bench.store.begin(bench.key, "a", 0.2)
    await bench.let_pass(0.3)
    assert await bench.store.begin(bench.key + "b", "a", 30) is Verdict.RUN
    assert await bench.store.begin(bench.key, "a", 30) is Verdict.RUN


async def test_a_database_that_restarts_is_used_again(postgres: PostgresServer) -> None:
    store = PostgresDedup(postgres.url)
    key = uuid.uuid4().hex
    await store.begin(key, "a", 60)
    await store.finish(key, 60)
    postgres.stop()
    postgres.start()
    assert await store.begin(key, "b", 60) is Verdict.DONE
    await store.close()


async def test_a_database_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_store.postgres_pool.TIMEOUT_S", 1.0)
    store = open_dedup("postgresql://asya@127.0.0.1:9/none")
    with pytest.raises(StoreUnavailable, match="dedup database"):
        await store.begin("k", "a", 30)
    await store.close()


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(ValueError, match="memory: or start with postgresql://"):
        open_dedup("redis://x")
