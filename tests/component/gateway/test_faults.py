"""A thousand calls while the gateway is killed and its Postgres restarted: every envelope ends, and none twice.

The actor here stands for sidecar and runtime, which have their own fault tests: it takes an envelope, reports its end
until the gateway has taken it, and only then acknowledges, as a sidecar does.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import psycopg
import pytest

from asya_transport.port import Delivery, Transport
from lab.servers.ports import free_port
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_process import Gateway

__all__ = ["postgres"]
pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.timeout(600)]

CALLS, CALLERS = 1000, 10
TIMEOUT_S = 3600
TOOLS = f"tools: [{{name: work, route: [echo], timeout: {TIMEOUT_S}, parameters: {{n: {{type: integer}}}}}}]"
AWAY = (httpx2.HTTPError, OSError)


class Chaos:
    """Gateway and database, and what happened to them."""

    def __init__(self, environ: dict[str, str], server: PostgresServer) -> None:
        self._environ = environ
        self._server = server
        self.gateway = Gateway(environ)
        self.happened: Counter[str] = Counter()

    async def kill(self) -> None:
        """Kill the gateway and start another in its place."""
        await asyncio.to_thread(self.gateway.kill)
        self.gateway = await asyncio.to_thread(Gateway, self._environ)
        self.happened["gateway killed"] += 1

    async def restart(self) -> None:
        """Restart the database."""
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)
        self.happened["Postgres restarted"] += 1


async def call(http: httpx2.AsyncClient, number: int, heard: Counter[str]) -> str:
    """Call until there is an answer that names an envelope; its id."""
    while True:
        try:
            answer = await http.post("/tools/call", json={"name": "work", "arguments": {"n": number}})
        except AWAY:
            heard["no answer"] += 1
        else:
            body: dict[str, Any] = answer.json() if answer.status_code == 200 else {"isError": True}
            if "isError" not in body:
                return str(json.loads(body["content"][0]["text"])["envelope_id"])
            heard["an error"] += 1
        await asyncio.sleep(0.1)


@asynccontextmanager
async def actor(broker: Transport, http: httpx2.AsyncClient, taken: Counter[str]) -> AsyncIterator[None]:
    """Be the actor."""
    consumer = await broker.consume("asya-echo", prefetch=20)

    async def settle(delivery: Delivery) -> None:
        envelope: dict[str, Any] = json.loads(delivery.body)
        taken[envelope["id"]] += 1
        body = {"status": "succeeded", "result": envelope["payload"]}
        while True:
            try:
                answer = await http.post(f"/envelopes/{envelope['id']}/final", json=body)
                if answer.status_code in {200, 404}:
                    break
            except AWAY:
                pass
            await asyncio.sleep(0.1)
        await consumer.ack(delivery)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                for delivery in await consumer.receive(20, 1.0):
                    tasks.create_task(settle(delivery))

    working = asyncio.create_task(work())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await consumer.stop()


async def test_a_thousand_calls_through_kills_and_restarts(
    environ: dict[str, str], broker: Transport, postgres: PostgresServer,
    record_property: Callable[[str, object], None], tmp_path: Any,
) -> None:  # fmt: skip
    (tmp_path / "tools.yaml").write_text(TOOLS)
    port = free_port()
    database = postgres.new_database()
    chaos = Chaos({**environ, "ASYA_DATABASE_URL": database, "ASYA_GATEWAY_PORT": str(port)}, postgres)
    heard: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    answered: list[str] = []
    limits = httpx2.Limits(max_connections=40)
    base = f"http://127.0.0.1:{port}"
    async with (
        httpx2.AsyncClient(base_url=base, timeout=20, trust_env=False, limits=limits) as http,
        httpx2.AsyncClient(base_url=base, timeout=20, trust_env=False, limits=limits) as reporting,
        actor(broker, reporting, taken),
    ):
        numbers = iter(range(CALLS))

        async def caller() -> None:
            for number in numbers:
                answered.append(await call(http, number, heard))

        async def break_things() -> None:
            for share, what in (
                (0.1, chaos.kill),
                (0.3, chaos.restart),
                (0.5, chaos.kill),
                (0.7, chaos.restart),
                (0.9, chaos.kill),
            ):
                while len(answered) < share * CALLS:
                    await asyncio.sleep(0.01)
                await what()

        await asyncio.gather(break_things(), *(caller() for _ in range(CALLERS)))
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            open_ones = "SELECT id FROM envelopes WHERE status IN ('pending', 'running')"
            async with asyncio.timeout(120):
                while set(answered) & {row[0] for row in await rows(connection, open_ones)}:
                    await asyncio.sleep(0.2)
            # What was kept but never sent, because the gateway was killed in between, ends at its deadline: let it come.
            await connection.execute("UPDATE envelopes SET deadline = now() WHERE status IN ('pending', 'running')")
            async with asyncio.timeout(120):
                while await rows(connection, open_ones):
                    await asyncio.sleep(0.2)
            states = dict(await rows(connection, "SELECT id, status FROM envelopes"))
            errors = Counter(
                row[0] for row in await rows(connection, "SELECT error FROM envelopes WHERE status = 'failed'")
            )
            ends = await rows(connection, """SELECT envelope_id, count(*) FROM envelope_updates
                WHERE status IN ('succeeded', 'failed') GROUP BY 1 HAVING count(*) <> 1""")  # fmt: skip
            gaps = await rows(connection, """SELECT envelope_id FROM envelope_updates GROUP BY 1
                HAVING max(seq) <> count(*) OR min(seq) <> 1""")  # fmt: skip
    assert await asyncio.to_thread(chaos.gateway.stop) == 0
    assert chaos.happened == {"gateway killed": 3, "Postgres restarted": 2}
    assert len(set(answered)) == CALLS
    assert {one for one in answered if states.get(one) != "succeeded"} == set()
    assert set(states.values()) <= {"succeeded", "failed"}
    assert (ends, gaps) == ([], [])
    assert set(errors) <= {"envelope timed out"}
    assert [one for one, count in taken.items() if count > 1] == []
    assert set(taken) <= set(states)
    record_property(
        "table",
        f"{CALLS} calls through {dict(chaos.happened)}: all answered ones succeeded, none twice; callers heard {dict(heard)} "
        f"and called again; {len(states)} envelopes, {errors.total()} of them kept but never sent, ended at their deadline",
    )


async def rows(connection: psycopg.AsyncConnection[tuple[Any, ...]], question: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(question)).fetchall()
