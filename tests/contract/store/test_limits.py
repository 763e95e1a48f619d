"""One contract for the stores of limits: in memory with a clock turned by hand, in a file and in a real Postgres."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asya_protocol.errors import StoreUnavailable
from asya_store.limits.factory import open_limits
from asya_store.limits.limiter import Limiter
from asya_store.limits.memory import MemoryLimits
from asya_store.limits.port import LimitStates
from asya_store.limits.postgres import PostgresLimits
from asya_store.limits.rule import Ask, Rule
from asya_store.limits.sqlite import SqliteLimits
from lab.servers.postgres import PostgresServer, postgres

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


@dataclass
class LimitsBench:
    """How to open the same states again, as another process would."""

    open: Callable[[], LimitStates]
    name: str


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LimitsBench]:
    opened: list[LimitStates] = []
    memory = MemoryLimits()

    def open_again() -> LimitStates:
        states: LimitStates = memory
        if request.param == "sqlite":
            states = SqliteLimits(tmp_path / "limits.sqlite3")
        if request.param == "postgres":
            states = PostgresLimits(request.getfixturevalue("postgres").url)
        opened.append(states)
        return states

    yield LimitsBench(open_again, uuid.uuid4().hex)
    for states in opened:
        await states.close()


async def test_of_many_who_ask_at_once_as_many_get_in_as_the_limit_says(bench: LimitsBench) -> None:
    limiters = [Limiter(bench.open()) for _ in range(4)]
    ask = Ask(Rule(name=bench.name, requests_per_minute=10, concurrency=7), "tenant")
    waits = await asyncio.gather(*(limiters[n % 4].take([ask], f"l{n}") for n in range(40)))
    assert waits.count(None) == 7
    assert len({wait.delay_s for wait in waits if wait}) > 20


async def test_what_is_returned_and_corrected_is_seen_by_others(bench: LimitsBench) -> None:
    one, other = Limiter(bench.open()), Limiter(bench.open())
    ask = Ask(Rule(name=bench.name, tokens_per_minute=100, concurrency=1), "", 90)
    assert await one.take([ask], "a") is None
    assert await other.take([ask], "b") is not None
    await one.extend({"a": [ask]})
    await one.settle([ask], "a", spent={bench.name: 5})
    assert await other.take([ask], "b", waited=True) is None


@pytest.mark.parametrize("key", ["", "acme", "a\0b", "\ud800", "é" * 200, "*", "=", "~"])
async def test_any_text_is_a_key_of_its_own(bench: LimitsBench, key: str) -> None:
    limiter, rule = Limiter(bench.open()), Rule(name=bench.name, concurrency=1)
    for each in (key, f"{key}x"):
        assert await limiter.take([Ask(rule, each)], "a") is None
    assert await limiter.take([Ask(rule, key)], "b") is not None


async def test_two_limits_are_locked_in_one_order(bench: LimitsBench) -> None:
    a, b = Ask(Rule(name=f"{bench.name}a", concurrency=50)), Ask(Rule(name=f"{bench.name}b", concurrency=50))
    limiters = [Limiter(bench.open()) for _ in range(3)]
    waits = await asyncio.gather(*(limiters[n % 3].take([a, b] if n % 2 else [b, a], f"l{n}") for n in range(60)))
    assert waits.count(None) == 50


async def test_a_pause_holds_for_all_and_a_person_sees_and_ends_it(bench: LimitsBench) -> None:
    limiter, ask = Limiter(bench.open()), Ask(Rule(name=bench.name, requests_per_minute=5), "acme")
    assert await limiter.take([ask], "a") is None
    await Limiter(bench.open()).pause(bench.name, None, None, "incident")
    wait = await limiter.take([ask], "b")
    assert wait is not None and wait.reason == "incident"
    await limiter.pause(bench.name, "acme", 600.0, "429")
    standings = {each.key: each for each in await limiter.standings() if each.name == bench.name}
    assert standings[None].paused_s is None
    assert standings["acme"].calls == 1
    assert 590 < (standings["acme"].paused_s or 0) <= 600
    assert await limiter.resume(bench.name, None)
    assert not await limiter.resume(bench.name, None)
    assert await limiter.take([ask], "b") is None


async def test_two_processes_may_make_the_table_at_once(bench: LimitsBench) -> None:
    ask = Ask(Rule(name=bench.name, concurrency=3))
    waits = await asyncio.gather(*(Limiter(bench.open()).take([ask], str(n)) for n in range(6)))
    assert waits.count(None) == 3


async def test_states_that_hold_nothing_are_swept(bench: LimitsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory", "sqlite", "postgres"):
        monkeypatch.setattr(f"asya_store.limits.{module}.SWEEP_EVERY", 2)
    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"asya_store.limits.{module}.IDLE_S", 0.0)
    states = bench.open()
    limiter, ask = Limiter(states), Ask(Rule(name=bench.name, concurrency=3))
    await limiter.take([ask], "a")
    await limiter.settle([ask], "a")
    await limiter.pause(f"{bench.name}-paused", None, None, "stays")
    await asyncio.sleep(0.01)
    await limiter.pause(f"{bench.name}-other", None, None, "stays")
    known, _ = await states.read()
    assert (bench.name, "=") not in known
    assert (f"{bench.name}-paused", "*") in known


async def test_a_database_that_restarts_is_used_again(postgres: PostgresServer) -> None:
    states = PostgresLimits(postgres.url)
    limiter, ask = Limiter(states), Ask(Rule(name=uuid.uuid4().hex, requests_per_minute=1))
    assert await limiter.take([ask], "a") is None
    postgres.stop()
    postgres.start()
    assert await limiter.take([ask], "b") is not None
    await states.close()


async def test_a_database_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_store.postgres_pool.TIMEOUT_S", 1.0)
    states = open_limits("postgresql://asya@127.0.0.1:9/none")
    with pytest.raises(StoreUnavailable, match="limits database"):
        await states.read()
    await states.close()


async def test_a_file_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"limits in .*limits\.db"):
        await open_limits(f"sqlite://{tmp_path}/file/limits.db").read()


@pytest.mark.parametrize("url", ["redis://x", "sqlite://", "sqlite:///", "sqlite://relative"])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="memory: or start with sqlite:/// or postgresql://"):
        open_limits(url)
