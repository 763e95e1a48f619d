"""Envelopes for callers: state, events, cancellation."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from asya_gateway.access.middleware import caller, require
from asya_gateway.following import follow_all
from asya_gateway.records.pieces import Place
from asya_gateway.records.record import Event, Record, event_body, record_body
from asya_gateway.requests import app_of, json_answer, path_id
from asya_gateway.routes.pieces import piece_frame, read_place, write_place
from asya_gateway.services import App
from asya_gateway.store.port import Applied
from asya_gateway.waiting import KEEPALIVE, STREAM_HEADERS, InvalidWait, follow, read_wait, wait_final
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)


async def show(request: Request) -> Response:
    """Show an envelope, with the ids of the children that its fan-outs made; with ``?wait=SECONDS`` once it is final."""
    try:
        wait_s = read_wait(request.query_params.get("wait"), app_of(request).settings.max_wait_s)
    except InvalidWait as exc:
        raise HTTPException(400, str(exc)) from None
    record = await _found(request)
    if wait_s and not record.status.final:
        record = await wait_final(app_of(request), record.id, wait_s) or record
    children = await app_of(request).store.children(record.id)
    return json_answer(record_body(record, children, app_of(request).settings.traces.url))


async def active(request: Request) -> Response:
    """Return whether an envelope still has to be worked on: it is not final, and its deadline has not passed."""
    who, record = caller(request), await app_of(request).store.get(path_id(request))
    if not who.may("report") and (record is None or not who.sees(record.owner)):  # sidecars ask too
        require(request, "read")
    waiting = (
        record is not None
        and not record.status.final
        and (record.deadline is None or record.deadline > datetime.now(UTC))
    )
    return json_answer({"active": waiting}, 200 if waiting else 410)


async def cancel(request: Request) -> Response:
    """Cancel an envelope; ``actors_told`` says whether a running handler is interrupted too."""
    await _found(request, "cancel")
    outcome, told = await app_of(request).calls.cancel(path_id(request))
    if outcome.record is None:
        raise HTTPException(404, "Envelope not found")
    if outcome.applied is Applied.FINAL_BEFORE:
        raise HTTPException(409, f"Envelope has already {outcome.record.status.value}")
    return json_answer({"status": "cancelled", "actors_told": told})


async def stream(request: Request) -> Response:
    """Stream the events after ``Last-Event-ID`` up to the final one, as they happen; with ``?pieces=true`` also pieces."""
    record = await _found(request)
    last, _, place = request.headers.get("last-event-id", "").partition("-")
    after = int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else 0  # the database's int is 32 bits
    app = app_of(request)
    with_pieces = request.query_params.get("pieces") == "true"
    frames = _all_frames(app, record.id, after, read_place(place)) if with_pieces else _frames(app, record.id, after)
    return StreamingResponse(frames, media_type="text/event-stream", headers=STREAM_HEADERS)


async def _all_frames(app: App, envelope_id: str, after: int, place: Place | None) -> AsyncIterator[bytes]:
    """Ids are ``EVENT`` or ``EVENT-PLACE``: the number of the last event, and the place in the stream."""
    try:
        with app.metrics.streams.labels("events").track_inprogress():
            async for number, told in follow_all(app, envelope_id, after, place):
                if told is None:
                    yield KEEPALIVE
                elif isinstance(told, Event):
                    known = f"{number}-{write_place(place)}" if place else str(number)
                    yield b"id: %b\nevent: update\ndata: %b\n\n" % (
                        known.encode(),
                        msgspec.json.encode(event_body(told)),
                    )
                else:
                    place = told[-1].place
                    yield b"".join(piece_frame(one, before=f"{number}-") for one in told)
    except StoreUnavailable as exc:
        log.warning("stream cut", extra={"envelope_id": envelope_id, "error": str(exc)})


async def _frames(app: App, envelope_id: str, after: int) -> AsyncIterator[bytes]:
    try:
        with app.metrics.streams.labels("events").track_inprogress():
            async for event in follow(app, envelope_id, after):
                if event is None:
                    yield KEEPALIVE
                else:
                    yield b"id: %d\nevent: update\ndata: %b\n\n" % (event.seq, msgspec.json.encode(event_body(event)))
    except StoreUnavailable as exc:
        # The client reconnects with its Last-Event-ID and misses nothing.
        log.warning("stream cut", extra={"envelope_id": envelope_id, "error": str(exc)})


async def _found(request: Request, scope: str = "read") -> Record:
    """Read an envelope that the caller owns or has the scope for."""
    record = await app_of(request).store.get(path_id(request))
    if record is None or not caller(request).sees(record.owner, scope):
        require(request, scope)
        raise HTTPException(404, "Envelope not found")
    return record
