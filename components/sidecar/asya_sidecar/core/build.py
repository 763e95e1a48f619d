"""Builds the envelopes that leave a hop: the next one, fan-out children, error envelopes, retry copies."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope, Route, as_child, parse_id, parse_object, parse_route
from asya_protocol.errors import EnvelopeError
from asya_protocol.reply import ErrorItem, Item
from asya_protocol.trace import TraceNote, next_traceparent, read_note, read_traceparent

HOP_HEADERS: Final[Mapping[str, None]] = {
    names.HEADER_ATTEMPT: None,
    names.HEADER_DELIVERY: None,
    names.HEADER_DELAY: None,
    names.HEADER_NOT_BEFORE: None,
    names.HEADER_WAITS: None,
    names.HEADER_THROTTLED: None,
    names.HEADER_LINKS: None,
}
"""Headers that end with the hop."""

OURS: Final = (
    names.HEADER_TRACEPARENT,
    names.HEADER_TRACE,
    names.HEADER_LINEAGE,
    names.HEADER_REPLAY,
    names.HEADER_MARK,
)
"""Headers that an output has of its input, whatever a handler returns: it can neither lose them nor make them up."""
_HEADERS: Final = msgspec.json.Decoder(dict[str, object])


def onward(
    envelope: Envelope, *, trace_id: str, span_id: str, sampled: bool = True, traced_s: float | None = None
) -> Envelope:
    """Prepare an envelope's headers for leaving this hop: counters dropped, trace continued.

    Args:
        envelope: As it came.
        trace_id: For a new trace, 32 hex digits.
        span_id: Of this hop, 16 hex digits.
        sampled: Whether a new trace is recorded.
        traced_s: Now, seconds since 1970, where this hop is recorded; ``None`` where it is not.
    """
    current = envelope.headers.get(names.HEADER_TRACEPARENT)
    traceparent = next_traceparent(current, trace_id=trace_id, span_id=span_id, sampled=sampled)
    note = {}
    if traced_s is not None:
        note = {names.HEADER_TRACE: TraceNote(root_of(envelope.headers) or span_id, traced_s).as_json()}
    return envelope.with_headers({**HOP_HEADERS, names.HEADER_TRACEPARENT: traceparent, **note})


def root_of(headers: Mapping[str, object]) -> str | None:
    """Id of the span that the hops of an envelope's trace are children of; ``None`` where it has no trace yet."""
    context = read_traceparent(headers.get(names.HEADER_TRACEPARENT))
    note = read_note(headers)
    return None if context is None else note.root_id if note else context.span_id


def child(envelope: Envelope, item: Item, index: int) -> Envelope:
    """Make the envelope for one output.

    Args:
        envelope: The input, its headers already prepared by ``onward``.
        item: The output.
        index: Its place in the fan-out, from 0: the first keeps the id, the others get ``<id>-<index>`` and a parent.
    """
    route = item.route or Route(envelope.route.actors, len(envelope.route.actors), envelope.route.extra)
    made = replace(envelope, route=route, payload=item.payload)
    if item.headers is not None:
        kept = {name: value for name, value in item.headers.items() if name not in HOP_HEADERS}
        ours = {name: envelope.headers.get(name) for name in OURS}
        made = replace(made, headers=kept).with_headers(ours)
    return as_child(made, envelope, index) if index > 0 else made


@dataclass(frozen=True, slots=True)
class Collected:
    """One output of a collector.

    Attributes:
        envelope: With the id and the parent that the collector gave it.
        delay_s: To wait before it is sent on.
        failed: Why it is to go to error-end; ``None`` when it goes on.
        links: ``traceparent`` of each envelope that it was made of.
    """

    envelope: Envelope
    delay_s: float = 0.0
    failed: str | None = None
    links: tuple[str, ...] = ()


def collected(envelope: Envelope, item: Item) -> Collected:
    """Make the envelope for one output of a collector."""
    headers = item.headers or {}
    delay, failed = headers.get(names.HEADER_DELAY), headers.get(names.HEADER_FAILED)
    lineage, links = headers.get(names.HEADER_LINEAGE), headers.get(names.HEADER_LINKS)
    # The group's own, not the last child's.
    own = {names.HEADER_LINEAGE: lineage, names.HEADER_MARK: headers.get(names.HEADER_MARK)}
    made = child(envelope, item, 0).with_headers({names.HEADER_FAILED: None, **own})
    return Collected(
        envelope=replace(made, id=item.id or envelope.id, parent_id=item.parent_id),
        delay_s=float(delay) if isinstance(delay, int | float) and not isinstance(delay, bool) and delay > 0 else 0.0,
        failed=str(failed) if failed else None,
        links=tuple(link for link in links if isinstance(link, str)) if isinstance(links, list) else (),
    )


