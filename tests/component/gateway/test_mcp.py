"""``/mcp``: the SDK's own client, and what clients of Asya 0.1.1 rely on, request by request."""

import asyncio
import json
import re
from pathlib import Path

import httpx2
import mcp
import pytest

from asya_transport.port import Transport
from tests.support.gateway_calls import envelopes, report
from tests.support.gateway_process import LIMIT_S, SESSION, Gateway


async def test_the_sdks_client_lists_and_calls(gateway: Gateway, broker: Transport) -> None:
    async with mcp.Client(f"{gateway.url}/mcp") as client:
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == ["brief", "echo", "lost"]
        called = await client.call_tool("echo", {"text": "hi"})
        assert not called.is_error
        told = json.loads(called.content[0].text)  # type: ignore[union-attr]
        refused = await client.call_tool("echo", {"text": 5})
        assert refused.is_error
        with pytest.raises(mcp.MCPError, match="tool 'fly' not found: tool not found"):
            await client.call_tool("fly", {})
    consumer = await broker.consume("asya-echo", prefetch=1)
    (delivery,) = await consumer.receive(1, LIMIT_S)
    assert json.loads(delivery.body)["id"] == told["envelope_id"]
    await consumer.ack(delivery)
    await consumer.stop()


def rpc(method: str, params: object = None, **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, **({"params": params} if params else {}), **more}


async def post(gateway: Gateway, body: object, headers: dict[str, str] = SESSION) -> httpx2.Response:
    async with gateway.client() as http:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await http.post("/mcp", content=content, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [
        ("2025-06-18", "2025-06-18"), ("2025-03-26", "2025-03-26"), ("2024-11-05", "2024-11-05"),
        ("2031-01-01", "2025-06-18"), (None, "2025-03-26"),
    ],
)  # fmt: skip
async def test_a_session_begins_with_an_agreed_version(gateway: Gateway, wanted: str | None, agreed: str) -> None:
    answer = await post(gateway, rpc("initialize", {"protocolVersion": wanted} if wanted else {}), {})
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"mcp-session-[0-9a-f-]{36}", answer.headers["mcp-session-id"])
    result = answer.json()["result"]
    assert (result["protocolVersion"], result["capabilities"]) == (agreed, {"tools": {"listChanged": True}})
    assert result["serverInfo"]["name"] == "asya-gateway"
    next_one = await post(gateway, rpc("ping"), {"Mcp-Session-Id": answer.headers["mcp-session-id"]})
    assert next_one.json() == {"jsonrpc": "2.0", "id": 7, "result": {}}


async def test_what_is_wrong_is_told_as_the_original_tells_it(gateway: Gateway) -> None:
    answer = await post(gateway, rpc("ping"), {"Content-Type": "text/plain"})
    assert (answer.status_code, answer.text) == (400, "Invalid content type: must be 'application/json'\n")
    answer = await post(gateway, rpc("ping"), {"Content-Type": "application/json; charset=utf-8", **SESSION})
    assert answer.status_code == 200
    answer = await post(gateway, b"{nope")
    assert (answer.status_code, answer.json()["error"]) == (
        400, {"code": -32700, "message": "request body is not valid json"},
    )  # fmt: skip
    for session in ({}, {"Mcp-Session-Id": "other"}, {"Mcp-Session-Id": "mcp-session-1"}):
        answer = await post(gateway, rpc("tools/list"), session)
        assert (answer.status_code, answer.text) == (400, "Invalid session ID\n")
    answer = await post(gateway, rpc("fly"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32601)
    answer = await post(gateway, rpc("ping", jsonrpc="1.0"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32600)
    answer = await post(gateway, rpc("tools/call", {"name": "fly"}))
    assert answer.json()["error"] == {"code": -32602, "message": "tool 'fly' not found: tool not found"}
    answer = await post(gateway, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status_code, answer.content) == (202, b"")


async def test_tools_are_shown_with_schema_and_annotations(gateway: Gateway) -> None:
    tools = (await post(gateway, rpc("tools/list"))).json()["result"]["tools"]
    assert tools[1] == {
        "name": "echo",
        "description": "Sends back what it gets",
        "inputSchema": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "times": {"type": "integer", "default": 1}},
            "required": ["text"],
        },
        "annotations": {
            "readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True,
        },
    }  # fmt: skip
    assert tools[0]["inputSchema"] == {"type": "object", "properties": {}}


WAITING = """
tools:
  - name: measure
    title: Measure a page
    route: [echo]
    wait: 30s
    annotations: {readOnly: true, destructive: false}
    outputSchema: {type: object, properties: {words: {type: integer}}, required: [words]}
  - {name: brief, route: [echo], wait: 0s, outputSchema: {type: object}}
"""


async def test_a_tool_that_waits_answers_with_its_result_in_the_form_that_it_promises(
    environ: dict[str, str], broker: Transport, tmp_path: Path
) -> None:
    (tmp_path / "tools.yaml").write_text(WAITING)

    async def answer(http: httpx2.AsyncClient, result: object) -> None:
        envelope_id = (await anext(envelopes(broker)))["id"]
        assert (await report(http, envelope_id, "final", status="succeeded", result=result)).status_code == 200

    with Gateway(environ) as gateway:
        async with gateway.client() as http, mcp.Client(f"{gateway.url}/mcp") as client:
            brief, measure = (await client.list_tools()).tools
            assert (measure.title, measure.output_schema) == (
                "Measure a page", {"type": "object", "properties": {"words": {"type": "integer"}}, "required": ["words"]},
            )  # fmt: skip
            assert measure.annotations is not None
            assert (measure.annotations.read_only_hint, measure.annotations.destructive_hint) == (True, False)
            assert brief.output_schema is None  # a call of it is answered with an id
            good, _ = await asyncio.gather(client.call_tool("measure", {}), answer(http, {"words": 7}))
            bad, _ = await asyncio.gather(client.call_tool("measure", {}), answer(http, {"words": "many"}))
            at_once = await client.call_tool("brief", {})
    assert (good.structured_content, good.is_error) == ({"words": 7}, False)
    assert bad.is_error
    assert "the result does not fit the tool's outputSchema: $.words: 'many' is not of type 'integer'" in str(
        bad.content
    )
    assert "Envelope created successfully" in str(at_once.content)


async def test_a_result_that_is_late_is_told_as_an_error_with_its_id(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text(WAITING.replace("30s", "100ms"))
    with Gateway(environ) as gateway:
        async with mcp.Client(f"{gateway.url}/mcp") as client:
            late = await client.call_tool("measure", {})
    assert late.is_error
    assert '"status":"running"' in str(late.content)


async def test_the_list_after_a_call_is_not_counted_against_its_caller(environ: dict[str, str]) -> None:
    limited = {**environ, "ASYA_GATEWAY_RATE": "0.01", "ASYA_GATEWAY_BURST": "2"}
    with Gateway(limited) as gateway:
        calling = rpc("tools/call", {"name": "echo", "arguments": {"text": "hi"}})
        asked = [rpc("ping"), calling, rpc("ping"), rpc("tools/list"), rpc("tools/list"), calling]
        statuses = [(await post(gateway, one)).status_code for one in asked]
    assert statuses == [200, 200, 429, 200, 429, 429]


async def test_a_session_can_be_left(gateway: Gateway) -> None:
    async with gateway.client() as http:
        assert (await http.delete("/mcp")).status_code == 200
