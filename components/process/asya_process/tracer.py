"""The only door to OpenTelemetry: finished spans as values go in, batches go to a collector.

OpenTelemetry is imported by ``open_tracer``, and only where traces are on. What waits is bounded; what the collector does not
take is counted from the exporter's own answers, because ``force_flush`` says that all went well in any case.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from asya_process.spans import LONGEST_FAILURE, SEMCONV, Span
from asya_process.trace_settings import TraceSettings
from asya_protocol.errors import SettingsError
from asya_protocol.trace import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log: Final = logging.getLogger(__name__)

CLOSE_S: Final = 2.0
"""How long a process that ends goes on sending spans, less than the share of its grace that a drain leaves."""
TELL_EVERY_S: Final = 300.0
"""The log says that spans are lost once in so long; the metric has the number."""


class Tracer:
    """Takes finished spans and sends them in the background.

    Args:
        settings: Traces are on.
        service: What the process is, e.g. an actor's name.
        exporter: Sends batches; told nothing by this class but spans.
        on_lost: Told how many more spans are lost, from any thread.
    """

    def __init__(
        self, settings: TraceSettings, service: str, exporter: "SpanExporter", on_lost: Callable[[int], None]
    ) -> None:
        from importlib.metadata import version

        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

        told = {"service.name": service, "service.namespace": "asya", "service.instance.id": _instance()}
        resource = Resource.create(told).merge(OTELResourceDetector().detect())  # what a person set wins
        scope = InstrumentationScope(
            "asya", version("asya-process"), schema_url=f"https://opentelemetry.io/schemas/{SEMCONV}"
        )
        kinds = {kind.name.lower(): kind for kind in SpanKind}
        recorded = TraceFlags(TraceFlags.SAMPLED)

        def own(context: TraceContext, *, remote: bool) -> SpanContext:
            flags = recorded if context.sampled else TraceFlags()
            return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), remote, flags)

        def readable(span: Span) -> ReadableSpan:
            parent = TraceContext(span.context.trace_id, span.parent_id) if span.parent_id is not None else None
            return ReadableSpan(
                name=span.name,
                context=own(span.context, remote=False),
                parent=None if parent is None else own(parent, remote=True),
                resource=resource,
                attributes=span.attributes,
                links=[Link(own(link, remote=True)) for link in span.links],
                kind=kinds[span.kind],
                instrumentation_scope=scope,
                status=Status(StatusCode.ERROR, span.failure[:LONGEST_FAILURE]) if span.failure else Status(),
                start_time=int(span.start_s * 1e9),
                end_time=int(max(span.end_s, span.start_s) * 1e9),
            )

        outer = self

        class Counted(SpanExporter):
            """Counts what leaves, and what does not."""

            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                try:
                    result = exporter.export(spans)
                except Exception:  # noqa: BLE001 - the collector's client fails, not this process
                    result = SpanExportResult.FAILURE
                if not outer._closed:
                    outer._answered += len(spans)
                    if result is not SpanExportResult.SUCCESS:
                        outer.lose(len(spans), "the collector did not take them")
                return result

            def shutdown(self) -> None:
                exporter.shutdown()

        self._readable = readable
        self._on_lost = on_lost
        self._parent_based = settings.sampler.startswith("parentbased_")
        rate = {"always_on": 1.0, "always_off": 0.0}.get(settings.sampler.removeprefix("parentbased_"), settings.ratio)
        self._bound = TraceIdRatioBased.get_bound_for_rate(rate)
        self._trace_mask = TraceIdRatioBased.TRACE_ID_LIMIT
        self._room = settings.queue_size
        self._lock = threading.Lock()
        self._taken = self._answered = 0
        self._closed = False
        self._told_s: float | None = None
        self.lost = 0
        """Spans that no collector has got."""
        self._processor = BatchSpanProcessor(
            Counted(),
            max_queue_size=settings.queue_size,
            schedule_delay_millis=settings.delay_ms,
            max_export_batch_size=min(settings.batch_size, settings.queue_size),
        )

    def samples(self, trace_id: str, parent: TraceContext | None = None) -> bool:
        """Whether a trace is recorded: as its beginning says, or, where it begins here or nobody asks it, by its id.

        Args:
            trace_id: 32 hex digits.
            parent: What came with the envelope or the request.
        """
        if parent is not None and self._parent_based:
            return parent.sampled
        return int(trace_id, 16) & self._trace_mask < self._bound

    def emit(self, spans: Iterable[Span]) -> None:
        """Take finished spans; returns at once. Those for which there is no room are lost, and counted."""
        spans = tuple(spans)
        with self._lock:
            room = max(self._room - (self._taken - self._answered), 0)
            self._taken += min(len(spans), room)
            for span in spans[:room]:
                self._processor.on_end(self._readable(span))
        if len(spans) > room:
            self.lose(len(spans) - room, "too many wait for the collector")

    def lose(self, count: int, why: str) -> None:
        """Count spans as lost, and say so now and then."""
        with self._lock:
            self.lost += count
            now_s = time.monotonic()
            tell = self._told_s is None or now_s - self._told_s >= TELL_EVERY_S
            self._told_s = now_s if tell else self._told_s
        self._on_lost(count)
        if tell:
            log.warning("spans lost", extra={"count": count, "lost_so_far": self.lost, "problem": why})

    def close(self, at_most_s: float = CLOSE_S) -> None:
        """Send what waits, for a little while; what is left then is lost."""
        deadline_s = time.monotonic() + at_most_s
        ending = threading.Thread(target=self._processor.shutdown, name="spans-end", daemon=True)
        ending.start()
        ending.join(max(deadline_s - time.monotonic(), 0.0))
        self._closed = True  # whatever comes now comes too late to be counted
        if (left := self._taken - self._answered) > 0:
            self.lose(left, "the process ended before the collector took them")


def open_tracer(settings: TraceSettings, service: str, on_lost: Callable[[int], None]) -> Tracer | None:
    """Open the way to the collector; ``None``, and nothing imported, where traces are off.

    Args:
        settings: As read.
        service: What the process is, e.g. an actor's name; ``OTEL_SERVICE_NAME`` wins.
        on_lost: Told how many more spans are lost, from any thread.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if not settings.on:
        return None
    # The clients log each failed request with what was refused; here that is one line, and a counter.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    tracers: list[Tracer] = []

    def on_partial(count: int) -> None:
        for tracer in tracers:
            tracer.lose(count, "the collector took only a part")

    try:
        exporter = _grpc_exporter(settings) if settings.protocol == "grpc" else _http_exporter(settings, on_partial)
        tracers.append(Tracer(settings, service, exporter, on_lost))
    except ImportError as exc:
        extra = "traces-grpc" if settings.protocol == "grpc" else "traces"
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            f"asks for traces, and {exc.name} is not installed; install asya-process[{extra}]",
        ) from None
    return tracers[0]


