"""Spans as OpenTelemetry's protocol has them, and OpenTelemetry's own clients to send them with.

Only ``tracer`` imports this, and only where traces are on. The clients are the SDK's: addresses, credentials, compression, time
limits and retries are theirs. The message is made here: the SDK's way to it, by a ``ReadableSpan`` and a walk over its parts,
costs six times the CPU.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, cast

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from asya_process.spans import LONGEST_FAILURE, SEMCONV, Kind, Span, Value
from asya_process.trace_settings import TraceSettings

Requests = Callable[[Sequence[Span]], ExportTraceServiceRequest]

_KINDS: Final[Mapping[Kind, "trace_pb2.Span.SpanKind.ValueType"]] = {
    "internal": trace_pb2.Span.SPAN_KIND_INTERNAL,
    "server": trace_pb2.Span.SPAN_KIND_SERVER,
    "client": trace_pb2.Span.SPAN_KIND_CLIENT,
    "producer": trace_pb2.Span.SPAN_KIND_PRODUCER,
    "consumer": trace_pb2.Span.SPAN_KIND_CONSUMER,
}
_HERE: Final = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_ELSEWHERE: Final = _HERE | trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_RECORDED: Final = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
_INT64: Final = range(-(1 << 63), 1 << 63)


class Waiting:
    """A span in the SDK's batch processor, which asks of it no more than whether it is recorded."""

    __slots__ = ("span",)
    context: Final = _RECORDED

    def __init__(self, span: Span) -> None:
        self.span = span


def requests_of(service: str) -> Requests:
    """Make the function that puts spans into a request.

    Args:
        service: What the process is, e.g. an actor's name; ``OTEL_SERVICE_NAME`` wins.
    """
    told = {"service.name": service, "service.namespace": "asya", "service.instance.id": _instance()}
    resource = Resource.create(told).merge(OTELResourceDetector().detect())  # what a person set wins
    schema = f"https://opentelemetry.io/schemas/{SEMCONV}"
    scope = InstrumentationScope("asya", version("asya-process"), schema_url=schema)
    frame = encode_spans([ReadableSpan("", _RECORDED, resource=resource, instrumentation_scope=scope)])
    del frame.resource_spans[0].scope_spans[0].spans[:]

    def request(spans: Sequence[Span]) -> ExportTraceServiceRequest:
        made = ExportTraceServiceRequest()
        made.CopyFrom(frame)
        add = made.resource_spans[0].scope_spans[0].spans.add
        for span in spans:
            _write(span, add)
        return made

    return request


def http_exporter(settings: TraceSettings, request: Requests, on_partial: Callable[[int], None]) -> SpanExporter:
    """Open the client of a collector that listens to HTTP.

    Args:
        settings: Where to.
        request: Makes a request of spans.
        on_partial: Told how many spans of a request the collector did not take, though it answered 200.
    """
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def look(response: Any, **_: Any) -> None:  # noqa: ANN401 - requests' hook
        """Find what the collector did not take; the exporter does not look."""
        if response.status_code == 200 and response.content:
            try:
                answer = ExportTraceServiceResponse.FromString(response.content)
            except ValueError:  # no protobuf: some answer with text
                return
            if answer.partial_success.rejected_spans > 0:
                on_partial(answer.partial_success.rejected_spans)

    class Http(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            sent = self._client.export(request(_taken(spans)).SerializeToString())
            return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE

    session = requests.Session()
    session.hooks["response"].append(look)
    return Http(endpoint=settings.target, session=session)


def grpc_exporter(settings: TraceSettings, request: Requests) -> SpanExporter:
    """Open the client of a collector that listens to gRPC.

    Args:
        settings: Where to.
        request: Makes a request of spans.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    class Grpc(OTLPSpanExporter):
        def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
            return request(_taken(data))

    return Grpc(endpoint=settings.target)


def _taken(waiting: Sequence[ReadableSpan]) -> list[Span]:
    return [each.span for each in cast("Sequence[Waiting]", waiting)]


def _write(span: Span, add: Callable[..., trace_pb2.Span]) -> None:
    made = add(
        trace_id=bytes.fromhex(span.context.trace_id),
        span_id=bytes.fromhex(span.context.span_id),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=int(span.start_s * 1e9),
        end_time_unix_nano=int(max(span.end_s, span.start_s) * 1e9),
        flags=_HERE if span.parent_id is None else _ELSEWHERE,
    )
    if span.parent_id is not None:
        made.parent_span_id = bytes.fromhex(span.parent_id)
    made.attributes.extend([_attribute(name, value) for name, value in span.attributes.items()])
    for link in span.links:
        made.links.add(trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id), flags=_ELSEWHERE)
    if span.failure:
        made.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        made.status.message = span.failure[:LONGEST_FAILURE]


@lru_cache(maxsize=1024, typed=True)  # the spans of a hop share most of theirs, and so do hops
def _attribute(name: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        told = AnyValue(bool_value=value)
    elif isinstance(value, int) and value in _INT64:
        told = AnyValue(int_value=value)
    elif isinstance(value, float):
        told = AnyValue(double_value=value)
    else:  # a whole number that is too large for the protocol came from an envelope's headers
        told = AnyValue(string_value=str(value))
    return KeyValue(key=name, value=told)


def _instance(environ: Mapping[str, str] = os.environ) -> str:
    """Tell processes of one service apart: the pod's name, or the host's and the process's number."""
    return environ.get("HOSTNAME") or f"{socket.gethostname()}-{os.getpid()}"
