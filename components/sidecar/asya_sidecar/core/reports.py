"""Builds the reports to the gateway. Bodies are those of Asya 0.1.1's gateway routes.

One difference: ``completed`` carries the index of the actor that completed, not that of the next one.
"""

from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from asya_protocol import names
from asya_protocol.envelope import Envelope, format_time, left_early_at
from asya_protocol.partial import failed_place, lacking
from asya_protocol.reply import ErrorItem, Item
from asya_protocol.reports import ChildBody, FinalBody, ProgressBody, Retry
from asya_protocol.status import Status
from asya_sidecar.core.actions import Report
from asya_sidecar.core.admit import Hop

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_NOTHING: Final = msgspec.Raw(b"null")
_EMPTY: Final = frozenset({b"null", b"{}", b'""', b"[]"})
"""Values that tell nothing."""
MOST_MISSING: Final = 1_000
"""Children that a report names as missing."""
LONGEST_CAUSE: Final = 1_000
"""Characters of a cause that are reported; a handler's exception may hold its whole input."""


def received_report(envelope: Envelope, actor: str, size_bytes: int) -> Report:
    """This actor has the envelope."""
    size_kb = size_bytes / 1024
    words = f"Received message ({size_kb:.2f} KB)"
    return _progress(envelope, actor, "received", words, ProgressBody(message_size_kb=size_kb))


def processing_report(envelope: Envelope, actor: str) -> Report:
    """The handler is about to run."""
    return _progress(envelope, actor, "processing", f"Processing in {actor}")


def completed_report(
    envelope: Envelope, actor: str, items: tuple[Item, ...], elapsed_s: float, until: datetime | None = None
) -> Report:
    """The handler returned; includes the route, which it may have changed, and for what moment its output waits."""
    duration_ms = round(elapsed_s * 1000)
    route = items[0].route if items and items[0].route else envelope.route
    moment = None if until is None else format_time(until)
    more = ProgressBody(actors=list(route.actors), duration_ms=duration_ms, until=moment)
    waits = "" if moment is None else f"; what it made waits until {moment}"
    return _progress(envelope, actor, "completed", f"Completed processing in {duration_ms}ms{waits}", more)


def retry_report(envelope: Envelope, actor: str, retry: Retry) -> Report:
    """An attempt failed and is made again; ours, in a phase that Asya 0.1.1's gateway knows."""
    if len(retry.cause) > LONGEST_CAUSE:
        retry = msgspec.structs.replace(retry, cause=f"{retry.cause[:LONGEST_CAUSE]} ...")
    return _progress(envelope, actor, "processing", retry.words, ProgressBody(retry=retry))


def child_report(made: Envelope) -> Report:
    """A fan-out made a new envelope."""
    return Report("child", made.id, _child_body(made))


def final_report(envelope: Envelope, items: tuple[Item, ...], hop: Hop, now: datetime) -> tuple[Report, ...]:
    """An end actor is done with it: succeeded at happy-end, failed at error-end, nothing elsewhere."""
    if hop.actor == hop.happy_end:
        good = FinalBody(status=Status.SUCCEEDED.value, progress=1.0)
        route = envelope.route
        if actor := left_early_at(route.actors, route.current, hop.actor):
            # Its payload is what that actor was given: a handler that returned nothing has no result.
            where = replace(good, current_actor_idx=route.current, actors=list(route.actors), current_actor_name=actor)
            return (_final(envelope, replace(where, ended="early"), now),)
        returned = items[0].payload if items else _NOTHING
        result = returned if bytes(returned) not in _EMPTY else envelope.payload
        told = result if bytes(result) != b"null" else msgspec.UNSET
        missing = lacking(envelope.headers)[:MOST_MISSING]
        return (_final(envelope, replace(good, result=told, missing=list(missing) or None), now),)
    if hop.actor != hop.error_end:
        return ()
    payload = _fields(envelope.payload)
    error = None
    with suppress(msgspec.DecodeError):
        error = _TEXT.decode(payload.get("error", b""))
    details = payload.get("details", _NOTHING)
    known = details if bytes(details) not in _EMPTY else msgspec.UNSET
    return (_failed(envelope, FinalBody(error=error, error_details=known), now),)


def joined_report(envelope: Envelope, now: datetime) -> Report:
    """Fan-in has taken a child into its group: what comes of it goes on under its parent's id."""
    route = envelope.route
    return _final(
        envelope,
        FinalBody(
            status=Status.SUCCEEDED.value,
            progress=1.0,
            ended="joined",
            current_actor_idx=route.current,
            actors=list(route.actors),
            current_actor_name=route.actor,
        ),
        now,
    )


def dead_report(envelope: Envelope, reason: str, now: datetime, error: ErrorItem | None = None) -> tuple[Report, ...]:
    """The envelope is a dead letter: for its caller that is a failure."""
    details = error.details() if error is not None else {}
    known = msgspec.Raw(msgspec.json.encode(details)) if details else msgspec.UNSET
    return (_failed(envelope, FinalBody(error=reason, error_details=known), now),)


def _fields(payload: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Split an object without reading its values: they are a user's, and may be numbers that no float holds."""
    try:
        return _FIELDS.decode(payload)
    except msgspec.DecodeError:
        return {}


def _failed(envelope: Envelope, body: FinalBody, now: datetime) -> Report:
    """Say also where it failed."""
    route = envelope.route
    details = {} if isinstance(body.error_details, msgspec.UnsetType) else _fields(body.error_details)
    kind = None
    with suppress(msgspec.DecodeError):
        kind = _TEXT.decode(details.get("type", b""))
    place = failed_place(route.actors, route.current, kind)
    where = replace(
        body,
        status=Status.FAILED.value,
        current_actor_idx=place,
        actors=list(route.actors) or None,
        current_actor_name=route.actors[place] if place != route.current else route.actor,
    )
    return _final(envelope, where, now)


def _final(envelope: Envelope, body: FinalBody, now: datetime) -> Report:
    body = replace(body, id=envelope.id, timestamp=format_time(now), mark=_mark(envelope))
    return Report("final", envelope.id, body, None if envelope.parent_id is None else _child_body(envelope))


def _child_body(made: Envelope) -> ChildBody:
    until = made.headers.get(names.HEADER_NOT_BEFORE)
    moment = until if isinstance(until, str) else None
    return ChildBody(made.id, made.parent_id or "", list(made.route.actors), made.route.current, _mark(made), moment)


def _mark(envelope: Envelope) -> str | None:
    found = envelope.headers.get(names.HEADER_MARK)
    return found if isinstance(found, str) else None


def _progress(
    envelope: Envelope,
    actor: str,
    phase: str,
    words: str,
    more: ProgressBody = ProgressBody(),  # noqa: B008 - frozen
) -> Report:
    body = replace(
        more,
        actors=list(envelope.route.actors) if more.actors is None else more.actors,
        current_actor_idx=envelope.route.current,
        status=phase,
        message=words,
        by=actor,
        mark=_mark(envelope),
    )
    return Report("progress", envelope.id, body)