def error_body(envelope: Envelope, text: str, error: ErrorItem | None) -> bytes:
    """Write the envelope that error-end gets.

    Its payload is ``{"error": text, "details"?: {"message", "type", "traceback"}, "original_payload": ...}``, with
    ``"original_claim"`` where the payload has not been read from the object store.
    """
    payload: dict[str, object] = {"error": text}
    if error is not None and (details := error.details()):
        payload["details"] = details
    payload["original_payload"] = envelope.payload
    claim = envelope.headers.get(names.HEADER_CLAIM)
    if claim is not None:
        payload["original_claim"] = claim
        envelope = envelope.with_headers({names.HEADER_CLAIM: None})
    return replace(envelope, payload=msgspec.Raw(msgspec.json.encode(payload))).dump()


def refusal_from_envelope(envelope: Envelope, text: str) -> bytes:
    """Write the error envelope for one that was refused before its handler ran."""
    root_id = root_of(envelope.headers) if names.HEADER_TRACE in envelope.headers else None
    note = None if root_id is None else TraceNote(root_id).as_json()  # when it was sent to this hop is not its wait now
    return error_body(envelope.with_headers({**HOP_HEADERS, names.HEADER_TRACE: note}), text, None)


def refusal_body(body: bytes, text: str, error_end: str) -> bytes:
    """Write an error envelope around bytes that are no envelope, keeping whatever can be kept.

    An id that cannot be read becomes ``unparsed-<digest of the bytes>``, so that a redelivery overwrites itself in the
    store. The bytes stay in the payload as ``original_body``, or ``original_body_base64`` when they are not UTF-8.
    """
    payload: dict[str, object] = {"error": text}
    headers: dict[str, object] = {}
    envelope_id = f"unparsed-{hashlib.sha256(body).hexdigest()[:32]}"
    route = Route((error_end,))
    try:
        document = parse_object(body)
    except EnvelopeError:
        try:
            payload["original_body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            payload["original_body_base64"] = base64.b64encode(body).decode("ascii")
    else:
        payload["original_payload"] = document.get("payload")
        payload["original_envelope"] = {name: value for name, value in document.items() if name != "payload"}
        with suppress(EnvelopeError):
            route = parse_route(document)
        with suppress(EnvelopeError):
            envelope_id = parse_id(document)
        if (mark := lenient_headers(document).get(names.HEADER_MARK)) is not None:
            headers[names.HEADER_MARK] = mark  # without it the gateway would not believe that this was the end
    return Envelope(envelope_id, route, msgspec.Raw(msgspec.json.encode(payload)), headers=headers).dump()


def with_counters(
    body: bytes,
    *,
    attempt: int,
    delivery: int,
    more: Mapping[str, int] | None = None,
    trace: str | None = None,
    traced_s: float | None = None,
) -> bytes:
    """Copy an envelope's bytes for another try of the same hop: everything stays, only counters and trace note change.

    Args:
        body: As delivered.
        attempt: The next one's number.
        delivery: The next one's number.
        more: Other counters, by header.
        trace: ``traceparent`` of this hop, for an envelope without a trace that is recorded: its tries share one.
        traced_s: Now, seconds since 1970, where this hop is recorded.
    """
    document = parse_object(body)
    headers = dict(lenient_headers(document))
    headers[names.HEADER_ATTEMPT] = attempt
    headers[names.HEADER_DELIVERY] = delivery
    headers.update(more or {})
    if traced_s is not None:
        if trace is not None and root_of(headers) is None:
            headers[names.HEADER_TRACEPARENT] = trace
        if (root_id := root_of(headers)) is not None:
            headers[names.HEADER_TRACE] = TraceNote(root_id, traced_s).as_json()
    return msgspec.json.encode({**document, "headers": headers})


def lenient_headers(document: Mapping[str, msgspec.Raw]) -> Mapping[str, object]:
    """Read the headers of a parsed object; what is no object of JSON values reads as none."""
    try:
        return _HEADERS.decode(document["headers"])
    except (KeyError, msgspec.DecodeError, UnicodeError):
        return {}


def count_of(headers: Mapping[str, object], name: str) -> int:
    """Read a counter header; anything that is no whole number of at least 1 counts as 1."""
    value = headers.get(name)
    if isinstance(value, str) and value.isdecimal() and len(value) <= 9:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else 1
