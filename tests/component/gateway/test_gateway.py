"""A real gateway process: calls, reports, streams, deadlines, cancels, restarts, and who may do what."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from asya_store.cancel_list import CancelList
from asya_store.folder import FolderStore
from asya_transport.factory import open_admin
from asya_transport.port import QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from lab.servers.postgres import PostgresServer, postgres
from lab.waits import wait_until
from tests.support.gateway_calls import TOKEN, call, envelopes, report, taken
from tests.support.gateway_process import LIMIT_S, SESSION, Gateway, parse_events

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")


async def test_a_call_is_on_its_queue_when_it_is_answered(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        told = await call(http, text="hi")
        envelope_id = told["envelope_id"]
        assert told == {
            "envelope_id": envelope_id, "message": "Envelope created successfully",
            "status_url": f"/envelopes/{envelope_id}", "stream_url": f"/envelopes/{envelope_id}/stream",
            "metadata": {"team": "docs"},
        }  # fmt: skip
        (envelope,) = await taken(broker, least=1)
        shown = (await http.get(f"/envelopes/{envelope_id}")).json()
    assert envelope.pop("deadline") == shown["deadline"]
    assert list(envelope.pop("headers")) == ["x-asya-mark"]  # whether it is asked for or not; senders of 0.1.1 set none
    assert envelope == {
        "id": envelope_id,
        "route": {"actors": ["echo", "shout"], "current": 0, "metadata": {"job_id": envelope_id}},
        "payload": {"text": "hi", "times": 1},
    }
    assert (shown["status"], shown["message"]) == ("running", "Sending envelope to first actor")
    assert (shown["timeout_seconds"], shown["payload"]) == (300, {"text": "hi", "times": 1})


async def test_a_life_is_streamed_from_its_history_to_its_end(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        streaming = asyncio.create_task(http.get(f"/envelopes/{envelope_id}/stream"))
        route = ["echo", "shout"]
        first = await report(http, envelope_id, "progress", actors=route, current_actor_idx=0, status="received")
        assert first.json() == {"progress_percent": 5.0, "status": "ok"}
        assert (await http.get(f"/envelopes/{envelope_id}/active")).json() == {"active": True}
        await report(http, envelope_id, "progress", actors=route, current_actor_idx=1, status="completed", message="m")
        assert (await report(http, envelope_id, "final", status="succeeded", result={"n": 1})).json() == {
            "status": "ok"
        }
        late = await report(http, envelope_id, "progress", actors=route, current_actor_idx=0, status="received")
        assert late.json() == {"progress_percent": 100.0, "status": "ok"}
        assert (await report(http, envelope_id, "final", status="failed", error="late")).status_code == 200
        live = await streaming
        assert live.headers["content-type"].startswith("text/event-stream")
        events = list(parse_events(live.text))
        assert [number for number, _ in events] == [1, 2, 3, 4, 5]
        assert [event["status"] for _, event in events] == ["pending", "running", "running", "running", "succeeded"]
        assert events[-1][1]["result"] == {"n": 1}
        again = await http.get(f"/envelopes/{envelope_id}/stream", headers={"Last-Event-ID": "3"})
        assert list(parse_events(again.text)) == events[3:]
        nothing = await http.get(f"/envelopes/{envelope_id}/stream", headers={"Last-Event-ID": "5"})
        assert nothing.text == ""
        gone = await http.get(f"/envelopes/{envelope_id}/active")
        assert (gone.status_code, gone.json()) == (410, {"active": False})
        shown = (await http.get(f"/envelopes/{envelope_id}")).json()
        assert (shown["status"], shown["result"], shown["actors_completed"]) == ("succeeded", {"n": 1}, 2)
        figures = (await http.get("/metrics")).text
        for line in (
            'asya_gateway_calls_total{outcome="sent",tool="echo"} 1.0',
            'asya_gateway_reports_total{kind="progress",outcome="changed"} 2.0',
            'asya_gateway_reports_total{kind="progress",outcome="late"} 1.0',
            'asya_gateway_reports_total{kind="final",outcome="changed"} 1.0',
            'asya_gateway_reports_total{kind="final",outcome="late"} 1.0',
            'asya_gateway_http_requests_total{code="410",method="GET",route="/envelopes/{id}/active"} 1.0',
            'asya_gateway_store_duration_seconds_count{operation="report"} ',
        ):
            assert line in figures, figures


async def test_a_child_is_recorded_under_its_parent_and_never_sent(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        parent = (await call(http, text="hi"))["envelope_id"]
        await taken(broker, least=1)
        body = {"id": f"{parent}-1", "parent_id": parent, "actors": ["echo", "shout"], "current": 1}
        for _ in range(2):
            answer = await http.post("/envelopes", json=body)
            assert (answer.status_code, answer.json()) == (201, {"id": f"{parent}-1", "status": "created"})
        assert (await http.post("/envelopes", json={**body, "parent_id": "other"})).status_code == 409
        assert (await http.get(f"/envelopes/{parent}")).json()["children"] == [f"{parent}-1"]
        child = (await http.get(f"/envelopes/{parent}-1")).json()
        assert (child["parent_id"], child["status"], child["current_actor_name"]) == (parent, "pending", "shout")
        assert child["deadline"] == (await http.get(f"/envelopes/{parent}")).json()["deadline"]
    assert await taken(broker, least=0) == await taken(broker, "asya-shout", least=0) == []


@pytest.mark.parametrize("database", ["memory:", "sqlite", "postgres"])
async def test_a_result_that_is_no_text_is_refused_and_the_envelope_stays_open(
    environ: dict[str, str], database: str, request: pytest.FixtureRequest
) -> None:
    if database == "memory:":
        environ = {**environ, "ASYA_DATABASE_URL": database}
    elif database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        environ = {**environ, "ASYA_DATABASE_URL": server.new_database()}
    with Gateway(environ) as gateway:
        async with gateway.client() as http:
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            for body in (
                b'{"status":"succeeded","result":"\xff\xfe"}',
                b'{"status":"failed","error":"x","error_details":{"at":"\xff"}}',
                b'{"status":"succeeded","current_actor_idx":2147483648}',
            ):
                answer = await http.post(f"/envelopes/{envelope_id}/final", content=body)
                assert (answer.status_code, answer.text) == (400, "Invalid request body\n")
            assert (await http.get(f"/envelopes/{envelope_id}")).json()["status"] == "running"
            assert (await report(http, envelope_id, "final", status="succeeded", result="\u00e9")).status_code == 200
            assert (await http.get(f"/envelopes/{envelope_id}")).json()["result"] == "\u00e9"


async def test_a_route_to_nobody_is_refused_before_its_first_hop(
    environ: dict[str, str], broker: Transport, tmp_path: Path
) -> None:
    (tmp_path / "tools.yaml").write_text("tools: [{name: t, route: [echo, shuot]}]")
    with Gateway(environ) as gateway:
        async with gateway.client() as http:
            refused = (await http.post("/tools/call", json={"name": "t"})).json()
    assert refused["isError"]
    assert refused["content"][0]["text"] == (
        "tool t cannot run: its route names the actor 'shuot', which does not exist; did you mean 'shout'?"
    )
    assert await taken(broker, least=0) == []


async def test_a_send_that_fails_ends_the_envelope(gateway: Gateway, memory_environ: dict[str, str]) -> None:
    admin = open_admin(read_transport_settings(memory_environ))
    await admin.create("asya-no-such-actor", QueueSpec())
    async with gateway.client() as http:
        await call(http, "lost")
        await admin.delete("asya-no-such-actor", force=True)  # it was there a moment ago, so that it is not looked for
        await admin.close()
        http.headers["traceparent"] = f"00-{'a' * 32}-{'b' * 16}-01"
        told = await call(http, "lost")
        shown = (await http.get(told["status_url"])).json()
        assert shown["status"] == "failed"
        assert shown["error"].startswith("failed to send envelope: queue 'asya-no-such-actor' does not exist")
        assert (await http.get("/ready")).status_code == 200
    wait_until(lambda: said(gateway, "envelope not sent"), LIMIT_S, "the gateway's log tells of it")
    (line,) = said(gateway, "envelope not sent")
    about = (line["envelope_id"], line["actor"], line["trace_id"])
    assert about == (told["envelope_id"], "no-such-actor", "a" * 32)


def said(gateway: Gateway, message: str) -> list[dict[str, Any]]:
    """Lines of a gateway's log with a message."""
    found = [json.loads(line) for line in gateway.lines if message in line]
    return [line for line in found if line["message"] == message]


