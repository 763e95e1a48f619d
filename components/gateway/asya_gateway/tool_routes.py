"""``POST /tools/call``: a tool call without MCP."""

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.calls import UnknownTool
from asya_gateway.requests import json_answer, read_json, require, rooms


class ToolCall(msgspec.Struct):
    """Body of a call."""

    name: str | None = None
    arguments: dict[str, Any] | None = None


async def call_tool(request: Request) -> Response:
    """Start a tool and answer with MCP's CallToolResult."""
    body = await read_json(request, ToolCall)
    if not body.name:
        raise HTTPException(400, "Tool name is required")
    require(request, f"call:{body.name}")
    try:
        answer = await rooms(request).calls.call(body.name, body.arguments)
    except UnknownTool:
        raise HTTPException(404, f'Tool "{body.name}" not found') from None
    return json_answer(answer.body())
