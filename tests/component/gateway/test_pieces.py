"""What handlers stream, from a sidecar's request to its readers: SSE that is taken up where it was, MCP, and every replica."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from asya_transport.port import Transport
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_calls import TOKEN, call, report, taken
from tests.support.gateway_process import LIMIT_S, SESSION, Gateway

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

Heard = tuple[str, str, Any]
"""Id, kind and data of an event."""


def batch(envelope_id: str, run: str, first: int, *pieces: object, **more: Any) -> dict[str, Any]:
    return {"id": envelope_id, "run": run, "actor": "echo", "first": first, "pieces": list(pieces), **more}


async def post(http: httpx2.AsyncClient, *batches: object) -> list[int]:
    answer = await http.post("/pieces", json={"batches": batches})
    assert answer.status_code == 200, answer.text
    statuses: list[int] = answer.json()["statuses"]
    return statuses


async def read(http: httpx2.AsyncClient, path: str, most: int = 10**6, after: str = "") -> list[Heard]:
    """Read a stream to its end, or so many events of it."""
    found: list[Heard] = []
    async with (
        asyncio.timeout(LIMIT_S),
        http.stream("GET", path, headers={"Last-Event-ID": after} if after else {}) as response,
    ):
        assert response.status_code == 200
        async for event in httpx2.EventSource(response):
            if event.data:
                found.append((event.id, event.event, json.loads(event.data)))
            if len(found) >= most:
                break
    return found


def pieces(heard: list[Heard]) -> list[Any]:
    return [data for _, kind, data in heard if kind == "partial"]


async def test_a_reader_gets_pieces_as_they_come_and_the_end_behind_the_last_of_them(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        reading = asyncio.create_task(read(http, f"/envelopes/{envelope_id}/stream?pieces=true"))
        alone = asyncio.create_task(read(http, f"/envelopes/{envelope_id}/pieces"))
        for number in range(50):
            assert await post(http, batch(envelope_id, "r1", number, {"text": f"t{number}"})) == [200]
        # The end goes by way of the queues, and may be here before the last pieces.
        await report(http, envelope_id, "final", status="succeeded", result={"done": True})
        await post(http, batch(envelope_id, "r1", 50, {"text": "t50"}, ended=True))
        heard = await reading
        assert pieces(heard) == pieces(await alone) == [{"text": f"t{number}"} for number in range(51)]
        assert (heard[-1][1], heard[-1][2]["status"], heard[-1][2]["result"]) == ("update", "succeeded", {"done": True})
        assert sum(data.get("status") == "succeeded" for _, kind, data in heard if kind == "update") == 1
        late = await read(http, f"/envelopes/{envelope_id}/stream?pieces=true")
        assert (pieces(late), late[-1][2]) == (pieces(heard), heard[-1][2]), "kept for who comes late"
        plain = await read(http, f"/envelopes/{envelope_id}/stream")
        assert {kind for _, kind, _ in plain} == {"update"}, "who did not ask gets what Asya 0.1.1 told"


@pytest.mark.parametrize("path", ["stream?pieces=true", "pieces"])
async def test_a_stream_that_was_cut_is_taken_up_where_it_was(gateway: Gateway, path: str) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        await post(http, batch(envelope_id, "r1", 0, *range(10)))
        await report(http, envelope_id, "progress", current_actor_idx=0, status="processing", message="on it")
        found: list[Heard] = []
        for most in (3, 1, 2):
            found += await read(http, f"/envelopes/{envelope_id}/{path}", most, found[-1][0] if found else "")
        await post(http, batch(envelope_id, "r1", 10, ended=True))
        await report(http, envelope_id, "final", status="succeeded")
        found += await read(http, f"/envelopes/{envelope_id}/{path}", after=found[-1][0])
        assert pieces(found) == list(range(10))
        assert found == await read(http, f"/envelopes/{envelope_id}/{path}")


async def test_a_call_that_is_made_again_tells_its_readers_that_the_stream_starts_anew(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        reading = asyncio.create_task(read(http, f"/envelopes/{envelope_id}/pieces"))
        await post(http, batch(envelope_id, "r1", 0, "a", "b"))
        early = await read(http, f"/envelopes/{envelope_id}/pieces", 2)
        await asyncio.sleep(0)
        await post(http, batch(envelope_id, "r2", 0, "A", attempt=2), batch(envelope_id, "r2", 3, "D", ended=True))
        await report(http, envelope_id, "final", status="succeeded")
        late = await read(http, f"/envelopes/{envelope_id}/pieces", after=early[-1][0])
        assert [(kind, data) for _, kind, data in late] == [
            ("anew", {"actor": "echo", "attempt": 2}),
            ("partial", "A"),
            ("gap", {"lost": 2}),
            ("partial", "D"),
        ]
        heard = [data for _, kind, data in await reading if kind == "partial"]
        assert heard in (["a", "b", "A", "D"], ["A", "D"])


async def test_an_envelope_that_was_sent_past_the_gateway_has_readers_too(gateway: Gateway) -> None:
    async with gateway.client() as http:
        assert await post(http, batch("stranger", "r1", 0, 1, 2)) == [200]
        early = await read(http, "/envelopes/stranger/pieces", 2)
        assert pieces(early) == [1, 2]
        resting = asyncio.create_task(read(http, "/envelopes/stranger/pieces?rest=true", after=early[0][0]))
        await post(http, batch("stranger", "r1", 2, 3, ended=True))
        assert pieces(await resting) == [2, 3], "its end is known elsewhere: what is on its way, and no more"
        assert await read(http, "/envelopes/stranger/pieces?rest=true", after=early[-1][0]) == (await resting)[1:]
        assert await read(http, "/envelopes/nobody/pieces?rest=true") == []
        assert (await http.get("/envelopes/stranger/stream?pieces=true")).status_code == 404


async def test_only_sidecars_tell_pieces_only_of_a_mark_they_show_and_only_its_owner_reads(
    environ: dict[str, str], broker: Transport
) -> None:
    tokens = {
        "ASYA_GATEWAY_AUTH": "tokens",
        "ASYA_GATEWAY_TOKENS": f"{TOKEN}1|call:* {TOKEN}2|report {TOKEN}3|call:*",
        "ASYA_GATEWAY_MARKED_REPORTS": "true",
    }
    with Gateway({**environ, **tokens}) as gateway:
        async with (
            gateway.client(f"{TOKEN}1") as owner,
            gateway.client(f"{TOKEN}2") as sidecar,
            gateway.client(f"{TOKEN}3") as other,
        ):
            envelope_id = (await call(owner, text="hi"))["envelope_id"]
            (sent,) = await taken(broker, least=1)
            mark = sent["headers"]["x-asya-mark"]
            assert await post(sidecar, batch(envelope_id, "r1", 0, "forged")) == [409]
            assert await post(sidecar, batch(envelope_id, "r1", 0, "a", mark=mark)) == [200]
            assert await post(sidecar, batch(envelope_id, "r1", 1, "forged")) == [409]
            assert pieces(await read(owner, f"/envelopes/{envelope_id}/pieces", 1)) == ["a"]
            assert (await other.get(f"/envelopes/{envelope_id}/pieces")).status_code == 403
            assert (await other.get(f"/envelopes/{envelope_id}/stream?pieces=true")).status_code == 403
            assert (await owner.post("/pieces", json={"batches": []})).status_code == 403


async def test_what_is_no_batch_is_refused(gateway: Gateway) -> None:
    async with gateway.client() as http:
        bodies: list[object] = [
            {},
            {"batches": [{}]},
            {"batches": [batch("e", "no name", 0)]},
            {"batches": [batch("e", "r", -1)]},
        ]
        for body in bodies:
            assert (await http.post("/pieces", json=body)).status_code == 400


async def test_a_piece_with_lines_stays_one_event(gateway: Gateway) -> None:
    body = b'{"batches":[{"id":"e1","run":"r1","first":0,"pieces":[{"a":\n\n1,\r"text":"x\\ny"}]}]}'
    async with gateway.client() as http:
        assert (
            await http.post("/pieces", content=body, headers={"Content-Type": "application/json"})
        ).status_code == 200
        assert pieces(await read(http, "/envelopes/e1/pieces", 1)) == [{"a": 1, "text": "x\ny"}]


async def test_an_mcp_client_that_asked_for_progress_gets_pieces_in_growing_progress(gateway: Gateway) -> None:
    question = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": "hi"}, "_meta": {"progressToken": "p"}},
    }  # fmt: skip
    headers = {**SESSION, "Accept": "application/json, text/event-stream"}
    messages: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(LIMIT_S),
        gateway.client() as http,
        http.stream("POST", "/mcp", json=question, headers=headers) as response,
    ):
        async for event in httpx2.EventSource(response):
            message = json.loads(event.data)
            messages.append(message)
            if len(messages) == 1:
                envelope_id = message["params"]["_meta"]["asya.sh/envelope"]
                await post(http, batch(envelope_id, "r1", 0, {"text": "a"}, "b"))
                await post(http, batch(envelope_id, "r2", 0, {"n": 1}, ended=True))
                await report(http, envelope_id, "final", status="succeeded", result={"text": "ab"})
    said = [message["params"] for message in messages if "params" in message]
    progress = [params["progress"] for params in said]
    assert progress == sorted(set(progress)), "in MCP each is more than the last"
    told = [
        (params["message"], params["_meta"]["asya.sh/pieces"]) for params in said if "asya.sh/pieces" in params["_meta"]
    ]
    assert told[-1] == ('{"n":1}', [{"n": 1}])
    assert told[:-1] in ([("a", [{"text": "a"}]), ("b", ["b"])], [])
    assert messages[-1]["id"] == 1


async def test_a_reader_at_one_replica_gets_what_another_was_told(
    environ: dict[str, str], postgres: PostgresServer
) -> None:
    shared = {**environ, "ASYA_DATABASE_URL": postgres.new_database()}
    with Gateway(shared) as one, Gateway(shared) as other:
        async with one.client() as http, other.client() as elsewhere:
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            reading = asyncio.create_task(read(http, f"/envelopes/{envelope_id}/stream?pieces=true"))
            for number in range(0, 300, 3):
                three = [{"n": each, "text": "é\u0000\n" * 200} for each in range(number, number + 3)]
                await post(elsewhere, batch(envelope_id, "r1", number, *three))
            await post(elsewhere, batch(envelope_id, "r1", 300, ended=True))
            await report(elsewhere, envelope_id, "final", status="succeeded")
            heard = await reading
            assert [piece["n"] for piece in pieces(heard)] == list(range(300))
            had = [one for one in heard if one[1] == "partial"][149]
            for replica in (http, elsewhere):
                rest = await read(replica, f"/envelopes/{envelope_id}/stream?pieces=true", after=had[0])
                assert [piece["n"] for piece in pieces(rest)] == list(range(150, 300)), (
                    "a place is the same in every one"
                )
