"""Makes Prometheus collectors of a process's table of metrics; the one place where they are made."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from asya_process.metric import SPANS_LOST, Metric

Samples = Mapping[tuple[str, ...], float]
"""By the values of a metric's labels."""


class Maker:
    """Makes collectors under one prefix in one registry."""

    def __init__(self, prefix: str) -> None:
        self.registry = CollectorRegistry()
        self._prefix = prefix

    def counter(self, metric: Metric) -> Counter:
        """A counter of the table."""
        return Counter(self._named(metric, "counter"), metric.help, metric.labels, registry=self.registry)

    def gauge(self, metric: Metric) -> Gauge:
        """A gauge of the table."""
        return Gauge(self._named(metric, "gauge"), metric.help, metric.labels, registry=self.registry)

    def histogram(self, metric: Metric) -> Histogram:
        """A histogram of the table."""
        name = self._named(metric, "histogram")
        return Histogram(name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)

    def watch(self, metric: Metric, look: Callable[[], Samples]) -> None:
        """Have a counter or a gauge read when it is scraped, by another thread, instead of told when it changes."""
        self.registry.register(_Watched(self._prefix, metric, look))

    def _named(self, metric: Metric, kind: str) -> str:
        if metric.kind != kind:
            raise TypeError(f"{metric.name} is a {metric.kind}, no {kind}")
        return f"{self._prefix}_{metric.name}"


def count_lost_spans(prefix: str, registry: CollectorRegistry) -> Counter:
    """Make the counter of lost spans, where traces are on."""
    return Counter(f"{prefix}_{SPANS_LOST.name}", SPANS_LOST.help, registry=registry)


class _Watched(Collector):
    def __init__(self, prefix: str, metric: Metric, look: Callable[[], Samples]) -> None:
        self._name = f"{prefix}_{metric.name}"
        self._metric = metric
        self._look = look

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        make = CounterMetricFamily if self._metric.kind == "counter" else GaugeMetricFamily
        family = make(self._name, self._metric.help, labels=self._metric.labels)
        for values, value in self._look().items():
            family.add_metric(values, value)
        yield family
