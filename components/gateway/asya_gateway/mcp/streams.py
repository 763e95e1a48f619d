"""Answers of ``/mcp`` that stay open: a call's progress, a task's result, notifications of changes."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from asya_gateway.calls import Answer
from asya_gateway.following import follow_all
from asya_gateway.mcp.tasks import detailed_task
from asya_gateway.mcp.wire import (
    ANEW_KEY,
    ENVELOPE_KEY,
    FACTS_KEY,
    LOST_KEY,
    PIECES_KEY,
    SUBSCRIPTION_KEY,
    Question,
    finish,
)
from asya_gateway.pubsub import TOOLS_CHANGED
from asya_gateway.records.pieces import Anew, Piece, Told
from asya_gateway.records.record import Event, Record, facts_body
from asya_gateway.services import App
from asya_gateway.waiting import KEEPALIVE, KEEPALIVE_S, STREAM_HEADERS, follow, wait_final
from asya_protocol.errors import StoreUnavailable

log = logging.getLogger(__name__)
_THE_END = "!end"
"""A topic that is woken only when the gateway stops, for streams that subscribe to nothing else."""
Shape = Callable[[Mapping[str, object]], Mapping[str, object]]
SILENCE_S: Final = 5.0
"""After so long without an event a call is told to progress: clients give up, and cancel it, when they hear nothing of it."""
LARGEST_EVENT: Final = 1 << 20
"""Bytes of an event that every client reads; at a larger one the official Python SDK breaks off the stream, and so the call."""


def streamed(app: App, frames: AsyncIterator[bytes], held: ExitStack | None = None) -> Response:
    """Answer with a stream; ``held`` is closed at its end, even if no frame was sent."""
    return _Streamed(_counted(app, frames), held or ExitStack())


class _Streamed(StreamingResponse):
    def __init__(self, frames: AsyncIterator[bytes], held: ExitStack) -> None:
        super().__init__(frames, media_type="text/event-stream", headers=STREAM_HEADERS)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


def sse(message: object) -> bytes:
    """Encode one message as a server-sent event."""
    return b"event: message\ndata: %b\n\n" % msgspec.json.encode(message)


def record_event(record: Record, shape: Callable[[Record], object]) -> bytes:
    """Encode an envelope's state. In place of a result that is too large for an event it says where the result is."""
    event = sse(shape(record))
    if len(event) <= LARGEST_EVENT or record.result is None:
        return event
    words = f"a result of {len(record.result)} bytes, too large for this stream: get it at /envelopes/{record.id}"
    return sse(shape(replace(record, result=msgspec.json.encode(words))))


def cancel_topic(name: str, session: str, call_id: object) -> str:
    """Return the cancel topic of one call. It hashes caller, session and call id, so that no other caller can guess it."""
    key = msgspec.json.encode([name, session, call_id])
    return f"!cancel:{hashlib.sha256(key).hexdigest()}"


