"""The operator's metrics; names of our own, labels bounded by kinds and verbs, never by actors."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and gauges of one operator process."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.reconciles: Final = Counter(
            "asya_operator_reconciles_total", "Reconciles of an actor.", ["result"], registry=self.registry
        )
        self.reconcile_seconds: Final = Histogram(
            "asya_operator_reconcile_duration_seconds",
            "One reconcile of an actor.",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.api_calls: Final = Counter(
            "asya_operator_api_requests_total",
            "Requests to the Kubernetes API, watches not counted.",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self.api_seconds: Final = Histogram(
            "asya_operator_api_request_duration_seconds",
            "One request to the Kubernetes API.",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.actors: Final = Gauge("asya_operator_actors", "AsyncActors by status.", ["status"], registry=self.registry)
        self.waiting: Final = Gauge(
            "asya_operator_work_queue_depth", "Actors waiting to be reconciled.", registry=self.registry
        )
        self.leader: Final = Gauge(
            "asya_operator_leader", "Whether this replica does the work.", registry=self.registry
        )

    def observe_call(self, verb: str, plural: str, status: int, seconds: float) -> None:
        """Count one request to the Kubernetes API."""
        self.api_calls.labels(verb, plural, str(status) if status else "none").inc()
        self.api_seconds.observe(seconds)

    def count_statuses(self, counts: dict[str, int]) -> None:
        """Show how many actors are in which status."""
        self.actors.clear()
        for status, count in counts.items():
            self.actors.labels(status).set(count)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
