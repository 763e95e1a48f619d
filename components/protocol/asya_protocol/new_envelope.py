"""A new envelope, as producers send it. Pure: ids are arguments."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope, Route, format_time, parse_envelope
from asya_protocol.errors import InvalidEnvelope
from asya_protocol.not_before import header_of
from asya_protocol.trace import next_traceparent


def new_envelope(
    actors: Sequence[str],
    payload: bytes,
    *,
    envelope_id: str,
    trace_id: str,
    span_id: str,
    headers: Mapping[str, object] | None = None,
    deadline: datetime | None = None,
    not_before: datetime | None = None,
) -> Envelope:
    """Build an envelope whose turn it is at the first actor, in a new trace unless the headers continue one.

    Args:
        actors: Its route.
        payload: JSON.
        envelope_id: Its id.
        trace_id: 32 hex digits for a new trace.
        span_id: 16 hex digits.
        headers: Its headers.
        deadline: Nobody wants the result after.
        not_before: The first handler may not take it before.

    Raises:
        EnvelopeError: The route lists an end actor, its deadline passes while it waits, or the envelope breaks another rule
            of the protocol.
    """
    for actor in actors:
        if actor in names.RESERVED_ACTORS:
            raise InvalidEnvelope(
                f"{actor!r} cannot be part of a route: every route ends there by itself; leave it out"
            )
    if not_before is not None and deadline is not None and not_before >= deadline:
        raise InvalidEnvelope(
            f"its deadline {format_time(deadline)} passes while it waits until {format_time(not_before)};"
            " a deadline counts from the send"
        )
    given = {**(headers or {}), **header_of(not_before)}
    trace = next_traceparent(given.get(names.HEADER_TRACEPARENT), trace_id=trace_id, span_id=span_id)
    envelope = Envelope(
        id=envelope_id,
        route=Route(actors=tuple(actors)),
        payload=msgspec.Raw(payload),
        headers={**given, names.HEADER_TRACEPARENT: trace},
        deadline=deadline,
    )
    return parse_envelope(envelope.dump())