async def test_a_deadline_fires_after_the_gateway_was_killed(environ: dict[str, str]) -> None:
    with Gateway(environ) as first:
        async with first.client() as http:
            told = await call(http, "brief")
        first.kill()
    with Gateway(environ) as second:
        async with second.client() as http:
            stream = await http.get(f"{told['status_url']}/stream")
            number, last = list(parse_events(stream.text))[-1]
            assert (number, last["status"], last["error"]) == (3, "failed", "envelope timed out")
        assert second.stop() == 0


async def test_a_cancel_ends_the_envelope_and_tells_the_actors(environ: dict[str, str], tmp_path: Path) -> None:
    with Gateway({**environ, "ASYA_STORE_URL": f"file://{tmp_path}/store"}) as gateway:
        async with gateway.client() as http:
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            answer = await report(http, envelope_id, "cancel")
            assert answer.json() == {"status": "cancelled", "actors_told": True}
            again = await report(http, envelope_id, "cancel")
            assert (again.status_code, again.text) == (409, "Envelope has already failed\n")
            shown = (await http.get(f"/envelopes/{envelope_id}")).json()
            assert (shown["status"], shown["error"]) == ("failed", "Cancelled by its caller")
    cancels = CancelList(FolderStore(tmp_path / "store"))
    cancels.refresh()
    assert envelope_id in cancels