def fresh_ids() -> tuple[str, str]:
    """A trace's id and a span's; no secrets: the operating system's generator would cost two system calls."""
    return f"{random.getrandbits(128) or 1:032x}", f"{random.getrandbits(64) or 1:016x}"


def _grpc_exporter(settings: TraceSettings) -> "SpanExporter":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=settings.target)


def _http_exporter(settings: TraceSettings, on_partial: Callable[[int], None]) -> "SpanExporter":
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    def look(response: Any, **_: Any) -> None:  # noqa: ANN401 - requests' hook
        """Find what the collector did not take of a batch that it answered with 200; the exporter does not look."""
        if response.status_code == 200 and response.content:
            try:
                answer = ExportTraceServiceResponse.FromString(response.content)
            except ValueError:  # no protobuf: some answer with text
                return
            if answer.partial_success.rejected_spans > 0:
                on_partial(answer.partial_success.rejected_spans)

    session = requests.Session()
    session.hooks["response"].append(look)
    return OTLPSpanExporter(endpoint=settings.target, session=session)


def _instance(environ: Mapping[str, str] = os.environ) -> str:
    """Tell processes of one service apart: the pod's name, or the host's and the process's number."""
    return environ.get("HOSTNAME") or f"{socket.gethostname()}-{os.getpid()}"