async def call_frames(
    app: App, question: Question, answer: Answer, given_up: asyncio.Event, shape: Shape
) -> AsyncIterator[bytes]:
    """Yield a call's progress, then its result.

    The envelope is cancelled when its caller cancels the call, and without sessions also when the caller disconnects: at once,
    or after a grace where the call has a key, by which its caller may repeat it.
    """
    token, told, done, message = question.meta.get("progressToken"), -1.0, False, ""
    giving_up = asyncio.create_task(_cancel_when_told(app, answer.envelope_id, given_up))
    try:
        async for _, event in follow_all(app, answer.envelope_id, silence_s=SILENCE_S):
            facts: Mapping[str, object] = {}
            if event is not None and not isinstance(event, Event):
                for one in event:
                    told = _more(told)
                    about = {ENVELOPE_KEY: answer.envelope_id, **_about(one)}
                    part = {"progressToken": token, "progress": told, "total": 100, "message": _text(one)}
                    yield sse(
                        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {**part, "_meta": about}}
                    )
                continue
            if event is None:
                told = _more(told)
            elif event.progress_percent is not None and event.progress_percent > told:
                words = event.message or ""
                # The first one tells the id, also to clients that show words alone: what comes later may not reach them.
                message = words if told >= 0 else f"envelope {answer.envelope_id}" + (f": {words}" if words else "")
                told = event.progress_percent
                facts = {name: value for name, value in facts_body(event.told).items() if value is not None}
            else:
                continue
            params = {"progressToken": token, "progress": told, "total": 100}
            params = {**params, "message": message} if message else params
            meta = {ENVELOPE_KEY: answer.envelope_id, **({FACTS_KEY: facts} if facts else {})}
            params = {**params, "_meta": meta}
            yield sse({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        record = await app.store.get(answer.envelope_id)
        done = giving_up.done() or app.pubsub.stopping
        if record is not None and not done:
            done = True
            yield record_event(record, lambda final: shape(_last_body(answer, final, whole=final is record)))
    except StoreUnavailable as exc:
        done = True  # the envelope may still succeed; its id is in the list of tasks
        log.warning("stream cut", extra={"envelope_id": answer.envelope_id, "error": str(exc)})
    finally:
        giving_up.cancel()
        if question.modern and not done:
            app.calls.cancel_unless_repeated(answer, app.settings.grace_s)


def _more(told: float) -> float:
    """A little more: in MCP each progress is more than the last."""
    return max(told, 0) + (100 - max(told, 0)) / 100_000


def _about(told: Told) -> dict[str, object]:
    match told:
        case Piece():
            return {PIECES_KEY: [told.body]}
        case Anew():
            return {ANEW_KEY: told.actor}
        case _:
            return {LOST_KEY: told.lost}


def _text(told: Told) -> str:
    """What a client shows of a piece: its text, where it has one."""
    if isinstance(told, Anew):
        return f"{told.actor} begins anew"
    if not isinstance(told, Piece):
        return f"{told.lost} pieces were lost"
    piece = msgspec.json.decode(told.body)
    text = piece.get("text") if isinstance(piece, dict) else piece
    return text if isinstance(text, str) else bytes(told.body).decode()


def _last_body(answer: Answer, record: Record, *, whole: bool) -> dict[str, object]:
    """Shape a call's result; one that is told by its place alone has not the form that its tool promises."""
    if whole or answer.promised is None:
        return answer.ended(record).body()
    return {**replace(answer, promised=None).ended(record).body(), "isError": True}


async def wait_or_give_up(app: App, envelope_id: str, wait_s: float, given_up: asyncio.Event) -> Record | None:
    """Wait for an envelope's end like ``wait_final``; cancel the envelope when its caller cancels the call."""
    giving_up = asyncio.create_task(_cancel_when_told(app, envelope_id, given_up))
    try:
        if given_up.is_set():
            await giving_up
        return await wait_final(app, envelope_id, wait_s) if wait_s else None
    finally:
        giving_up.cancel()


async def result_frames(app: App, envelope_id: str, result: Callable[[Record], object]) -> AsyncIterator[bytes]:
    """Yield keepalives until an envelope has ended, then its result."""
    yield KEEPALIVE
    async for event in follow(app, envelope_id):
        if event is None:
            yield KEEPALIVE
    record = await app.store.get(envelope_id)
    if record is not None and record.status.final:
        yield record_event(record, result)


async def tool_frames(app: App) -> AsyncIterator[bytes]:
    """Yield a notification for each change of the tools, for clients with a session."""
    toolbox = app.calls.toolbox
    told = toolbox.revision
    with app.pubsub.listening(TOOLS_CHANGED) as woken:
        yield KEEPALIVE
        while not app.pubsub.stopping:
            if not await _woken(woken):
                yield KEEPALIVE
            elif toolbox.revision != told:
                told = toolbox.revision
                yield sse({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


async def listen_frames(
    app: App, question: Question, tools: bool, tasks: Sequence[str], server: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """Yield the notifications that a client without a session subscribed to: changes of tools and of tasks."""
    meta = {SUBSCRIPTION_KEY: question.call_id}

    def notice(method: str, **params: object) -> Mapping[str, object]:
        return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": {"_meta": meta, **params}}

    honoured: dict[str, object] = {"toolsListChanged": True} if tools else {}
    honoured = {**honoured, "taskIds": list(tasks)} if tasks else honoured
    toolbox, open_tasks = app.calls.toolbox, dict.fromkeys(tasks, 0)
    told = toolbox.revision
    with app.pubsub.listening(*([TOOLS_CHANGED] if tools else []), *tasks, _THE_END) as woken:
        yield sse(notice("subscriptions/acknowledged", notifications=honoured))
        while not app.pubsub.stopping:
            woken.clear()
            if tools and toolbox.revision != told:
                told = toolbox.revision
                yield sse(notice("tools/list_changed"))
            for envelope_id, seen in list(open_tasks.items()):
                record = await app.store.get(envelope_id)
                if record is not None and record.events != seen:
                    open_tasks[envelope_id] = record.events
                    yield record_event(record, lambda one: notice("tasks", **detailed_task(one, app.settings.kept_s)))
                if record is None or record.status.final:
                    del open_tasks[envelope_id]
            if not await _woken(woken):
                yield KEEPALIVE
    yield sse({"jsonrpc": "2.0", "id": question.call_id, "result": finish({"_meta": meta}, server)})


async def _woken(event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


async def _cancel_when_told(app: App, envelope_id: str, given_up: asyncio.Event) -> None:
    await given_up.wait()
    if not app.pubsub.stopping:
        app.calls.cancel_soon(envelope_id)


async def _counted(app: App, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with app.metrics.streams.labels("mcp").track_inprogress():
        async for frame in frames:
            yield frame
