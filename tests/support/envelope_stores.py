"""The envelope stores side by side: memory and SQLite with a clock turned by hand, and a real Postgres with a real one."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asya_gateway.records.lifecycle import Ended
from asya_gateway.records.record import Record
from asya_gateway.store.memory import MemoryStore
from asya_gateway.store.port import EnvelopeStore
from asya_gateway.store.postgres import PostgresStore
from asya_gateway.store.sqlite import SqliteStore
from lab.servers.postgres import PostgresServer

DONE = Ended(succeeded=True, result=b'{"n":1}')


@dataclass
class StoreBench:
    """A store, how to let time pass in it, what it woke, and how to open the same once more."""

    store: EnvelopeStore
    let_pass: Callable[[float], Awaitable[None]]
    again: Callable[[], EnvelopeStore]
    now: Callable[[], datetime]
    woken: list[str] = field(default_factory=list)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreBench]:
    turned = [datetime(2026, 1, 1, tzinfo=UTC)]

    async def turn(seconds: float) -> None:
        turned[0] += timedelta(seconds=seconds)

    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
        store: EnvelopeStore = PostgresStore(url, 1, 8)
        made = StoreBench(store, asyncio.sleep, lambda: PostgresStore(url, 1, 8), lambda: datetime.now(UTC))
    elif request.param == "sqlite":
        path = tmp_path / "gateway.db"
        store = SqliteStore(path, lambda: turned[0])
        made = StoreBench(store, turn, lambda: SqliteStore(path, lambda: turned[0]), lambda: turned[0])
    else:
        store = MemoryStore(lambda: turned[0])
        made = StoreBench(store, turn, lambda: store, lambda: turned[0])
    await store.open(made.woken.append)
    yield made
    await store.close()


def record(bench: StoreBench, due_in_s: float | None = None, **more: object) -> Record:
    now = bench.now()
    deadline = None if due_in_s is None else now + timedelta(seconds=due_in_s)
    values: dict[str, object] = {"id": uuid.uuid4().hex, "actors": ("a", "b"), "deadline": deadline, **more}
    return Record(created_at=now, updated_at=now, **values)  # type: ignore[arg-type]
