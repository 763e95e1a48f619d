"""One envelope as the console shows it. Pure.

Users' JSON is passed on as indented text: a browser that decoded it would round long numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from asya_gateway.records.journey import trace, visit_body
from asya_gateway.records.record import Event, Record, event_body, facts_body, record_body
from asya_gateway.records.summary import Summary, failure_details, summarise, summary_body
from asya_manifest.explanation import ActorFacts, Evidence, told_by_gateway
from asya_protocol.envelope import format_time

TEXT_BYTES_MOST: Final = 64 * 1024
"""A larger value is named by its size; ``GET /envelopes/{id}`` has it whole."""


def envelope_body(
    record: Record, history: Sequence[Event], children: Sequence[Summary], children_total: int, because: str | None
) -> dict[str, object]:
    """Shape it for JSON.

    Args:
        record: The envelope.
        history: Its events, as far as they are kept.
        children: Those that its fan-outs made, newest first, as many as are shown.
        children_total: How many there are.
        because: What holds it, while it is open.
    """
    details = failure_details(record)
    return {
        **summary_body(summarise(record)),
        "because": because,
        "error": record.error,
        "error_details": details or None,
        "payload": _text(record.payload),
        "result": None if details else _text(record.result),
        "journey": [visit_body(visit) for visit in trace(record, history)],
        "history": [
            {
                "seq": event.seq,
                "status": event.status.value,
                "phase": event.phase,
                "actor": event.actor,
                "message": event.message,
                **facts_body(event.told),
                "timestamp": format_time(event.timestamp),
            }
            for event in history
        ],
        "children": [summary_body(child) for child in reversed(children)],
        "children_total": children_total,
    }


def evidence_of(
    record: Record, history: Sequence[Event], actors: Mapping[str, ActorFacts] | None, now_s: float
) -> Evidence:
    """Collect what the gateway knows of an open envelope, to explain what holds it.

    Args:
        record: The envelope.
        history: Its events; it may have ended since the record was read.
        actors: By name; ``None`` where they are not known.
        now_s: Seconds since 1970.
    """
    events = msgspec.to_builtins([event_body(event) for event in history if event.phase is not None])
    document = record_body(record, [])
    if isinstance(headers := document.get("headers"), msgspec.Raw):
        document["headers"] = msgspec.json.decode(headers)
    return Evidence(record.id, now_s, record=document, events=events, last=told_by_gateway(events), actors=actors)


def _text(value: bytes | None) -> dict[str, object] | None:
    if value is None:
        return None
    if len(value) > TEXT_BYTES_MOST:
        return {"bytes": len(value), "text": None}
    return {"bytes": len(value), "text": msgspec.json.format(value, indent=2).decode("utf-8", "replace")}
