"""Requests to ``/mcp`` of both eras, as clients write them, and the messages of the streams that answer them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.support.gateway_process import SESSION

STREAMS = {"Accept": "application/json, text/event-stream"}


def modern(method: str, capabilities: object = None, call_id: object = 7, **params: Any) -> dict[str, Any]:
    """Write a request of the era without sessions, with the headers that belong to it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities or {},
    }
    params["_meta"] = {**meta, **params.get("_meta", {})}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, **STREAMS}
    if named := params.get("name") or params.get("taskId"):
        headers["Mcp-Name"] = str(named)
    return {"json": {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}, "headers": headers}


def session(method: str, call_id: object = 7, **params: Any) -> dict[str, Any]:
    """Write a request within a session."""
    body = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if call_id is None else {"id": call_id})
    return {"json": body, "headers": {**SESSION, **STREAMS, "MCP-Protocol-Version": "2025-11-25"}}


async def ask(http: httpx2.AsyncClient, request: dict[str, Any]) -> Any:
    answer = (await http.post("/mcp", **request)).json()
    return answer.get("result", answer.get("error"))


@asynccontextmanager
async def listening(http: httpx2.AsyncClient, request: dict[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with http.stream("POST", "/mcp", **request) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def messages() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

        yield messages()
