"""The methods ``tasks/*`` of both dialects, and calls that are answered with a task. ``mcp.tasks`` has the shapes."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import caller
from asya_gateway.access.tokens import Caller
from asya_gateway.calls import Answer
from asya_gateway.mcp import tasks as shapes
from asya_gateway.mcp.streams import result_frames, streamed
from asya_gateway.mcp.wire import INVALID_PARAMS, UNKNOWN_METHOD, Question, RpcError, missing_tasks
from asya_gateway.records.record import Record
from asya_gateway.requests import app_of
from asya_gateway.services import App
from asya_gateway.store.port import Applied
from asya_gateway.waiting import wait_final

PAGE: Final = 50


def core_capability(who: Caller) -> Mapping[str, object]:
    """Return the task capability of 2025-11-25; listing needs an authenticated caller."""
    capability: dict[str, object] = {"cancel": {}, "requests": {"tools": {"call": {}}}}
    return {"list": {}, **capability} if who.name else capability


def reads_streams(request: Request) -> bool:
    """Return whether the client accepts a stream."""
    return "text/event-stream" in request.headers.get("accept", "")


async def created(app: App, question: Question, answer: Answer) -> Mapping[str, object] | None:
    """Answer a call with a task; ``None`` where the client does not support tasks, or nothing was started."""
    wants_core = not question.modern and isinstance(question.params.get("task"), dict)
    if not answer.envelope_id:
        if wants_core and not question.knows_tasks:  # a task was requested, so a result would be invalid
            raise RpcError(INVALID_PARAMS, answer.text)
        return None
    if not question.knows_tasks and not wants_core:
        return None
    record = await app.store.get(answer.envelope_id)
    if record is None:
        raise RpcError(INVALID_PARAMS, "Task not found")
    if question.knows_tasks:
        return {"resultType": "task", **shapes.extension_task(record, app.settings.kept_s)}
    return {"task": shapes.core_task(record, app.settings.kept_s)}


async def dispatch(request: Request, question: Question, server: Mapping[str, str]) -> Mapping[str, object] | Response:
    """Answer a ``tasks/`` method.

    Raises:
        RpcError: It cannot be served.
    """
    if question.knows_tasks:
        return await _extension(request, question)
    if question.modern:
        raise missing_tasks()
    return await _core(request, question, server)


async def _extension(request: Request, question: Question) -> Mapping[str, object]:
    app = app_of(request)
    match question.method:
        case "tasks/get":
            return shapes.detailed_task(await _find(request, question), app.settings.kept_s)
        case "tasks/cancel":
            record = await _find(request, question, "cancel")
            await app.calls.cancel(record.id)
            return {}
        case "tasks/update":  # envelopes never request input, so there is nothing to update
            await _find(request, question)
            return {}
        case method:
            raise RpcError(UNKNOWN_METHOD, f"Method {method} not found")


async def _core(request: Request, question: Question, server: Mapping[str, str]) -> Mapping[str, object] | Response:
    app = app_of(request)
    match question.method:
        case "tasks/get":
            return shapes.core_task(await _find(request, question), app.settings.kept_s)
        case "tasks/result":
            return await _result(request, question, server)
        case "tasks/cancel":
            record = await _find(request, question, "cancel")
            outcome, _ = await app.calls.cancel(record.id)
            if outcome.record is None or outcome.applied is Applied.FINAL_BEFORE:
                raise RpcError(INVALID_PARAMS, "Cannot cancel task: already in terminal status")
            return shapes.core_task(outcome.record, app.settings.kept_s)
        case "tasks/list" if caller(request).name:
            return await _list(request, question)
        case method:
            raise RpcError(UNKNOWN_METHOD, f"Method {method} not found")


async def _result(request: Request, question: Question, server: Mapping[str, str]) -> Mapping[str, object] | Response:
    app, record = app_of(request), await _find(request, question)
    if reads_streams(request) and not record.status.final:
        frames = result_frames(app, record.id, lambda final: question.result(shapes.core_result(final), server))
        return streamed(app, frames)
    while True:
        if record.status.final:
            return shapes.core_result(record)
        if app.pubsub.stopping or (found := await wait_final(app, record.id, app.settings.max_wait_s)) is None:
            raise RpcError(INVALID_PARAMS, "Failed to retrieve task: the gateway stops, ask again")
        record = found


async def _list(request: Request, question: Question) -> Mapping[str, object]:
    app, cursor = app_of(request), question.params.get("cursor")
    try:
        after = None if cursor is None else shapes.read_cursor(str(cursor))
    except ValueError as exc:
        raise RpcError(INVALID_PARAMS, str(exc)) from None
    found = await app.store.owned(caller(request).name, PAGE + 1, after)
    listed: dict[str, object] = {"tasks": [shapes.core_task(record, app.settings.kept_s) for record in found[:PAGE]]}
    return {**listed, "nextCursor": shapes.write_cursor(found[PAGE - 1])} if len(found) > PAGE else listed


async def _find(request: Request, question: Question, scope: str = "read") -> Record:
    task_id = question.params.get("taskId")
    record = await app_of(request).store.get(task_id) if isinstance(task_id, str) else None
    if record is None or not caller(request).sees(record.owner, scope):
        raise RpcError(INVALID_PARAMS, "Failed to retrieve task: Task not found")
    return record
