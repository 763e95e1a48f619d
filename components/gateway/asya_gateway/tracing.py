"""A call's trace: taken from its caller or begun here, sent on with the envelope, recorded where traces are on."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from asya_gateway.metrics import PREFIX
from asya_process import spans
from asya_process.metrics import count_lost_spans
from asya_process.spans import Span
from asya_process.trace_settings import TraceSettings
from asya_process.tracer import Tracer, fresh_ids, open_tracer
from asya_protocol import names
from asya_protocol.trace import TraceContext, TraceNote, read_traceparent

LONGEST_STATE: Final = 512
"""Characters of ``tracestate`` that are passed on; W3C asks for that many at least."""


def read_carrier(source: Mapping[str, object]) -> dict[str, object]:
    """Read the trace that came with a request: its HTTP headers, or MCP's ``_meta``; empty where there is none.

    Source: https://modelcontextprotocol.io/specification, keys ``traceparent`` and ``tracestate`` of ``_meta``.
    """
    context = read_traceparent(source.get(names.HEADER_TRACEPARENT))
    if context is None:
        return {}
    state = source.get(names.HEADER_TRACESTATE)
    kept = {names.HEADER_TRACESTATE: state} if isinstance(state, str) and 0 < len(state) <= LONGEST_STATE else {}
    return {names.HEADER_TRACEPARENT: source[names.HEADER_TRACEPARENT], **kept}


@dataclass(slots=True)
class CallTrail:
    """One call under way.

    Attributes:
        headers: Of its envelope.
        call: Its span; ``None`` where it is not recorded.
        send: The span of the send, the root of all hops.
        caller: The span that the call is part of.
        started_s: Seconds since 1970.
        sent: Begin, end and queue of the send.
    """

    headers: dict[str, object]
    call: TraceContext | None = None
    send: TraceContext | None = None
    caller: TraceContext | None = None
    started_s: float = field(default_factory=time.time)
    sent: tuple[float, float, str, int] | None = None


class CallTracing:
    """Traces calls.

    Args:
        tracer: Takes spans; ``None`` where traces are off, and what came is passed on.
        transport: Name of the broker's kind.
    """

    def __init__(self, tracer: Tracer | None = None, transport: str = "") -> None:
        self._tracer = tracer
        self._transport = transport

    def begin(self, carrier: Mapping[str, object]) -> CallTrail:
        """Begin a call's trail with what ``read_carrier`` has found."""
        if self._tracer is None:
            return CallTrail(dict(carrier))
        caller = read_traceparent(carrier.get(names.HEADER_TRACEPARENT))
        trace_id = fresh_ids()[0] if caller is None else caller.trace_id
        sampled = self._tracer.samples(trace_id, caller)
        call, send = (TraceContext(trace_id, fresh_ids()[1], sampled) for _ in range(2))
        headers = {**carrier, names.HEADER_TRACEPARENT: str(send)}
        if not sampled:
            return CallTrail(headers)
        headers[names.HEADER_TRACE] = TraceNote(send.span_id, time.time()).as_json()
        return CallTrail(headers, call, send, caller)

    def finish(self, trail: CallTrail, tool: str, envelope_id: str, problem: str | None) -> None:
        """Hand on the spans of a call whose envelope was sent, or could not be."""
        if self._tracer is None or trail.call is None or trail.send is None:
            return
        self._tracer.emit(call_spans(trail, tool, envelope_id, self._transport, problem=problem, end_s=time.time()))

    def close(self) -> None:
        """Send what waits, for a little while."""
        if self._tracer is not None:
            self._tracer.close()


def call_spans(
    trail: CallTrail, tool: str, envelope_id: str, transport: str, *, problem: str | None, end_s: float
) -> list[Span]:
    """Make the spans of a call: the call itself, and the send that all hops are children of. Pure.

    Args:
        trail: Recorded.
        tool: Its name.
        envelope_id: What was sent.
        transport: ``sqs``, ``rabbitmq`` or ``memory``.
        problem: Why it was not sent.
        end_s: Now, seconds since 1970.
    """
    assert trail.call is not None and trail.send is not None  # noqa: S101 - it is recorded
    told: dict[str, spans.Value] = {spans.TOOL_NAME: tool, spans.MESSAGE_ID: envelope_id}
    parent_id = None if trail.caller is None else trail.caller.span_id
    made = [
        Span(f"tools/call {tool}", trail.call, parent_id, trail.started_s, end_s, "server", told, (), problem or "")
    ]
    if trail.sent is not None:
        start_s, stop_s, queue, size = trail.sent
        about = spans.operation_attributes("send", queue, transport, envelope_id=envelope_id, body_bytes=size)
        name, kind = spans.operation_name("send", queue), spans.operation_kind("send")
        made.append(Span(name, trail.send, trail.call.span_id, start_s, stop_s, kind, about, (), problem or ""))
    return made


def open_call_tracing(settings: TraceSettings, transport: str, registry: CollectorRegistry) -> CallTracing:
    """Open it.

    Raises:
        SettingsError: Traces are on, and OpenTelemetry is not installed.
    """
    if not settings.on:
        return CallTracing()
    lost = count_lost_spans(PREFIX, registry)
    return CallTracing(open_tracer(settings, "asya-gateway", lost.inc), transport)
