"""Reconciles as spans: each is a trace of its own, for no envelope is on its way through the operator."""

from prometheus_client import CollectorRegistry

from asya_operator.metrics import PREFIX
from asya_process.metrics import count_lost_spans
from asya_process.spans import ACTOR, NAMESPACE, Span
from asya_process.trace_settings import TraceSettings
from asya_process.tracer import Tracer, fresh_ids, open_tracer
from asya_protocol.trace import TraceContext


class ReconcileTracing:
    """Records reconciles.

    Args:
        tracer: Takes them; ``None`` where traces are off.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    def finish(self, namespace: str, actor: str, start_s: float, end_s: float, failure: str) -> None:
        """Hand on one reconcile; ``failure`` is empty where it went well."""
        if self._tracer is None:
            return
        trace_id, span_id = fresh_ids()
        if self._tracer.samples(trace_id):
            context = TraceContext(trace_id, span_id)
            told = {NAMESPACE: namespace, ACTOR: actor}
            self._tracer.emit(
                (Span(f"reconcile {actor}", context, None, start_s, end_s, attributes=told, failure=failure),)
            )

    def close(self) -> None:
        """Send what waits, for a little while."""
        if self._tracer is not None:
            self._tracer.close()


def open_reconcile_tracing(settings: TraceSettings, registry: CollectorRegistry) -> ReconcileTracing:
    """Open it.

    Raises:
        SettingsError: Traces are on, and OpenTelemetry is not installed.
    """
    if not settings.on:
        return ReconcileTracing()
    lost = count_lost_spans(PREFIX, registry)
    return ReconcileTracing(open_tracer(settings, "asya-operator", lost.inc))
