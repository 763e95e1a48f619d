"""The record of one envelope, and the events of its history.

Users' JSON values (payload, result, headers) stay the bytes that were received; only the trace is read of headers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from asya_gateway.records.mark import without_mark
from asya_manifest.callback import Callback
from asya_protocol import names
from asya_protocol.envelope import format_time
from asya_protocol.progress import facts_in_words
from asya_protocol.reports import Facts
from asya_protocol.status import Status
from asya_protocol.trace import trace_id_of, trace_link

NULL: Final = msgspec.Raw(b"null")
_HEADERS: Final = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Record:
    """One envelope.

    Attributes:
        id: Its id.
        actors: Its route as last reported.
        created_at: When the gateway learned of it.
        updated_at: When it last changed.
        parent_id: The envelope whose fan-out made it.
        status: Where it is in its life.
        metadata: The route's metadata, JSON.
        headers: Headers it was sent with, JSON.
        payload: What it was sent with, JSON; ``None`` for fan-out children, whose payload the gateway never sees.
        result: What came out, JSON.
        error: Why it failed.
        timeout_s: How long it may take.
        deadline: When it fails unless it is final by then.
        progress_percent: 0 to 100; never falls.
        current_actor_idx: Position in the route as last reported; never falls.
        current_actor_name: The actor there.
        message: The message of the last report.
        actors_completed: Number of actors of the route that have completed.
        events: Number of its events so far, also of those that were deleted.
        owner: The caller that created the envelope; a fan-out child inherits it. ``None`` when authentication is off.
        callback: Where its end is told; ``None`` for nowhere.
    """

    id: str
    actors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    parent_id: str | None = None
    status: Status = Status.PENDING
    metadata: bytes | None = None
    headers: bytes | None = None
    payload: bytes | None = None
    result: bytes | None = None
    error: str | None = None
    timeout_s: int | None = None
    deadline: datetime | None = None
    progress_percent: float = 0.0
    current_actor_idx: int = 0
    current_actor_name: str | None = None
    message: str | None = None
    actors_completed: int = 0
    events: int = 0
    owner: str | None = None
    callback: Callback | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a record.

    Attributes:
        envelope_id: The envelope.
        seq: Its number in that envelope's history, from 1.
        status: The state after it.
        timestamp: When.
        message: In words.
        result: What came out, JSON, of a final event.
        error: Why it failed, of a final event.
        progress_percent: Progress after it.
        actor: Name of the actor concerned.
        actors: The route at that moment.
        current_actor_idx: Place of the actor in it.
        phase: ``received``, ``processing`` or ``completed``, of a progress report.
        facts: The other fields of the report; ``None`` of sidecars that sent the message alone.
    """

    envelope_id: str
    seq: int
    status: Status
    timestamp: datetime
    message: str | None = None
    result: bytes | None = None
    error: str | None = None
    progress_percent: float | None = None
    actor: str | None = None
    actors: tuple[str, ...] | None = None
    current_actor_idx: int | None = None
    phase: str | None = None
    facts: Facts | None = None

    @property
    def told(self) -> Facts:
        """The facts of a progress report; of older sidecars read from the message."""
        return self.facts or (Facts() if self.phase is None else facts_in_words(self.message))


def raw(value: bytes | None) -> msgspec.Raw:
    """Wrap stored JSON for a document that is about to be encoded."""
    return NULL if value is None else msgspec.Raw(value)


def trace_body(record: Record, template: str | None) -> dict[str, object]:
    """Shape the trace that an envelope was sent in: its id, and a link where there is a template; empty without one."""
    if record.headers is None or (trace_id := trace_id_of(_traceparent(record.headers))) is None:
        return {}
    link = trace_link(template, trace_id)
    return {"trace_id": trace_id, **({} if link is None else {"trace_url": link})}


def _traceparent(headers: bytes) -> object:
    try:
        return _HEADERS.decode(headers).get(names.HEADER_TRACEPARENT)
    except msgspec.MsgspecError:
        return None


def record_body(record: Record, children: list[str], trace_url: str | None = None) -> dict[str, object]:
    """Shape a record for ``GET /envelopes/{id}``; unset fields are left out.

    Args:
        record: The envelope.
        children: Ids of those that its fan-outs made.
        trace_url: Template of a link to a trace.
    """
    route: dict[str, object] = {"actors": record.actors, "current": record.current_actor_idx}
    if record.metadata is not None:
        route["metadata"] = msgspec.Raw(record.metadata)
    headers = without_mark(record.headers)
    body: dict[str, object] = {
        "id": record.id,
        "parent_id": record.parent_id,
        "status": record.status.value,
        "route": route,
        "headers": None if headers is None else msgspec.Raw(headers),
        "error": record.error,
        "timeout_seconds": record.timeout_s,
        "deadline": None if record.deadline is None else format_time(record.deadline),
        "current_actor_name": record.current_actor_name,
        "message": record.message,
        "children": children or None,
        **trace_body(record, trace_url),
    }
    return {name: value for name, value in body.items() if value is not None} | {
        "payload": raw(record.payload),
        "result": raw(record.result),
        "progress_percent": record.progress_percent,
        "current_actor_idx": record.current_actor_idx,
        "actors_completed": record.actors_completed,
        "total_actors": len(record.actors),
        "created_at": format_time(record.created_at),
        "updated_at": format_time(record.updated_at),
    }


def event_body(event: Event) -> dict[str, object]:
    """Shape an event for streams; unset fields are left out."""
    body: dict[str, object] = {
        "id": event.envelope_id,
        "status": event.status.value,
        "message": event.message,
        "result": None if event.result is None else msgspec.Raw(event.result),
        "error": event.error,
        "progress_percent": event.progress_percent,
        "actor": event.actor,
        "actors": event.actors,
        "current_actor_idx": event.current_actor_idx,
        "envelope_state": event.phase,
        **facts_body(event.told),
        "timestamp": format_time(event.timestamp),
    }
    return {name: value for name, value in body.items() if value is not None}


def facts_body(facts: Facts) -> dict[str, object]:
    """Shape facts as fields of an event; what is not known is ``None``."""
    return {
        "by": facts.by,
        "duration_ms": facts.duration_ms,
        "retry": facts.retry,
        "ended": facts.ended,
        "until": facts.until,
    }


def with_runs(events: Sequence[Event]) -> list[Event]:
    """Tell ends that a replay has taken back from the end: who follows an envelope reads on behind them."""
    last = len(events) - 1
    return [
        replace(event, status=Status.RUNNING) if event.status.final and number < last else event
        for number, event in enumerate(events)
    ]


def closing_event(record: Record) -> Event:
    """Make the final event of a final record whose history has been deleted."""
    return Event(
        envelope_id=record.id,
        seq=max(record.events, 1),
        status=record.status,
        timestamp=record.updated_at,
        message=record.message,
        result=record.result,
        error=record.error,
        progress_percent=record.progress_percent,
        actor=record.current_actor_name,
    )
