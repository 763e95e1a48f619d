"""What an actor's sidecars have done, summed over the lives of their processes. Pure.

A sidecar counts from zero in each life; the mesh wants the sum. What a sidecar did between the last look and its death
is not in the sum: these figures are for the eye, the envelopes themselves are safe in the queues.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

PREFIX = "asya_actor_"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a sidecar's metrics.

    Attributes:
        active: Envelopes in its hands.
        done: Processed in this life.
        failed: Failed in this life.
        received: Received in this life.
        calls: Handler calls in this life that took at most so many seconds, by that bound (infinity: all of them).
    """

    active: int = 0
    done: int = 0
    failed: int = 0
    received: int = 0
    calls: Mapping[float, float] = field(default_factory=dict)


def read_metrics(text: str) -> Reading:
    """Read a sidecar's metrics page.

    Raises:
        ValueError: It is no Prometheus text.
    """
    sums: dict[str, float] = {}
    calls: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if sample.name == f"{PREFIX}runtime_execution_duration_seconds_bucket":
                bound_s = float(sample.labels["le"])
                calls[bound_s] = calls.get(bound_s, 0.0) + sample.value
    return Reading(
        active=int(sums.get(f"{PREFIX}active_messages", 0)),
        done=int(sums.get(f"{PREFIX}messages_processed_total", 0)),
        failed=int(sums.get(f"{PREFIX}messages_failed_total", 0)),
        received=int(sums.get(f"{PREFIX}messages_received_total", 0)),
        calls=calls,
    )


@dataclass(slots=True)
class Tally:
    """Sums of one actor."""

    done: int = 0
    failed: int = 0
    received: int = 0
    calls: dict[float, float] = field(default_factory=dict)

    def add(self, previous: Reading | None, current: Reading) -> None:
        """Add what happened since the previous look at the same process; none: since its start."""
        self.done += current.done - (previous.done if previous else 0)
        self.failed += current.failed - (previous.failed if previous else 0)
        self.received += current.received - (previous.received if previous else 0)
        for bound_s, count in current.calls.items():
            before = previous.calls.get(bound_s, 0.0) if previous else 0.0
            self.calls[bound_s] = self.calls.get(bound_s, 0.0) + count - before
