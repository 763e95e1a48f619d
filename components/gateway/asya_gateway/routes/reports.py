"""What sidecars send: progress, final reports, children of a fan-out."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.records.lifecycle import Ended, Progress, Report
from asya_gateway.records.record import Record
from asya_gateway.requests import LONGEST_ID, Rooms, json_answer, path_id, read_json, require, rooms
from asya_gateway.store.port import Applied
from asya_protocol.status import Status

OUTCOMES: Final = {Applied.CHANGED: "changed", Applied.FINAL_BEFORE: "late", Applied.UNKNOWN: "unknown"}
Index = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""Place in a route; what the database's int holds."""


class ChildBody(msgspec.Struct):
    """A fan-out made an envelope."""

    id: str | None = None
    parent_id: str | None = None
    actors: list[str] | None = None
    current: Index | None = None


class ProgressBody(msgspec.Struct):
    """Where an envelope is."""

    actors: list[str] | None = None
    current_actor_idx: Index | None = None
    status: str | None = None
    message: str | None = None


class FinalBody(msgspec.Struct):
    """How an envelope ended."""

    status: str | None = None
    result: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    error: Any = None
    error_details: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    metadata: dict[str, Any] | None = None
    current_actor_idx: Index | None = None
    current_actor_name: str | None = None
    actors: list[str] | None = None


async def add_child(request: Request) -> Response:
    """Record a child under its parent; nothing is sent, its sidecar has done that. The same child twice is one child."""
    require(request, "report")
    body = await read_json(request, ChildBody)
    await take_child(rooms(request), body)
    return json_answer({"id": body.id, "status": "created"}, 201)


async def take_child(here: Rooms, body: ChildBody) -> None:
    """Keep a child.

    Raises:
        HTTPException: 400, it has no id that can be used; 409, the id is another envelope's.
    """
    if not body.id:
        raise HTTPException(400, "Missing required field: id")
    if len(body.id) > LONGEST_ID or "/" in body.id or "\x00" in body.id:
        raise HTTPException(400, "Invalid envelope id")
    now = datetime.now(UTC)
    actors = tuple(body.actors or ())
    current = min(max(body.current or 0, 0), len(actors))
    child = Record(
        id=body.id,
        actors=actors,
        created_at=now,
        updated_at=now,
        parent_id=body.parent_id or None,
        current_actor_idx=current,
        current_actor_name=actors[current] if current < len(actors) else None,
    )
    if child.parent_id is not None and (parent := await here.store.get(child.parent_id)) is not None:
        # Without the parent's deadline, a child whose reports are lost would stay open for ever.
        child = replace(child, timeout_s=parent.timeout_s, deadline=parent.deadline, owner=parent.owner)
    kept = await here.store.create(child)
    here.metrics.reports.labels("child", "changed" if kept else "late").inc()
    if not kept:
        known = await here.store.get(body.id)
        if known is None or known.parent_id != child.parent_id:
            raise HTTPException(409, "Envelope exists already")


async def progress(request: Request) -> Response:
    """Take a progress report; one for a final envelope changes nothing."""
    require(request, "report")
    record = await take_progress(rooms(request), path_id(request), await read_json(request, ProgressBody))
    return json_answer({"progress_percent": record.progress_percent, "status": "ok"})


async def take_progress(here: Rooms, envelope_id: str, body: ProgressBody) -> Record:
    """Apply a progress report; the record that comes of it.

    Raises:
        HTTPException: 404, there is no such envelope.
    """
    report = Progress(
        actors=tuple(body.actors or ()),
        index=body.current_actor_idx or 0,
        phase=body.status or "",
        message=body.message or "",
    )
    return await _apply(here, envelope_id, "progress", report)


async def final(request: Request) -> Response:
    """Take a final report; a second one changes nothing."""
    require(request, "report")
    body = await read_json(request, FinalBody)
    if body.status not in {Status.SUCCEEDED.value, Status.FAILED.value}:
        raise HTTPException(400, "Invalid status: must be 'succeeded' or 'failed'")
    succeeded = body.status == Status.SUCCEEDED.value
    where = (body.metadata or {}).get("s3_uri")
    report = Ended(
        succeeded=succeeded,
        result=_value(body.result),
        error="" if succeeded else _words(body.error),
        details=None if succeeded else _value(body.error_details),
        stored_at=where if isinstance(where, str) else "",
        actor=body.current_actor_name or "",
        index=body.current_actor_idx,
        actors=tuple(body.actors or ()),
    )
    await _apply(rooms(request), path_id(request), "final", report)
    return json_answer({"status": "ok"})


async def _apply(here: Rooms, envelope_id: str, kind: str, report: Report) -> Record:
    outcome = await here.store.report(envelope_id, report)
    here.metrics.reports.labels(kind, OUTCOMES[outcome.applied]).inc()
    if outcome.record is None:
        raise HTTPException(404, "Envelope not found")
    return outcome.record


def _value(value: msgspec.Raw) -> bytes | None:
    kept = bytes(value)
    try:
        kept.decode("utf-8")  # msgspec does not look into what it hands on as it is
    except UnicodeDecodeError:
        raise HTTPException(400, "Invalid request body") from None
    return None if kept.strip() == b"null" else kept


def _words(error: object) -> str:
    if error is None:
        return ""
    return error if isinstance(error, str) else msgspec.json.encode(error).decode()
