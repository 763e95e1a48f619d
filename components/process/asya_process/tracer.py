"""The door to OpenTelemetry: finished spans as values go in, batches go to a collector (``otlp``).

OpenTelemetry is imported by ``open_tracer``, and only where traces are on. What waits is bounded; what the collector does not
take is counted from the exporter's own answers, because ``force_flush`` says that all went well in any case.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, cast

from asya_process.spans import Span
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
        exporter: Sends batches of ``otlp.Waiting``.
        on_lost: Told how many more spans are lost, from any thread.
    """

    def __init__(self, settings: TraceSettings, exporter: "SpanExporter", on_lost: Callable[[int], None]) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

        from asya_process.otlp import Waiting

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

        self._waiting = cast("Callable[[Span], ReadableSpan]", Waiting)
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
                self._processor.on_end(self._waiting(span))
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
        from asya_process.otlp import grpc_exporter, http_exporter, requests_of

        request = requests_of(service)
        grpc = settings.protocol == "grpc"
        exporter = grpc_exporter(settings, request) if grpc else http_exporter(settings, request, on_partial)
        tracers.append(Tracer(settings, exporter, on_lost))
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
