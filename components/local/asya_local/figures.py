"""Figures of one actor for the eye: sums over the lives of its sidecars, a rate, a median, the age of its queue. Pure.

The envelopes themselves are safe in the queues, so what a sidecar did between the last scrape and its death may be missing.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

PREFIX: Final = "asya_actor_"
WINDOW_S: Final = 10.0
"""Rate and median cover this time: long enough to be calm, short enough to show what changed a moment ago."""
SAMPLE_S: Final = 1.0
"""Metrics are scraped once a second; sampling more often would only cost memory."""
MAX_ARRIVALS: Final = 1000
"""Beyond it every second sample is forgotten: hours of backlog need no precision of seconds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one sidecar, counted since its start.

    Attributes:
        active: Envelopes that it works on now.
        done: Envelopes processed.
        failed: Envelopes failed.
        received: Envelopes received.
        calls: Handler calls that took at most so many seconds, by that bound (infinity: all of them).
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
    """Sums of one actor over all its sidecars and their restarts."""

    done: int = 0
    failed: int = 0
    received: int = 0
    calls: dict[float, float] = field(default_factory=dict)

    def add(self, previous: Reading | None, current: Reading) -> None:
        """Add what happened since the previous reading of the same process; ``None``: since its start."""
        before = previous or Reading()
        self.done += current.done - before.done
        self.failed += current.failed - before.failed
        self.received += current.received - before.received
        for bound_s, count in current.calls.items():
            self.calls[bound_s] = self.calls.get(bound_s, 0.0) + count - before.calls.get(bound_s, 0.0)


class Pace:
    """How fast an actor works: rate and median over the window, from samples of its sums."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, Mapping[float, float]]] = deque()

    def add(self, now_s: float, finished: int, calls: Mapping[float, float]) -> None:
        """Take the sums as of now.

        Args:
            now_s: Monotonic time.
            finished: Envelopes finished so far, well or not.
            calls: Handler calls so far, as ``Reading.calls``.
        """
        if self._samples and now_s - self._samples[-1][0] < SAMPLE_S:
            return
        self._samples.append((now_s, finished, dict(calls)))
        # One sample from before the window stays, so that a full window lies between the ends.
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= WINDOW_S:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Envelopes finished per second."""
        if len(self._samples) < 2:
            return 0.0
        (first_s, first, _), (last_s, last, _) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s)

    @property
    def p50_s(self) -> float | None:
        """Median duration of a handler call; ``None`` without a call, the last bound when it is beyond that."""
        return self._quantile(0.5)

    @property
    def p99_s(self) -> float | None:
        """The 99th percentile, likewise."""
        return self._quantile(0.99)

    def _quantile(self, share: float) -> float | None:
        if not self._samples:
            return None
        first, last = self._samples[0][2], self._samples[-1][2]
        return _quantile({bound: count - first.get(bound, 0.0) for bound, count in last.items()}, share)


def _quantile(calls: Mapping[float, float], share: float) -> float | None:
    """A quantile of a cumulative histogram, as Prometheus' ``histogram_quantile`` works it out."""
    total = max(calls.values(), default=0.0)
    if total <= 0:
        return None
    low_s = below = 0.0
    for bound_s, count in sorted(calls.items()):
        if count >= total * share:
            inside = count - below
            return low_s if math.isinf(bound_s) else low_s + (bound_s - low_s) * (total * share - below) / inside
        low_s, below = bound_s, count
    return None


class Backlog:
    """How long the oldest envelope of a queue has been waiting, worked out from counts.

    No broker says it cheaply: SQS only to CloudWatch, minutes late, and RabbitMQ not at all for quorum queues. But a queue is
    first in, first out: the oldest one arrived when as many had arrived as have been taken by now, and one more. It is exact
    to about a second; too high, until the queue is empty once, after a sidecar died with takes uncounted.
    """

    def __init__(self) -> None:
        self._arrived: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, taken: int, waiting: int) -> None:
        """Take the counts as of now.

        Args:
            now_s: Monotonic time.
            taken: Envelopes that were ever taken from the queue.
            waiting: Envelopes that wait in it.
        """
        if waiting == 0:
            self._arrived.clear()
            return
        if not self._arrived or taken + waiting > self._arrived[-1][1]:
            self._arrived.append((now_s, taken + waiting))
        while len(self._arrived) > 1 and self._arrived[0][1] <= taken:
            self._arrived.popleft()
        if len(self._arrived) > MAX_ARRIVALS:
            self._arrived = deque(list(self._arrived)[::2])

    def oldest_s(self, now_s: float) -> float | None:
        """Seconds for which the oldest has been waiting, ``None`` when nothing waits."""
        return now_s - self._arrived[0][0] if self._arrived else None
