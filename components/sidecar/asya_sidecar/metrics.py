"""Prometheus metrics of one sidecar: names, labels and buckets are Asya 0.1.1's, so that its dashboards work.

``destination_queue`` always is the queue's full name; Asya 0.1.1 wrote the bare actor's name for some sends.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DURATION_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
RECEIVE_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
SEND_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
SIZE_BUCKETS_BYTES: Final = tuple(100.0 * 10**power for power in range(8))


class Metrics:
    """The sidecar's metrics; attributes are the collectors."""

    def __init__(self, namespace: str, actor: str, transport: str) -> None:
        self.registry = CollectorRegistry()
        self.namespace = namespace
        self.actor = actor
        self.transport = transport

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace=namespace, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, namespace=namespace, registry=self.registry, buckets=buckets)

        self._received = counter("messages_received_total", "Envelopes received.", "queue", "transport")
        self._processed = counter("messages_processed_total", "Envelopes processed.", "queue", "status")
        self._sent = counter("messages_sent_total", "Envelopes sent.", "destination_queue", "message_type")
        self._failed = counter("messages_failed_total", "Envelopes failed.", "queue", "reason")
        self._runtime_errors = counter("runtime_errors_total", "Failed handler calls.", "queue", "error_type")
        self._processing_s = histogram(
            "processing_duration_seconds", "From receipt to settlement.", DURATION_BUCKETS_S, "queue"
        )
        self._runtime_s = histogram("runtime_execution_duration_seconds", "Handler call.", DURATION_BUCKETS_S, "queue")
        self._receive_s = histogram(
            "queue_receive_duration_seconds", "Receive call.", RECEIVE_BUCKETS_S, "queue", "transport"
        )
        self._send_s = histogram(
            "queue_send_duration_seconds", "Confirmed send.", SEND_BUCKETS_S, "destination_queue", "transport"
        )
        self._size = histogram("envelope_size_bytes", "Envelope size.", SIZE_BUCKETS_BYTES, "direction")
        self._reports = counter("gateway_reports_total", "Reports to the gateway.", "kind", "result")
        self._reports_waiting = Gauge(
            "gateway_reports_waiting", "Reports that wait.", namespace=namespace, registry=self.registry
        )
        self._told_coalesced = self._told_dropped = 0
        self._active = Gauge("active_messages", "Envelopes in hand.", namespace=namespace, registry=self.registry)
        # Children are looked up once: a label lookup costs more than the increment.
        self._received_here = self._received.labels(actor, transport)
        self._processing_here = self._processing_s.labels(actor)
        self._runtime_here = self._runtime_s.labels(actor)
        self._receive_here = self._receive_s.labels(actor, transport)
        self._sends: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._size_in, self._size_out = self._size.labels("received"), self._size.labels("sent")

    def received(self, size_bytes: int) -> None:
        """An envelope came in."""
        self._received_here.inc()
        self._size_in.observe(size_bytes)

    def receive_took(self, duration_s: float) -> None:
        """A receive call that brought something ended."""
        self._receive_here.observe(duration_s)

    def sent(self, queue: str, kind: str, size_bytes: int, duration_s: float) -> None:
        """A send was confirmed."""
        children = self._sends.get((queue, kind))
        if children is None:
            children = self._sent.labels(queue, kind), self._send_s.labels(queue, self.transport)
            self._sends[queue, kind] = children
        children[0].inc()
        children[1].observe(duration_s)
        self._size_out.observe(size_bytes)

    def called(self, duration_s: float) -> None:
        """A handler call ended, however."""
        self._runtime_here.observe(duration_s)

    def settled(self, result: str, failed_reason: str | None, duration_s: float) -> None:
        """A delivery was settled."""
        if failed_reason is None:
            self._processed.labels(self.actor, result).inc()
        elif result != "retried":
            self._failed.labels(self.actor, failed_reason).inc()
        if failed_reason == "runtime_error":
            self._runtime_errors.labels(self.actor, "execution_error").inc()
        self._processing_here.observe(duration_s)

    def in_hand(self, count: int) -> None:
        """So many envelopes are being processed now."""
        self._active.set(count)

    def reported(self, kind: str, result: str) -> None:
        """The gateway took a report, refused it, or could not be asked."""
        self._reports.labels(kind, result).inc()

    def reports_waiting(self, waiting: int, coalesced: int, dropped: int) -> None:
        """So many reports wait; so many have given way to newer ones, or were given up, since the start."""
        self._reports_waiting.set(waiting)
        self._reports.labels("progress", "coalesced").inc(coalesced - self._told_coalesced)
        self._reports.labels("progress", "dropped").inc(dropped - self._told_dropped)
        self._told_coalesced, self._told_dropped = coalesced, dropped
