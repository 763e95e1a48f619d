"""``/mcp``: the Model Context Protocol over streamable HTTP, byte for byte as clients of the original know it.

Sessions hold no state: an id is checked for its shape alone, so any replica answers any request. Answers are plain JSON; the
stream that a client may open carries keep-alives only. Why not the SDK's server: docs/decisions/0016.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from asya_gateway.arguments import input_schema
from asya_gateway.calls import UnknownTool
from asya_gateway.envelope_routes import KEEPALIVE, KEEPALIVE_S, STREAM_HEADERS
from asya_gateway.requests import Rooms, caller, json_answer, read_body, rooms, text_answer
from asya_gateway.tools import Tool
from asya_gateway.wakeups import TOOLS_CHANGED

VERSIONS: Final = ("2025-06-18", "2025-03-26", "2024-11-05")
WITHOUT_VERSION: Final = "2025-03-26"
SESSION: Final = re.compile(r"mcp-session-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
ANNOTATIONS: Final = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}


class _RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


async def post(request: Request) -> Response:
    """Answer one message."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return text_answer("Invalid content type: must be 'application/json'", 400)
    try:
        message = msgspec.json.decode(await read_body(request))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return json_answer(_error(None, PARSE_ERROR, "request body is not valid json"), 400)
    if not isinstance(message, dict):
        return json_answer(_error(None, INVALID_REQUEST, "a request is one JSON object"), 400)
    method = message.get("method")
    if method != "initialize" and not SESSION.fullmatch(request.headers.get("mcp-session-id", "")):
        return text_answer("Invalid session ID", 400)
    call_id = message.get("id")
    if call_id is None or method is None:  # a notification, or an answer to a question that we never ask
        return Response(status_code=202)
    if message.get("jsonrpc") != "2.0":
        return json_answer(_error(call_id, INVALID_REQUEST, "Invalid JSON-RPC version"))
    params = message.get("params")
    try:
        result = await _dispatch(request, str(method), params if isinstance(params, dict) else {})
    except _RpcError as exc:
        return json_answer(_error(call_id, exc.code, str(exc)))
    headers = {"Mcp-Session-Id": f"mcp-session-{uuid.uuid4()}"} if method == "initialize" else None
    return json_answer({"jsonrpc": "2.0", "id": call_id, "result": result}, headers=headers)


async def listen(request: Request) -> Response:
    """Open a stream that tells when the tools change."""
    return StreamingResponse(_notices(rooms(request)), media_type="text/event-stream", headers=STREAM_HEADERS)


async def leave(_request: Request) -> Response:
    """End a session; there is nothing to end."""
    return Response(status_code=200)


async def _dispatch(request: Request, method: str, params: Mapping[str, Any]) -> object:
    match method:
        case "initialize":
            return _initialize(params)
        case "ping":
            return {}
        case "tools/list":
            tools = rooms(request).calls.tools
            return {"tools": [_shown(tools[name]) for name in sorted(tools) if caller(request).may(f"call:{name}")]}
        case "tools/call":
            return await _call(request, params)
        case _:
            raise _RpcError(UNKNOWN_METHOD, f"Method {method} not found")


def _initialize(params: Mapping[str, Any]) -> object:
    wanted = params.get("protocolVersion")
    agreed = wanted if wanted in VERSIONS else VERSIONS[0] if wanted else WITHOUT_VERSION
    return {
        "protocolVersion": agreed,
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "asya-gateway", "version": version("asya-gateway")},
    }


def _shown(tool: Tool) -> dict[str, object]:
    shown: dict[str, object] = {"name": tool.name, "inputSchema": input_schema(tool), "annotations": ANNOTATIONS}
    return {**shown, "description": tool.description} if tool.description else shown


async def _call(request: Request, params: Mapping[str, Any]) -> object:
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        raise _RpcError(INVALID_PARAMS, "a call needs a name, and its arguments as an object")
    unknown = _RpcError(INVALID_PARAMS, f"tool '{name}' not found: tool not found")
    if not caller(request).may(f"call:{name}"):  # whoever may not call it is told what the list tells them
        raise unknown
    try:
        return (await rooms(request).calls.call(name, arguments)).body()
    except UnknownTool:
        raise unknown from None


async def _notices(here: Rooms) -> AsyncIterator[bytes]:
    toolbox = here.calls.toolbox
    told = toolbox.revision
    with here.wakeups.listening(TOOLS_CHANGED) as woken, here.metrics.streams.labels("mcp").track_inprogress():
        yield KEEPALIVE
        while not here.wakeups.stopping:
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    await woken.wait()
            except TimeoutError:
                yield KEEPALIVE
                continue
            woken.clear()
            if toolbox.revision != told:
                told = toolbox.revision
                yield sse({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


def sse(message: object) -> bytes:
    """Frame one message of a stream."""
    return b"event: message\ndata: %b\n\n" % msgspec.json.encode(message)


def _error(call_id: object, code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}