ANSWERS: list[tuple[str, str, bytes | None, int, str]] = [
    ("GET", "/health", None, 200, "OK\n"),
    ("POST", "/health", None, 200, "OK\n"),
    ("GET", "/ready", None, 200, "OK\n"),
    ("GET", "/tools/call", None, 405, "Method not allowed\n"),
    ("POST", "/tools/call", b"{", 400, "Invalid request body\n"),
    ("POST", "/tools/call", b"[]", 400, "Invalid request body\n"),
    ("POST", "/tools/call", b'{"arguments":{}}', 400, "Tool name is required\n"),
    ("POST", "/tools/call", b'{"name":"fly"}', 404, 'Tool "fly" not found\n'),
    ("POST", "/tools/call", b'{"name":"\\ud800"}', 400, "Invalid request body\n"),
    ("GET", "/envelopes", None, 405, "Method not allowed\n"),
    ("POST", "/envelopes", b"nope", 400, "Invalid request body\n"),
    ("POST", "/envelopes", b"{}", 400, "Missing required field: id\n"),
    ("POST", "/envelopes", b'{"id":"a/b"}', 400, "Invalid envelope id\n"),
    ("GET", "/envelopes/none", None, 404, "Envelope not found\n"),
    ("DELETE", "/envelopes/none", None, 405, "Method not allowed\n"),
    ("GET", "/envelopes/none/stream", None, 404, "Envelope not found\n"),
    ("GET", "/envelopes/none/active", None, 410, '{"active":false}'),
    ("POST", "/envelopes/none/progress", b"{}", 404, "Envelope not found\n"),
    ("POST", "/envelopes/none/progress", b'{"actors":1}', 400, "Invalid request body\n"),
    ("POST", "/envelopes/none/final", b'{"status":"succeeded"}', 404, "Envelope not found\n"),
    ("POST", "/envelopes/none/final", b'{"status":"done"}', 400, "Invalid status: must be 'succeeded' or 'failed'\n"),
    ("POST", "/envelopes/none/cancel", None, 404, "Envelope not found\n"),
    ("GET", "/envelopes/%00/active", None, 410, '{"active":false}'),
    ("GET", "/mcp/sse", None, 404, "Not found\n"),
]


async def test_every_route_answers_as_it_should(gateway: Gateway) -> None:
    async with gateway.client() as http:
        for method, path, body, status, text in ANSWERS:
            answer = await http.request(method, path, content=body)
            assert (method, path, body, answer.status_code, answer.text) == (method, path, body, status, text)


