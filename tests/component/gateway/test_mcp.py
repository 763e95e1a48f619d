"""``/mcp``: the SDK's own client, and what clients of Asya 0.1.1 rely on, request by request."""

import json
import re

import httpx2
import mcp
import pytest

from asya_transport.port import Transport
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


async def test_a_session_can_be_left(gateway: Gateway) -> None:
    async with gateway.client() as http:
        assert (await http.delete("/mcp")).status_code == 200
