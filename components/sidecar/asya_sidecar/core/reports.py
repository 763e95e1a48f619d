"""What the gateway is told, as values. Bodies are those of Asya 0.1.1's gateway routes.

One difference: ``completed`` carries the index of the actor that completed, not that of the next one.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from asya_protocol.envelope import Envelope, format_time
from asya_protocol.progress import Retry
from asya_protocol.reply import Item
from asya_protocol.status import Status
from asya_sidecar.core.actions import Report
from asya_sidecar.core.admit import Hop

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_NOTHING: Final = msgspec.Raw(b"null")
_EMPTY: Final = frozenset({b"null", b"{}", b'""', b"[]"})
"""Values that tell nothing."""


def received_report(envelope: Envelope, size_bytes: int) -> Report:
    """This actor has the envelope."""
    size_kb = size_bytes / 1024
    return _progress(envelope, "received", message=f"Received message ({size_kb:.2f} KB)", message_size_kb=size_kb)


def processing_report(envelope: Envelope, actor: str) -> Report:
    """The handler is about to run."""
    return _progress(envelope, "processing", message=f"Processing in {actor}")


def completed_report(envelope: Envelope, items: tuple[Item, ...], elapsed_s: float) -> Report:
    """The handler returned; a route that it changed is told along."""
    duration_ms = round(elapsed_s * 1000)
    route = items[0].route if items and items[0].route else envelope.route
    report = _progress(
        envelope, "completed", message=f"Completed processing in {duration_ms}ms", duration_ms=duration_ms
    )
    return Report("progress", envelope.id, {**report.body, "actors": list(route.actors)})


def retry_report(envelope: Envelope, attempt: int, again_in_s: float, cause: str) -> Report:
    """An attempt failed and is made again; ours, in a phase that Asya 0.1.1's gateway knows."""
    return _progress(envelope, "processing", message=Retry(attempt, again_in_s, cause).words)


def child_report(made: Envelope) -> Report:
    """A fan-out made a new envelope."""
    return Report("child", made.id, _child_body(made))


def final_report(envelope: Envelope, items: tuple[Item, ...], hop: Hop, now: datetime) -> tuple[Report, ...]:
    """An end actor is done with it: succeeded at happy-end, failed at error-end, nothing elsewhere."""
    if hop.actor == hop.happy_end:
        body: dict[str, object] = {
            "id": envelope.id,
            "status": Status.SUCCEEDED.value,
            "timestamp": format_time(now),
            "progress": 1.0,
        }
        returned = items[0].payload if items else msgspec.Raw(b"null")
        result = returned if bytes(returned) not in _EMPTY else envelope.payload
        if bytes(result) != b"null":
            body["result"] = result
        return (_final(envelope, body),)
    if hop.actor != hop.error_end:
        return ()
    body = {"id": envelope.id, "status": Status.FAILED.value, "timestamp": format_time(now)}
    payload = _fields(envelope.payload)
    with suppress(msgspec.DecodeError):
        body["error"] = _TEXT.decode(payload.get("error", b""))
    details = payload.get("details", _NOTHING)
    if bytes(details) not in _EMPTY:
        body["error_details"] = details
    return (_final(envelope, {**body, **_whereabouts(envelope)}),)


def dead_report(envelope: Envelope, reason: str, now: datetime) -> tuple[Report, ...]:
    """The envelope is a dead letter: for its caller that is a failure."""
    body = {"id": envelope.id, "status": Status.FAILED.value, "timestamp": format_time(now), "error": reason}
    return (_final(envelope, {**body, **_whereabouts(envelope)}),)


def _fields(payload: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Split an object without reading its values: they are a user's, and may be numbers that no float holds."""
    try:
        return _FIELDS.decode(payload)
    except msgspec.DecodeError:
        return {}


def _final(envelope: Envelope, body: Mapping[str, object]) -> Report:
    return Report("final", envelope.id, body, None if envelope.parent_id is None else _child_body(envelope))


def _child_body(made: Envelope) -> dict[str, object]:
    return {
        "id": made.id,
        "parent_id": made.parent_id or "",
        "actors": list(made.route.actors),
        "current": made.route.current,
    }


def _whereabouts(envelope: Envelope) -> dict[str, object]:
    route = envelope.route
    found: dict[str, object] = {"current_actor_idx": route.current}
    if route.actors:
        found["actors"] = list(route.actors)
    if route.actor is not None:
        found["current_actor_name"] = route.actor
    return found


def _progress(envelope: Envelope, status: str, **more: object) -> Report:
    body = {
        "actors": list(envelope.route.actors),
        "current_actor_idx": envelope.route.current,
        "status": status,
        **more,
    }
    return Report("progress", envelope.id, body)
