"""Makes Prometheus collectors of a process's table of metrics; the one place where they are made."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from asya_process.metric import SPANS_LOST, Metric

_go: Callable[[float], str] = floatToGoString
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

    def tallies(self, metric: Metric) -> "Tallies":
        """A histogram that one thread alone tells, where every microsecond counts."""
        made = Tallies(self._named(metric, "histogram"), metric)
        self.registry.register(made)
        return made

    def watch(self, metric: Metric, look: Callable[[], Samples]) -> None:
        """Have a counter or a gauge read when it is scraped, by another thread, instead of told when it changes."""
        self.registry.register(_Watched(self._prefix, metric, look))

    def _named(self, metric: Metric, kind: str) -> str:
        if metric.kind != kind:
            raise TypeError(f"{metric.name} is a {metric.kind}, no {kind}")
        return f"{self._prefix}_{metric.name}"


class Tally:
    """One histogram: what the library's would count, in a quarter of its time, as one thread alone may tell it.

    Another thread may read it meanwhile; it sees a sum and counts that differ by one value at most.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper bound, infinity last, and the sum."""
        bounds = [*(_go(bound) for bound in self._bounds), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(self._counts), strict=True)], self._sum


class Tallies(Collector):
    """The tallies of one metric, by the values of its labels."""

    def __init__(self, name: str, metric: Metric) -> None:
        self._name = name
        self._metric = metric
        self._of: dict[tuple[str, ...], Tally] = {}

    def labels(self, *values: str) -> Tally:
        """The one of these values, in the order of the metric's labels."""
        return self._of.setdefault(values, Tally(self._metric.buckets))

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Its name, which no other metric may have."""
        return (HistogramMetricFamily(self._name, self._metric.help, labels=self._metric.labels),)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """As Prometheus reads them."""
        (family,) = self.describe()
        for values, tally in tuple(self._of.items()):
            buckets, total = tally.read()
            family.add_metric(values, buckets, total)
        yield family


def count_lost_spans(prefix: str, registry: CollectorRegistry) -> Counter:
    """Make the counter of lost spans, where traces are on."""
    return Counter(f"{prefix}_{SPANS_LOST.name}", SPANS_LOST.help, registry=registry)


class _Watched(Collector):
    def __init__(self, prefix: str, metric: Metric, look: Callable[[], Samples]) -> None:
        self._name = f"{prefix}_{metric.name}"
        self._metric = metric
        self._look = look

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        make = CounterMetricFamily if self._metric.kind == "counter" else GaugeMetricFamily
        return (make(self._name, self._metric.help, labels=self._metric.labels),)

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        (family,) = self.describe()
        for values, value in self._look().items():
            family.add_metric(values, value)
        yield family
