"""W3C trace context in envelope headers: keeps a trace across queues, retries and dead letters.

Source: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from asya_protocol import names

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Which span something belongs to.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        sampled: Whether whoever began the trace records it.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        """As the header ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"


@dataclass(frozen=True, slots=True)
class TraceNote:
    """What a traced hop leaves in an envelope's header ``x-asya-trace`` for the next one.

    Attributes:
        root_id: The span that all hops of the trace are children of, 16 hex digits: a process that is killed before its spans
            have left takes its own with it, and no other's parent.
        sent_s: When it was sent, seconds since 1970; ``None`` where that is not known.
    """

    root_id: str
    sent_s: float | None = None

    def as_json(self) -> dict[str, object]:
        """Write it as the header's value."""
        return {"root": self.root_id, **({} if self.sent_s is None else {"sent": round(self.sent_s, 6)})}


def read_traceparent(header: object) -> TraceContext | None:
    """Read a header's value, of any type; ``None`` where it is missing or broken."""
    match = _TRACEPARENT.fullmatch(header) if isinstance(header, str) else None
    return None if match is None else TraceContext(match[2], match[3], bool(int(match[4], 16) & _SAMPLED))


def read_note(headers: Mapping[str, object]) -> TraceNote | None:
    """Read what the hop before has left; ``None`` where it left nothing that can be used."""
    found = headers.get(names.HEADER_TRACE)
    root_id = found.get("root") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(root_id, str) or not _SPAN_ID.fullmatch(root_id):
        return None
    sent_s = found.get("sent")
    known = isinstance(sent_s, int | float) and not isinstance(sent_s, bool) and sent_s > 0
    return TraceNote(root_id, float(sent_s) if known else None)  # type: ignore[arg-type]  # known says so


def trace_id_of(traceparent: object) -> str | None:
    """Read the trace's id; ``None`` where the header is missing or broken."""
    context = read_traceparent(traceparent)
    return context.trace_id if context else None


def next_traceparent(current: object, *, trace_id: str, span_id: str, sampled: bool = True) -> str:
    """Continue a trace with a new span, or start one where the header is missing or broken.

    Args:
        current: The header's value as received, of any type.
        trace_id: 32 hex digits for a new trace.
        span_id: 16 hex digits for the new span.
        sampled: Whether a new trace is recorded.
    """
    match = _TRACEPARENT.fullmatch(current) if isinstance(current, str) else None
    if match is None:
        return str(TraceContext(trace_id, span_id, sampled))
    return f"00-{match[2]}-{span_id}-{match[4]}"


def trace_link(template: str | None, trace_id: str | None) -> str | None:
    """Fill a template such as ``https://tempo/{trace_id}``; ``None`` without one, or without a trace."""
    return template.replace("{trace_id}", trace_id) if template and trace_id else None
