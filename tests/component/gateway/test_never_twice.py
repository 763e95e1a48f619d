"""Calls that are made again: by HTTP, MCP and the command line, after cuts, and while gateways are killed."""

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from asya_transport.port import Transport
from lab.servers.postgres import PostgresServer, postgres
from tests.support.command_line import CommandLine
from tests.support.gateway_calls import envelopes, report, taken
from tests.support.gateway_process import LIMIT_S, Gateway
from tests.support.mcp_requests import ask, listening, modern, session

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

CALLS, AT_ONCE, KILLS = 1000, 40, 4
CALL_KEY = "asya.sh/idempotency-key"


async def post(http: httpx2.AsyncClient, key: str, **arguments: object) -> httpx2.Response:
    return await http.post(
        "/tools/call", json={"name": "echo", "arguments": arguments}, headers={"Idempotency-Key": key}
    )


def told(body: dict[str, Any]) -> str:
    found: str = json.loads(body["content"][0]["text"])["envelope_id"]
    return found


async def test_a_key_starts_one_envelope_over_http(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        answers = await asyncio.gather(*(post(http, '"one"', text="hi") for _ in range(10)))
        again = await post(http, "one", text="hi", times=None)
        other = await post(http, "two", text="hi")
        reused, bad = await post(http, "one", text="ho"), await post(http, "a b", text="hi")
        plain = [await http.post("/tools/call", json={"name": "echo", "arguments": {"text": "hi"}}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    (envelope_id,) = {told(answer.json()) for answer in answers}
    assert sorted(answer.headers.get("Idempotent-Replayed", "") for answer in answers) == [""] + ["true"] * 9
    assert (again.status_code, reused.status_code, bad.status_code) == (422, 422, 400)
    assert "this key was given with another tool or other arguments before" in reused.text
    ids = {envelope_id, told(other.json()), *(told(answer.json()) for answer in plain)}
    assert len(ids) == 4
    assert sorted(one["id"] for one in await taken(broker, least=4)) == sorted(ids)


async def test_a_stream_that_is_cut_is_taken_up_by_the_call_that_repeats_it(
    gateway: Gateway, broker: Transport
) -> None:
    asked = {"name": "echo", "arguments": {"text": "hi"}, "_meta": {"progressToken": 1, CALL_KEY: "k"}}
    async with gateway.client() as http:
        async with listening(http, modern("tools/call", call_id=1, **asked)) as messages:
            await anext(messages)
            envelope_id = (await anext(envelopes(broker)))["id"]
        async with listening(http, modern("tools/call", call_id=2, **asked)) as messages:
            await anext(messages)
            assert (await http.get(f"/envelopes/{envelope_id}")).json()["status"] == "running"
            await report(http, envelope_id, "final", status="succeeded", result={"n": 1})
            *_, last = [message async for message in messages]
        refused = await ask(http, modern("tools/call", **{**asked, "arguments": {"text": "ho"}}))
    assert (last["id"], json.loads(last["result"]["content"][0]["text"])["envelope_id"]) == (2, envelope_id)
    assert refused["code"] == -32602
    assert await taken(broker, least=0) == []


async def test_a_cut_is_a_cancel_when_nobody_repeats_the_call_in_time(
    environ: dict[str, str], broker: Transport
) -> None:
    asked = {"name": "echo", "arguments": {"text": "hi"}, "_meta": {"progressToken": 1, CALL_KEY: "k"}}
    with Gateway({**environ, "ASYA_GATEWAY_REPEAT_GRACE": "200ms"}) as gateway:
        async with gateway.client() as http:
            async with listening(http, modern("tools/call", **asked)) as messages:
                await anext(messages)
                envelope_id = (await anext(envelopes(broker)))["id"]
            shown = (await http.get(f"/envelopes/{envelope_id}", params={"wait": 50})).json()
    assert (shown["status"], shown["error"]) == ("failed", "Cancelled by its caller")


async def test_a_request_of_a_session_that_is_sent_again_starts_nothing(gateway: Gateway, broker: Transport) -> None:
    asked = {"name": "echo", "arguments": {"text": "hi"}}
    async with gateway.client() as http:
        answers = [told(await ask(http, session("tools/call", call_id, **asked))) for call_id in (5, 5, "5", 6)]
        other = told(await ask(http, session("tools/call", 5, name="echo", arguments={"text": "ho"})))
    assert answers[0] == answers[1]
    assert len({*answers, other}) == 4
    assert len(await taken(broker, least=4)) == 4


def test_the_command_line_makes_a_call_once(gateway: Gateway, tmp_path: Path) -> None:
    asya = CommandLine(tmp_path, {"ASYA_GATEWAY_URL": gateway.url})
    said = [asya("call", "echo", "--text", "hi", "--key", "order-7", "--no-wait") for _ in range(2)]
    assert [one.code for one in said] == [0, 0], said[0].err
    assert said[0].out == said[1].out
    reused = asya("call", "echo", "--text", "ho", "--key", "order-7", "--no-wait")
    assert reused.code == 2
    assert "choose another --key" in reused.err


def request(number: int, key: str) -> bytes:
    body = json.dumps({"name": "echo", "arguments": {"text": str(number)}})
    head = "POST /tools/call HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def cut_off(port: int, message: bytes, chance: random.Random) -> None:
    """Make a call and go before it is answered: in the middle of the request, after it, or a moment later."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message[: len(message) - chance.choice((0, 0, 0, 10))])
        await writer.drain()
        await asyncio.sleep(chance.choice((0, 0, 0.005, 0.05)))
        writer.transport.abort()
    except OSError:
        return


async def answered(port: int, message: bytes) -> str | None:
    """Make a call; the envelope that its answer names, ``None`` where no good answer came."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    except OSError:
        return None
    if not head.startswith(b"HTTP/1.1 200") or b"isError" in body:
        return None
    try:
        return told(json.loads(body))
    except ValueError:  # its gateway was killed within the answer
        return None


async def test_calls_sent_twice_while_gateways_are_killed_are_envelopes_once(
    environ: dict[str, str],
    postgres: PostgresServer,
    broker: Transport,
    record_property: Callable[[str, object], None],
) -> None:
    url = postgres.new_database()
    shared = {**environ, "ASYA_DATABASE_URL": url}
    running = [Gateway(shared), Gateway(shared)]
    chance, slots, done = random.Random(7), asyncio.Semaphore(AT_ONCE), 0
    keys = [uuid.uuid4().hex for _ in range(CALLS)]

    async def twice(number: int) -> str:
        nonlocal done
        message = request(number, keys[number])
        async with slots:
            await cut_off(running[chance.randrange(2)].port or 0, message, chance)
            while (found := await answered(running[chance.randrange(2)].port or 0, message)) is None:
                await asyncio.sleep(0.05)
        done += 1
        return found

    async def kill() -> None:
        for number in range(KILLS):
            while done < (number + 1) * CALLS // (KILLS + 1):
                await asyncio.sleep(0.01)
            running[number % 2].kill()
            running[number % 2] = await asyncio.to_thread(Gateway, shared)

    try:
        async with asyncio.timeout(5 * LIMIT_S):
            told_ids, _ = await asyncio.gather(asyncio.gather(*map(twice, range(CALLS))), kill())
        async with await psycopg.AsyncConnection.connect(url) as connection:
            (kept,) = await (await connection.execute("SELECT count(*) FROM envelopes")).fetchone() or (0,)
        sent = Counter(one["id"] for one in await taken(broker, least=CALLS))
    finally:
        for process in running:
            process.kill()
    assert (len(set(told_ids)), kept) == (CALLS, CALLS)
    assert set(sent) == set(told_ids)
    record_property(
        "table",
        f"{CALLS} calls sent twice by clients that are cut, {KILLS} gateways killed: {len(sent)} envelopes, "
        f"{sent.total() - CALLS} of them on their queue twice",
    )
