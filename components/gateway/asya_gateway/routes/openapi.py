"""``/openapi.json``: the description of the routes. Schemas of bodies are generated from the types that decode them.

A test compares it with the routes of the application, and schemathesis tests a real gateway with it.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.reports import LONGEST_ID
from asya_gateway.requests import json_answer
from asya_gateway.routes.oauth_resource import PATHS as RESOURCE
from asya_gateway.routes.reports import MOST
from asya_gateway.routes.tools import KEY_HEADER, ToolCall
from asya_protocol.pieces import PiecesBody
from asya_protocol.reports import BatchAnswer, BatchBody, ChildBody, FinalBody, ProgressBody
from asya_protocol.status import Status

Shape = dict[str, Any]
TEXT: Final[Shape] = {"text/plain": {"schema": {"type": "string"}}}
BAD: Final = "The request is not as described here"
AWAY: Final = "The database is away; try again"


def _json(schema: Shape) -> Shape:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: tuple[str, ...], **properties: Shape) -> Shape:
    return {"type": "object", "required": list(required), "properties": properties}


def _answers(good: "Good", *errors: int) -> Shape:
    words = {
        400: BAD, 401: "No token, or none that is known", 403: "The token lacks the scope, or the page may not call",
        404: "There is none", 405: "Method not allowed", 408: "The body did not come in time", 409: "It is too late, or taken",
        413: "The body is too large",
        422: "The key was given with other arguments before", 429: "Too many requests of this caller", 503: AWAY,
    }  # fmt: skip
    every = (401, 403, 429, 503, *errors)
    return {
        **{str(code): {"description": text, "content": content} for code, (text, content) in good.items()},
        **{str(code): {"description": words[code], "content": TEXT} for code in sorted(every)},
    }


STRING: Final[Shape] = {"type": "string"}
INTEGER: Final[Shape] = {"type": "integer"}
NUMBER: Final[Shape] = {"type": "number"}
TIME: Final[Shape] = {"type": "string", "format": "date-time"}
ACTORS: Final[Shape] = {"type": "array", "items": STRING}
STATUSES: Final[Shape] = {"type": "string", "enum": [status.value for status in Status]}
ID: Final[Shape] = {
    "name": "id", "in": "path", "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": "^[^/]+$"},
}  # fmt: skip
WAIT: Final[Shape] = {
    "name": "wait", "in": "query", "schema": {"type": "number", "minimum": 0},
    "description": "Seconds for which the answer may be held back until the envelope is final",
}  # fmt: skip
CALL_KEY: Final[Shape] = {
    "name": KEY_HEADER, "in": "header", "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "What repetitions of the call have in common: they start nothing, and are answered with its envelope",
}  # fmt: skip
LAST_EVENT: Final[Shape] = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "maxLength": 200}}
WITH_PIECES: Final[Shape] = {
    "name": "pieces", "in": "query", "schema": {"type": "boolean"}, "description": "Whether pieces of streams are told too",
}  # fmt: skip
REST: Final[Shape] = {
    "name": "rest", "in": "query", "schema": {"type": "boolean"},
    "description": "Whether the stream of an envelope that is not known here ends with what is on its way by now",
}  # fmt: skip

SCHEMAS: Final[Shape] = {
    "CallToolResult": _object(
        ("content",),
        content={"type": "array", "items": _object(("type", "text"), type={"const": "text"}, text=STRING)},
        isError={"type": "boolean"},
    ),
    "Envelope": _object(
        ("id", "status", "route", "payload", "result", "progress_percent", "current_actor_idx", "actors_completed",
         "total_actors", "created_at", "updated_at"),
        id=STRING, parent_id=STRING, status=STATUSES, payload={}, result={}, error=STRING, message=STRING,
        route=_object(("actors", "current"), actors=ACTORS, current=INTEGER, metadata={}), headers={},
        timeout_seconds=INTEGER, deadline=TIME, progress_percent={**NUMBER, "minimum": 0, "maximum": 100},
        current_actor_idx=INTEGER, current_actor_name=STRING, actors_completed=INTEGER, total_actors=INTEGER,
        children={"type": "array", "items": STRING}, created_at=TIME, updated_at=TIME,
        trace_id=STRING, trace_url=STRING,
    ),
    "Event": _object(
        ("id", "status", "timestamp"),
        id=STRING, status=STATUSES, message=STRING, result={}, error=STRING, progress_percent=NUMBER, actor=STRING,
        actors=ACTORS, current_actor_idx=INTEGER, timestamp=TIME,
        envelope_state={"type": "string", "enum": ["received", "processing", "completed"]},
        by=STRING, duration_ms=NUMBER, retry=_ref("Retry"),
        ended={"type": "string", "enum": ["joined", "early"]},
    ),
}  # fmt: skip
OK: Final = _object(("status",), status={"const": "ok"})
REQUIRED: Final[Mapping[str, Shape]] = {
    "ToolCall": {"name": {**STRING, "minLength": 1}},
    "ChildBody": {"id": ID["schema"]},
    "BatchBody": {
        "reports": {"type": "array", "maxItems": MOST, "items": {"$ref": "#/components/schemas/BatchEntry"}},
    },
    "FinalBody": {"status": {"type": "string", "enum": [Status.SUCCEEDED.value, Status.FAILED.value]}},
}
BODIES: Final = (ToolCall, ChildBody, ProgressBody, FinalBody, BatchBody, BatchAnswer, PiecesBody)


Good = Mapping[int, tuple[str, Shape]]
"""Successful answers: description and content by status."""


def _operation(summary: str, good: Good, *errors: int, body: str = "", parameters: tuple[Shape, ...] = ()) -> Shape:
    operation: Shape = {"summary": summary, "responses": _answers(good, *errors)}
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        operation["requestBody"] = {"required": True, "content": _json(_ref(body))}
    return operation


def _open(summary: str, answers: Shape) -> Shape:
    """An operation that needs no token."""
    return {"summary": summary, "security": [], "responses": answers}


def _answer(text: str, content: Shape) -> Shape:
    return {"description": text, "content": content}


_STREAM: Final[Shape] = {"text/event-stream": {}}
_ANY: Final[Shape] = _json({"type": "object"})
_TAKEN: Final = "Taken, or too late and of no effect"
_ACTIVE: Final = _json(_object(("active",), active={"type": "boolean"}))
_CANCELLED: Final = _object(("status", "actors_told"), status={"const": "cancelled"}, actors_told={"type": "boolean"})
_CREATED: Final = _object(("id", "status"), id=STRING, status={"const": "created"})
_PROGRESS: Final = _object(("progress_percent", "status"), progress_percent=NUMBER, status={"const": "ok"})
_RPC: Final[Shape] = {
    "200": _answer("An answer of JSON-RPC 2.0, or a stream", {**_ANY, **_STREAM}),
    "202": {"description": "A notification was heard"},
    "400": _answer(BAD, {**TEXT, **_ANY}),
    "404": _answer("From 2026-07-28 on: no such method", _ANY),
}
_WELL: Final = _answer("It is well", TEXT)
_UNREADY: Final = _answer("It cannot do its work now", TEXT)
_RESOURCE: Final = _open(
    "Who gives out tokens for this gateway (RFC 9728)",
    {"200": _answer("Its authorization server", _ANY), "404": _answer("No provider, or no public URL, is set", TEXT)},
)
_MCP: Final = {
    "post": {
        **_operation("The Model Context Protocol", {}, 408, 413),
        "requestBody": {"required": True, "content": _json(_object(("jsonrpc",), jsonrpc={"const": "2.0"}))},
    },
    "get": {
        **_operation("Hear of changes of the tools", {200: ("Messages of JSON-RPC", _STREAM)}),
        "operationId": "listen",
    },
    "delete": _operation("End a session", {200: ("Ended", {})}),
}
_MCP["post"]["responses"].update(_RPC)

PATHS: Final[Shape] = {
    "/health": {"get": _open("Is the process alive?", {"200": _WELL})},
    "/ready": {"get": _open("Do database and broker answer?", {"200": _WELL, "503": _UNREADY})},
    "/metrics": {"get": _operation("Metrics for Prometheus", {200: ("Text format", TEXT)})},
    "/openapi.json": {"get": _open("This document", {"200": _answer("OpenAPI 3.1", _ANY)})},
    **{path: {"get": _RESOURCE} for path in sorted(RESOURCE)},
    "/tools/call": {"post": _operation(
        "Start a tool", {200: ("What was started, or why not", _json(_ref("CallToolResult")))}, 400, 404, 408, 413, 422,
        body="ToolCall", parameters=(CALL_KEY,),
    )},
    "/envelopes": {"post": _operation(
        "Record a child of a fan-out", {201: ("Recorded, or known", _json(_CREATED))}, 400, 408, 409, 413, body="ChildBody",
    )},
    "/envelopes/{id}": {"get": _operation(
        "Show an envelope", {200: ("The envelope", _json(_ref("Envelope")))}, 400, 404, parameters=(ID, WAIT),
    )},
    "/envelopes/{id}/stream": {"get": _operation(
        "Follow an envelope: its events so far, then what happens, until it is final",
        {200: ("Events, each with an Event as its data", _STREAM)}, 404, parameters=(ID, LAST_EVENT, WITH_PIECES),
    )},
    "/envelopes/{id}/pieces": {"get": _operation(
        "Follow what an envelope's handlers stream: partial (a piece), anew (what came before counts no more), gap (lost)",
        {200: ("Events, each with JSON as its data", _STREAM)}, parameters=(ID, LAST_EVENT, REST),
    )},
    "/envelopes/{id}/active": {"get": _operation(
        "Does anybody still wait for it?", {200: ("Yes", _ACTIVE), 410: ("No", _ACTIVE)}, parameters=(ID,),
    )},
    "/envelopes/{id}/progress": {"post": _operation(
        "Report progress", {200: (_TAKEN, _json(_PROGRESS))}, 400, 404, 408, 413, body="ProgressBody", parameters=(ID,),
    )},
    "/envelopes/{id}/final": {"post": _operation(
        "Report the end", {200: (_TAKEN, _json(OK))}, 400, 404, 408, 413, body="FinalBody", parameters=(ID,),
    )},
    "/envelopes/{id}/cancel": {"post": _operation(
        "Cancel an envelope", {200: ("Cancelled; whether handlers that run are interrupted", _json(_CANCELLED))}, 404, 409,
        parameters=(ID,),
    )},
    "/reports": {"post": _operation(
        "Report progress and children of many envelopes, in order",
        {200: ("Of each what its own route would have answered", _json(_ref("BatchAnswer")))}, 400, 408, 413, body="BatchBody",
    )},
    "/pieces": {"post": _operation(
        "Tell pieces of streams, in order",
        {200: ("Of each batch whether it was taken", _json(_ref("BatchAnswer")))}, 400, 408, 413, body="PiecesBody",
    )},
    "/mcp": _MCP,
}  # fmt: skip


def document() -> Shape:
    """Write the whole document."""
    _, bodies = msgspec.json.schema_components(BODIES, ref_template="#/components/schemas/{name}")
    # The types are lenient, so that missing fields are refused in the words of Asya 0.1.1.
    for name, required in REQUIRED.items():
        bodies[name]["required"] = list(required)
        bodies[name]["properties"].update(required)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Asya gateway", "version": version("asya-gateway"), "license": {"name": "Apache-2.0"}},
        "security": [{"token": []}],
        "paths": PATHS,
        "components": {
            "schemas": {**SCHEMAS, **bodies},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


async def show(_request: Request) -> Response:
    """Answer with the document."""
    return json_answer(document())
