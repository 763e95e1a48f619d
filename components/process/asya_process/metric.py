"""A metric, said once: name, kind, labels, unit, help and buckets. Pure.

Each process that has metrics has a table of these in a module ``metric_table``; ``asya_process.metrics`` makes the
collectors of them, docs/metrics.md is made from the same tables, and alerts and dashboards are checked against them.
"""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]

CALL_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Asya 0.1.1's, which end at two minutes, and four more: inference jobs run for an hour. Its queries read these alike."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a process.

    Attributes:
        name: Without the prefix of its process.
        kind: What Prometheus takes it for.
        help: What it counts, as one sentence.
        labels: Names of its labels, each with few values.
        unit: ``s``, ``bytes``, or what is counted.
        buckets: Upper bounds of a histogram, without infinity.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (self.kind == "histogram") != bool(self.buckets):
            raise ValueError(f"{self.name}: a histogram has buckets, and nothing else has")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: a counter's name ends with _total, and no other does")


SPANS_LOST: Final = Metric("trace_spans_lost_total", "counter", "Spans that no collector has got.", (), "spans")
"""Of every process that records traces, while it does."""