async def test_a_call_for_later_rests_with_the_broker_and_is_told_so(gateway: Gateway, broker: Transport) -> None:
    """Longer than its tool's timeout of a second, which runs from its moment on."""
    async with gateway.client() as http:
        answer = await http.post("/tools/call", json={"name": "brief", "arguments": {}, "delay": 3600})
        envelope_id = json.loads(answer.json()["content"][0]["text"])["envelope_id"]
        assert await taken(broker, least=0) == []
        shown = (await http.get(f"/envelopes/{envelope_id}")).json()
        console = (await http.get(f"/api/v1/envelopes/{envelope_id}")).json()
        await report(http, envelope_id, "final", status="succeeded", result=1)
        passed = await http.post(
            "/tools/call", json={"name": "brief", "arguments": {}, "notBefore": "2020-01-01T00:00Z"}
        )
        (sent,) = await taken(broker, least=1)
    until = shown["headers"]["x-asya-not-before"]
    assert console["because"].startswith(f"it waits at echo until {until}, for another ")
    assert sent["id"] == json.loads(passed.json()["content"][0]["text"])["envelope_id"]


async def test_a_moment_that_cannot_be_is_refused(gateway: Gateway) -> None:
    refused: list[tuple[dict[str, object], str]] = [
        ({"delay": -1}, "delay must be a number of seconds, 0 or more"),
        ({"delay": 1e9}, "ASYA_LONGEST_WAIT allows"),
        ({"delay": "soon"}, "Invalid request body"),
        ({"delay": 1, "notBefore": "2026-12-01T08:00Z"}, "a delay and a moment"),
        ({"notBefore": "tomorrow"}, "notBefore must be a time with its zone"),
        ({"notBefore": "2026-12-01T08:00"}, "has no zone"),
        ({"notBefore": "9999-12-31T23:59-23:59"}, "must be a time with its zone"),
    ]
    async with gateway.client() as http:
        for when, text in refused:
            answer = await http.post("/tools/call", json={"name": "brief", "arguments": {}, **when})
            assert answer.status_code == 400, when
            assert text in answer.text


async def test_arguments_that_do_not_fit_are_an_answer_not_a_failure(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        answer = await http.post("/tools/call", json={"name": "echo", "arguments": {}})
        assert answer.json() == {
            "content": [{"type": "text", "text": "missing required parameter: text"}], "isError": True,
        }  # fmt: skip
    assert await taken(broker, least=0) == []


async def test_a_body_over_the_limit_is_refused(environ: dict[str, str]) -> None:
    with Gateway({**environ, "ASYA_GATEWAY_MAX_BODY_BYTES": "2048"}) as gateway:
        async with gateway.client() as http:
            answer = await http.post("/tools/call", content=b"x" * 5000)
            assert (answer.status_code, answer.text) == (413, "Request body is over the limit of 2048 bytes\n")
            assert (await http.get("/health")).status_code == 200


async def test_tokens_open_what_their_scopes_say(environ: dict[str, str]) -> None:
    tokens = f"{TOKEN}1|call:echo {TOKEN}2|read {TOKEN}3|report"
    with Gateway({**environ, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": tokens}) as gateway:
        async with gateway.client() as nobody, gateway.client(f"{TOKEN}9") as wrong:
            for http in (nobody, wrong):
                answer = await http.post("/tools/call", json={"name": "echo"})
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await nobody.get("/health")).status_code == (await nobody.get("/ready")).status_code == 200
        async with gateway.client(f"{TOKEN}1") as caller:
            envelope_id = (await call(caller, text="hi"))["envelope_id"]
            assert (await caller.post("/tools/call", json={"name": "brief"})).status_code == 403
            assert (await caller.get(f"/envelopes/{envelope_id}")).status_code == 200  # whoever called it may follow it
            assert (await caller.get(f"/envelopes/{envelope_id}/active")).status_code == 200
            assert (await caller.get("/envelopes/none/active")).status_code == 403
            assert (await report(caller, envelope_id, "final", status="succeeded")).status_code == 403
            listed = await caller.post(
                "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=SESSION
            )
            assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["echo"]
        async with gateway.client(f"{TOKEN}2") as reader, gateway.client(f"{TOKEN}3") as sidecar:
            assert (await reader.get(f"/envelopes/{envelope_id}")).status_code == 200
            assert (await reader.get(f"/envelopes/{envelope_id}/active")).status_code == 200
            assert (await reader.get("/envelopes/none/active")).status_code == 410
            for path in ("", "/stream", "?wait=1"):
                assert (await sidecar.get(f"/envelopes/{envelope_id}{path}")).status_code == 403
                assert (await sidecar.get(f"/envelopes/none{path}")).status_code == 403
            assert (await report(reader, envelope_id, "cancel")).status_code == 403
            assert (await sidecar.get(f"/envelopes/{envelope_id}/active")).status_code == 200
            assert (await report(sidecar, envelope_id, "final", status="succeeded")).status_code == 200
        assert gateway.stop() == 0
        assert TOKEN not in "".join(gateway.lines)


def test_without_tokens_it_does_not_start_and_says_why(environ: dict[str, str]) -> None:
    del environ["ASYA_GATEWAY_AUTH"]
    with Gateway(environ) as gateway:
        assert gateway.port is None
        assert gateway.wait() == 1
        assert gateway.lines == [
            "asya-gateway: ASYA_GATEWAY_TOKENS: names no token; give at least one, "
            "or set ASYA_GATEWAY_AUTH=off to let everyone in\n"
        ]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ASYA_CONFIG_PATH", "/no/such/tools.yaml", "No such file"),
        ("ASYA_DATABASE_URL", "sqlite:/proc/none/x.db", "envelope database"),
    ],
)
def test_a_start_that_cannot_succeed_says_why(environ: dict[str, str], variable: str, value: str, problem: str) -> None:
    with Gateway({**environ, variable: value}) as gateway:
        assert gateway.wait() == 1
        assert problem in gateway.lines[-1]


