"""``/mcp``: the Model Context Protocol over streamable HTTP, byte for byte as clients of Asya 0.1.1 know it.

Sessions have no state: only the form of an id is checked, so any replica answers any request. Answers are plain JSON, except
where a client accepts a stream and asked for progress. Why not the SDK's server: docs/decisions/0016.
"""

import asyncio
import re
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import beyond_rate, caller, expect_list, require_some_call
from asya_gateway.access.tokens import Caller
from asya_gateway.calls import Answer, KeyReused, UnknownTool
from asya_gateway.mcp import task_methods as mcp_task_methods
from asya_gateway.mcp.message import UNREADABLE, read_message
from asya_gateway.mcp.streams import (
    call_frames,
    cancel_topic,
    listen_frames,
    streamed,
    tool_frames,
    wait_or_give_up,
)
from asya_gateway.mcp.wire import (
    CALL_KEY,
    CALLBACK_KEY,
    ENVELOPE_VERSION,
    FALLBACK_VERSION,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    PARSE_ERROR,
    STATUS,
    TASKS,
    UNKNOWN_METHOD,
    WAIT_KEY,
    WITHOUT_VERSION,
    Question,
    RpcError,
    check,
    is_modern,
    missing_tasks,
)  # fmt: skip
from asya_gateway.records.call_key import CallKey, InvalidKey, call_key, read_key
from asya_gateway.requests import app_of, is_object_or_null, json_answer, read_body, release_body, text_answer
from asya_gateway.services import App
from asya_gateway.tools.arguments import input_schema
from asya_gateway.tracing import read_carrier
from asya_gateway.waiting import InvalidWait, read_wait
from asya_manifest.callback import Callback, read_callback
from asya_manifest.tools import Tool

