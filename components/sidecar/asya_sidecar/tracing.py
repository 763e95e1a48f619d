"""One actor's hops as spans: begins a trail for each delivery, and hands it on as spans when the delivery is settled."""

import time
from collections.abc import Mapping
from typing import Final

from asya_process.metrics import count_lost_spans
from asya_process.trace_settings import TraceSettings
from asya_process.tracer import Tracer, fresh_ids, open_tracer
from asya_protocol.envelope import Envelope, parse_envelope, parse_object
from asya_protocol.errors import EnvelopeError
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.core.build import lenient_headers
from asya_sidecar.core.model_usage import ModelUsage
from asya_sidecar.core.trail import Place, Subject, Trail, begin_trail, hop_spans
from asya_sidecar.metrics import Metrics

_NO_HEADERS: Final[Mapping[str, object]] = {}


class HopTracing:
    """Makes spans of what happens at one actor.

    Args:
        tracer: Takes them.
        hop: The actor.
        transport: Name of the broker's kind.
    """

    def __init__(self, tracer: Tracer, hop: Hop, transport: str) -> None:
        self._tracer = tracer
        self._place = Place(hop.actor, hop.queue_names.queue(hop.actor), transport)
        self.usage: Final = ModelUsage()
        """What handlers report of models that they called."""

    def begin(self, admitted: Work | Decision, body: bytes, held_s: float, taken_s: float) -> Trail | None:
        """Begin the trail of a delivery that a worker has taken; ``None`` where nothing of it is recorded.

        Args:
            admitted: What admission made of it.
            body: Its bytes.
            held_s: For how long it has been here.
            taken_s: When a worker took it, seconds since 1970.
        """
        headers = admitted.envelope.headers if isinstance(admitted, Work) else _headers(body)
        received_s = min(time.time() - held_s, taken_s)
        return begin_trail(headers, fresh_ids, self._tracer.samples, received_s=received_s, taken_s=taken_s)

    def finish(self, trail: Trail, work: Work | None, body: bytes, done: Decision) -> None:
        """Hand on the spans of a delivery that is settled; without a handler's call it may be no envelope."""
        if not trail.recorded:
            return
        subject = Subject(_envelope(body)) if work is None else Subject(work.envelope, work.attempt, work.delivery)
        if subject.envelope is not None:
            trail.usage = self.usage.take(subject.envelope.id)
        self._tracer.emit(hop_spans(trail, self._place, subject, done, time.time()))

    def close(self) -> None:
        """Send what waits, for a little while."""
        self._tracer.close()


def open_hop_tracing(settings: TraceSettings, hop: Hop, transport: str, metrics: Metrics) -> HopTracing | None:
    """Open it; ``None`` where traces are off.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if not settings.on:
        return None
    lost = count_lost_spans(metrics.namespace, metrics.registry)
    tracer = open_tracer(settings, hop.actor, lost.inc)
    return None if tracer is None else HopTracing(tracer, hop, transport)


def _headers(body: bytes) -> Mapping[str, object]:
    try:
        return lenient_headers(parse_object(body))
    except EnvelopeError:
        return _NO_HEADERS


def _envelope(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(body)
    except EnvelopeError:
        return None
