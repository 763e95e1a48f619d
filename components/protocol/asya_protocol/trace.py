"""W3C trace context in envelope headers: keeps a trace across queues, retries and dead letters.

Source: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


def trace_id_of(traceparent: object) -> str | None:
    """Read the trace's id; ``None`` where the header is missing or broken."""
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return match[1] if match else None


def next_traceparent(current: object, *, trace_id: str, span_id: str) -> str:
    """Continue a trace with a new span, or start one where the header is missing or broken.

    Args:
        current: The header's value as received, of any type.
        trace_id: 32 hex digits for a new trace.
        span_id: 16 hex digits for the new span.
    """
    match = _TRACEPARENT.fullmatch(current) if isinstance(current, str) else None
    if match is None:
        return f"00-{trace_id}-{span_id}-01"
    return f"00-{match[1]}-{span_id}-{match[3]}"