async def test_a_stop_ends_streams_and_is_no_failure(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        async with (
            http.stream("GET", f"/envelopes/{envelope_id}/stream") as stream,
            http.stream("GET", "/mcp") as quiet,
        ):
            await anext(stream.aiter_bytes())
            await anext(quiet.aiter_bytes())
            assert await asyncio.to_thread(gateway.stop) == 0


async def test_a_wait_is_answered_when_the_envelope_is_final(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        waiting = asyncio.create_task(http.get(f"/envelopes/{envelope_id}", params={"wait": 30}))
        soon = await http.get(f"/envelopes/{envelope_id}", params={"wait": "0.05"})
        assert soon.json()["status"] == "running"
        await report(http, envelope_id, "progress", current_actor_idx=0, status="received")
        assert not waiting.done()
        await report(http, envelope_id, "final", status="succeeded", result={"n": 1})
        async with asyncio.timeout(LIMIT_S):
            assert (await waiting).json()["result"] == {"n": 1}
        for nonsense in ("soon", "-1", "nan", "inf"):
            answer = await http.get(f"/envelopes/{envelope_id}", params={"wait": nonsense})
            assert (answer.status_code, answer.text) == (400, "wait must be a number of seconds, 0 or more\n")
        assert (await http.get("/envelopes/none", params={"wait": 30})).status_code == 404


async def test_a_call_that_waits_is_told_the_result(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        waiting = asyncio.create_task(
            http.post("/tools/call", json={"name": "echo", "arguments": {"text": "hi"}, "wait": 30})
        )
        envelope_id = (await anext(envelopes(broker)))["id"]
        await report(http, envelope_id, "final", status="succeeded", result=["done"])
        async with asyncio.timeout(LIMIT_S):
            answer = (await waiting).json()
        assert "isError" not in answer
        told = json.loads(answer["content"][0]["text"])
        assert (told["envelope_id"], told["status"], told["result"]) == (envelope_id, "succeeded", ["done"])
        failed = (await http.post("/tools/call", json={"name": "brief", "wait": 30})).json()
        assert failed["isError"]
        assert json.loads(failed["content"][0]["text"])["error"] == "envelope timed out"


async def test_a_stop_answers_those_who_wait(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        waiting = asyncio.create_task(http.get(f"/envelopes/{envelope_id}", params={"wait": 30}))
        async with asyncio.timeout(LIMIT_S):
            while 'asya_gateway_open_streams{kind="wait"} 1.0' not in (await http.get("/metrics")).text:
                await asyncio.sleep(0.02)
        assert await asyncio.to_thread(gateway.stop) == 0
        assert (await waiting).json()["status"] == "running"