SESSION: Final = re.compile(r"mcp-session-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ANNOTATIONS: Final = {"readOnly": False, "destructive": True, "idempotent": False, "openWorld": True}
"""Of a tool that says nothing of itself."""
TOOLS_READ_ONCE_S: Final = 60.0
"""How long a list of tools is fresh where their files are read once: a restart may change them."""
SERVER: Final = {"name": "asya-gateway", "version": version("asya-gateway")}
MOST_TASKS: Final = 100
"""Tasks that one subscription may follow."""


async def post(request: Request) -> Response:
    """Answer one message."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return text_answer("Invalid content type: must be 'application/json'", 400)
    require_some_call(request)
    try:
        message = read_message(await read_body(request, app_of(request).settings.max_call_bytes))
    except RpcError as exc:
        return json_answer(exc.body(None), 400)
    method, call_id, params = message.get("method"), message.get("id"), message.get("params")
    if (refused := beyond_rate(request, method == "tools/list")) is not None:
        return refused
    if method == "tools/call":
        expect_list(request)
    modern = is_modern(message, request.headers)
    session = "" if modern else request.headers.get("mcp-session-id", "")
    if not modern and method != "initialize" and not SESSION.fullmatch(session):
        return text_answer("Invalid session ID", 400)
    if call_id is None or method is None:  # a notification, or a response to a request that we never make
        return await _hear(request, method, params, session)
    spoken = request.headers.get("mcp-protocol-version", "")
    question = Question(call_id, str(method), params if isinstance(params, dict) else {}, modern, session, spoken)
    try:
        check(message, request.headers, modern)
        answer = await _dispatch(request, question)
    except UNREADABLE:  # of the arguments, which are read last
        return json_answer(RpcError(PARSE_ERROR, "request body is not valid json").body(None), 400)
    except RpcError as exc:
        return json_answer(exc.body(call_id), STATUS.get(exc.code, 200) if modern else 200)
    if isinstance(answer, Response):
        return answer
    headers = {"Mcp-Session-Id": f"mcp-session-{uuid.uuid4()}"} if method == "initialize" else None
    return json_answer(question.result(answer, SERVER), headers=headers)


async def listen(request: Request) -> Response:
    """Open a stream that tells when the tools change."""
    return streamed(app_of(request), tool_frames(app_of(request)))


async def leave(_request: Request) -> Response:
    """End a session; there is nothing to end."""
    return Response(status_code=200)


async def _hear(request: Request, method: object, params: object, session: str) -> Response:
    if method == "notifications/cancelled" and session and isinstance(params, dict):
        topic = cancel_topic(caller(request).name, session, params.get("requestId"))
        await app_of(request).store.announce(topic)
    return Response(status_code=202)


async def _dispatch(request: Request, question: Question) -> Mapping[str, object] | Response:
    method = question.method
    if method.startswith("tasks/"):
        return await mcp_task_methods.dispatch(request, question, SERVER)
    match method, question.modern:
        case "initialize", False:
            return _initialize(request, question.params)
        case "ping", False:
            return {}
        case "server/discover", True:
            fresh = _fresh(app_of(request))
            return {"supportedVersions": [ENVELOPE_VERSION], **fresh, "capabilities": _MODERN_CAPABILITIES}
        case "subscriptions/listen", True:
            return await _subscribe(request, question)
        case "tools/list", _:
            listed = {"tools": _list(request, question)}
            return {**listed, **_fresh(app_of(request))} if question.modern else listed
        case "tools/call", _:
            return await _call(request, question)
        case _:
            raise RpcError(UNKNOWN_METHOD, f"Method {method} not found")


_MODERN_CAPABILITIES: Final = {"tools": {"listChanged": True}, "extensions": {TASKS: {}}}


def _fresh(app: App) -> Mapping[str, object]:
    """How long a list of tools may be kept: as long as their files are not looked at."""
    return {"ttlMs": int(1000 * (app.settings.reload_s or TOOLS_READ_ONCE_S)), "cacheScope": "private"}


def _initialize(request: Request, params: Mapping[str, Any]) -> Mapping[str, object]:
    wanted = params.get("protocolVersion")
    agreed = wanted if wanted in HANDSHAKE_VERSIONS else FALLBACK_VERSION if wanted else WITHOUT_VERSION
    capabilities: dict[str, object] = {"tools": {"listChanged": True}}
    if agreed == HANDSHAKE_VERSIONS[0]:
        capabilities["tasks"] = mcp_task_methods.core_capability(caller(request))
    return {"protocolVersion": agreed, "capabilities": capabilities, "serverInfo": SERVER}


def _list(request: Request, question: Question) -> list[dict[str, object]]:
    tools, wait_s = app_of(request).calls.tools, app_of(request).settings.wait_s
    shown = [_shown(tools[name], wait_s) for name in sorted(tools) if caller(request).may(f"call:{name}")]
    if question.version == HANDSHAKE_VERSIONS[0]:
        return [{**tool, "execution": {"taskSupport": "optional"}} for tool in shown]
    return shown


def _shown(tool: Tool, wait_s: float) -> dict[str, object]:
    said = {f"{key}Hint": value for key, value in {**ANNOTATIONS, **tool.annotations}.items()}
    shown: dict[str, object] = {"name": tool.name, "inputSchema": input_schema(tool), "annotations": said}
    shown |= {"title": tool.title} if tool.title else {}
    shown |= {"outputSchema": tool.output_schema} if _promises(tool, wait_s) else {}
    return {**shown, "description": tool.description} if tool.description else shown


def _promises(tool: Tool, wait_s: float) -> bool:
    """Return whether clients are told the form of results: only where a plain call waits for one."""
    return tool.output_schema is not None and (wait_s if tool.wait_s is None else tool.wait_s) > 0


async def _call(request: Request, question: Question) -> Mapping[str, object] | Response:
    params, app, who = question.params, app_of(request), caller(request)
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or (arguments is not None and not is_object_or_null(arguments)):
        raise RpcError(INVALID_PARAMS, "a call needs a name, and its arguments as an object")
    near = app.calls.near(name, who.may)
    unknown = RpcError(INVALID_PARAMS, f"tool '{name}' not found: tool not found{near}")
    if not who.may(f"call:{name}"):  # as in the list, which leaves it out for this caller
        raise unknown
    topic = cancel_topic(who.name, question.session, question.call_id)
    with ExitStack() as listening:  # from now on, for the client may cancel while the envelope is being sent
        given_up = listening.enter_context(app.pubsub.listening(topic))
        try:
            tool, default_s = app.calls.tools.get(name), app.settings.wait_s
            usual_s = default_s if tool is None or tool.wait_s is None else tool.wait_s
            wait_s = read_wait(question.meta.get(WAIT_KEY, usual_s), app.settings.max_wait_s)
            carrier = read_carrier(question.meta) or read_carrier(request.headers)
            key = _key(question, who.name, name)
            callback = _callback(question, who)
            answer = await app.calls.call(name, arguments, who.name, key, carrier=carrier, callback=callback)
            release_body(request)
        except InvalidWait as exc:
            raise RpcError(INVALID_PARAMS, f"_meta {WAIT_KEY}: {exc}") from None
        except (InvalidKey, KeyReused) as exc:
            raise RpcError(INVALID_PARAMS, f"_meta {CALL_KEY}: {exc}") from None
        except UnknownTool:
            raise unknown from None
        if tool is not None and answer.envelope_id and _promises(tool, default_s):
            answer = replace(answer, promised=tool)
        return await _answer(request, question, answer, wait_s=wait_s, given_up=given_up, listening=listening)


def _callback(question: Question, who: Caller) -> Callback | None:
    """Read where the end of a call is told; the caller needs a scope for its secret, which signs what others believe."""
    if (given := question.meta.get(CALLBACK_KEY)) is None:
        return None
    try:
        callback = read_callback(given)
    except ValueError as exc:
        raise RpcError(INVALID_PARAMS, f"_meta {CALLBACK_KEY}: {exc}") from None
    if not who.may(scope := f"callback:{callback.secret_ref}"):
        raise RpcError(INVALID_PARAMS, f"_meta {CALLBACK_KEY}: token lacks the scope {scope}")
    return callback


def _key(question: Question, owner: str, name: str) -> CallKey | None:
    """Name a call: by the key of its ``_meta``, else by its id, which the protocol lets a session use once."""
    if (given := question.meta.get(CALL_KEY)) is not None:
        return call_key(owner, read_key(given), name, None)
    if question.session:
        return call_key(owner, [question.session, question.call_id], name, None, strict=False)
    return None


async def _answer(
    request: Request,
    question: Question,
    answer: Answer,
    *,
    wait_s: float,
    given_up: asyncio.Event,
    listening: ExitStack,
) -> Mapping[str, object] | Response:
    """Answer a call as a task, a stream or a result, whichever its client supports."""
    app = app_of(request)
    if (task := await mcp_task_methods.created(app, question, answer)) is not None:
        return task
    if not answer.envelope_id:
        return answer.body()
    if question.meta.get("progressToken") is not None and mcp_task_methods.reads_streams(request):
        frames = call_frames(app, question, answer, given_up, lambda body: question.result(body, SERVER))
        return streamed(app, frames, listening.pop_all())
    record = await wait_or_give_up(app, answer.envelope_id, wait_s, given_up)
    if record is None and answer.promised is not None:
        record = await app.store.get(answer.envelope_id)
    if record is not None:
        answer = answer.ended(record)
    return answer.body()


async def _subscribe(request: Request, question: Question) -> Response:
    wanted = question.params.get("notifications")
    if not isinstance(wanted, dict):
        raise RpcError(INVALID_PARAMS, "params.notifications must be an object")
    ids = wanted.get("taskIds") or []
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids) or len(ids) > MOST_TASKS:
        raise RpcError(INVALID_PARAMS, f"notifications.taskIds must be a list of at most {MOST_TASKS} ids")
    if ids and not question.knows_tasks:
        raise missing_tasks()
    app, who = app_of(request), caller(request)
    visible = [one for one in dict.fromkeys(ids) if (found := await app.store.get(one)) and who.sees(found.owner)]
    tools = wanted.get("toolsListChanged") is True
    return streamed(app, listen_frames(app, question, tools, visible, SERVER))
