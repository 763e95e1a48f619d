"""The console's API: lists of envelopes and actors, one envelope's journey, the stream of changes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from asya_gateway.access.middleware import caller, require
from asya_gateway.actors.view import facts_of, list_body
from asya_gateway.feed import COUNT_MOST, count_states
from asya_gateway.records.body import envelope_body, evidence_of
from asya_gateway.records.record import Event, Record, trace_body
from asya_gateway.records.summary import Place, Question, read_cursor, summary_body
from asya_gateway.requests import app_of, json_answer, path_id
from asya_gateway.routes import callbacks as callback_routes
from asya_gateway.routes import dead_letters as dead_letter_routes
from asya_gateway.routes import replays as replay_routes
from asya_gateway.services import App
from asya_gateway.waiting import KEEPALIVE, STREAM_HEADERS
from asya_manifest.explanation import explain
from asya_protocol.status import Status

log: Final = logging.getLogger(__name__)

PAGE: Final = 50
PAGE_MOST: Final = 500
CHILDREN_MOST: Final = 200
SCOPES: Final = ("read", "cancel", "operate")


async def me(request: Request) -> Response:
    """Return the caller's scopes."""
    asking = caller(request)
    return json_answer({"may": {scope: asking.may(scope) for scope in SCOPES}})


async def envelopes(request: Request) -> Response:
    """List envelopes, newest first: ``status`` (several with commas), ``q`` (how their ids begin), ``limit``, ``cursor``.

    With ``top=1`` what fan-outs made is left out, as it is of the counts.
    """
    require(request, "read")
    store = app_of(request).store
    page = await store.page(_question(request))
    return json_answer(
        {
            "envelopes": [summary_body(summary) for summary in page.summaries],
            "next": None if page.following is None else page.following.cursor(),
            "counts": await count_states(store),
            "counted_to": COUNT_MOST,
        }
    )


async def envelope(request: Request) -> Response:
    """Show one envelope: its journey hop by hop, its history, and its children."""
    require(request, "read")
    store = app_of(request).store
    record = await store.get(path_id(request))
    if record is None:
        raise HTTPException(404, "Envelope not found")
    history, ids = await asyncio.gather(store.history(record.id), store.children(record.id))
    children = await store.summaries(ids[:CHILDREN_MOST])
    because = None if record.status.final else await _because(app_of(request), record, history)
    body = envelope_body(record, history, children, len(ids), because)
    return json_answer({**body, **trace_body(record, app_of(request).settings.traces.url)})


async def actors(request: Request) -> Response:
    """List the actors with status, replicas, depths and rates; ``q`` is a part of their names."""
    require(request, "read")
    return json_answer(list_body(await app_of(request).board.look(), request.query_params.get("q", "").strip()))


async def history(request: Request) -> Response:
    """Return the samples of the last hours of ``actor``, or of all actors together."""
    require(request, "read")
    app = app_of(request)
    return json_answer(app.history.body(request.query_params.get("actor", ""), app.settings.sample_every_s))


async def feed(request: Request) -> Response:
    """Stream what changes: ``envelopes``, ``actors``, ``problem``."""
    require(request, "read")
    return StreamingResponse(_frames(app_of(request)), media_type="text/event-stream", headers=STREAM_HEADERS)


async def _because(app: App, record: Record, history: Sequence[Event]) -> str:
    """Say what holds an open envelope."""
    found = await app.board.look()
    actors = None if found.problems else {actor.name: facts_of(actor) for actor in found.actors}
    return explain(evidence_of(record, history, actors, time.time())).because


async def _frames(app: App) -> AsyncIterator[bytes]:
    yield KEEPALIVE  # the answer's head goes out with it, so that a watcher knows that it is heard
    # Closed at once when the client leaves, also in the middle of a frame: else the feed would look on for nobody.
    with app.metrics.streams.labels("feed").track_inprogress():
        async with aclosing(app.feed.watch()) as frames:
            async for frame in frames:
                yield KEEPALIVE if frame is None else b"event: %b\ndata: %b\n\n" % (frame[0].encode(), frame[1])


def _question(request: Request) -> Question:
    query = request.query_params
    try:
        statuses = frozenset(Status(name) for name in query.get("status", "").split(",") if name)
    except ValueError:
        allowed = ", ".join(status.value for status in Status)
        raise HTTPException(400, f"Invalid status (allowed: {allowed}, several with commas)") from None
    limit = query.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 0 < int(limit) <= PAGE_MOST):
        raise HTTPException(400, f"Invalid limit (1 to {PAGE_MOST})")
    return Question(
        int(limit), statuses, query.get("q", "").strip(), _place(query.get("cursor")), top=query.get("top") == "1"
    )


def _place(cursor: str | None) -> Place | None:
    try:
        return read_cursor(cursor) if cursor else None
    except ValueError:
        raise HTTPException(400, "Invalid cursor") from None


ROUTES: Final = [
    Route("/api/v1/me", me, methods=["GET"]),
    Route("/api/v1/envelopes", envelopes, methods=["GET"]),
    Route("/api/v1/envelopes/{id}", envelope, methods=["GET"]),
    Route("/api/v1/envelopes/{id}/replay", replay_routes.replay, methods=["POST"]),
    Route("/api/v1/actors", actors, methods=["GET"]),
    Route("/api/v1/history", history, methods=["GET"]),
    Route("/api/v1/feed", feed, methods=["GET"]),
    Route("/api/v1/dead-letters", dead_letter_routes.show, methods=["GET"]),
    Route("/api/v1/dead-letters/redrive", dead_letter_routes.redrive, methods=["POST"]),
    Route("/api/v1/callbacks", callback_routes.show, methods=["GET"]),
    Route("/api/v1/callbacks/redrive", callback_routes.redrive, methods=["POST"]),
]
