"""What a store keeps of a callback that is to be made: where to, what, and what became of it so far. Pure.

It is written with the end that it tells, in one transaction, so that there is no end that nobody is told of. Its id is made of
the envelope's and of the number of the event, so that one end is one delivery, whoever writes it and however often it is tried;
an envelope that is replayed ends anew, and is told anew.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from asya_gateway.records.record import Record
from asya_protocol.envelope import format_time

LARGEST_RESULT: Final = 1 << 20
"""Bytes; a larger one is told by its size and its place."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One end that is to be told.

    Attributes:
        id: The receiver's `webhook-id`, the same at each attempt.
        envelope_id: Whose end.
        url: Where to.
        secret_ref: Name of the secret that signs it.
        body: JSON.
        since: From when on it is tried: its end, or its redrive.
        due_at: When it may be tried next; ``None`` for a dead letter.
        attempts: How often it was tried since.
        told: Why the last attempt failed; empty before.
    """

    id: str
    envelope_id: str
    url: str
    secret_ref: str
    body: str
    since: datetime
    due_at: datetime | None
    attempts: int = 0
    told: str = ""


def delivery_of(record: Record) -> Delivery | None:
    """Make the delivery of a record that has just come to its end; ``None`` where nobody wants to know of it."""
    callback = record.callback
    if callback is None or not record.status.final or record.status.value not in callback.events:
        return None
    return Delivery(
        id=f"{record.id}.{record.events}",
        envelope_id=record.id,
        url=callback.url,
        secret_ref=callback.secret_ref,
        body=_body(record),
        since=record.updated_at,
        due_at=record.updated_at,
    )


def delivery_body(delivery: Delivery) -> dict[str, object]:
    """Shape a delivery for lists: without its body, and without the URL's query, which may hold a token."""
    due_at = delivery.due_at
    return {
        "id": delivery.id,
        "envelope_id": delivery.envelope_id,
        "url": delivery.url.partition("?")[0],
        "secretRef": delivery.secret_ref,
        "state": "dead" if due_at is None else "waiting",
        "attempts": delivery.attempts,
        "error": delivery.told or None,
        "since": format_time(delivery.since),
        "due_at": None if due_at is None else format_time(due_at),
    }


def _body(record: Record) -> str:
    """Write what is posted, in the form that Standard Webhooks recommends: ``type``, ``timestamp``, ``data``."""
    data: dict[str, object] = {"id": record.id, "status": record.status.value, "message": record.message}
    result = record.result or b"null"
    if len(result) > LARGEST_RESULT:
        data |= {"result_bytes": len(result), "result_at": f"/envelopes/{record.id}"}
    else:
        data["result"] = msgspec.Raw(result)
    if record.error is not None:
        data["error"] = record.error
    told = {"type": f"envelope.{record.status.value}", "timestamp": format_time(record.updated_at), "data": data}
    return msgspec.json.encode(told).decode()
