"""How fast an actor works, from sums that are looked at again and again: a rate and a median over the last seconds. Pure.

The median comes from a histogram, so it is as exact as the buckets are fine: within one, calls count as evenly spread.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0
"""Long enough to be calm, short enough to show what changed a moment ago."""
LOOK_S: Final = 1.0
"""Sums change once a second, with the metrics; looking more often would only cost memory."""


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    finished: int
    calls: Mapping[float, float]


class Pace:
    """Remembers an actor's sums over the window."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque()

    def look(self, now_s: float, finished: int, calls: Mapping[float, float]) -> None:
        """Take the sums as of now.

        Args:
            now_s: Monotonic time.
            finished: Envelopes finished so far, well or not.
            calls: Handler calls so far that took at most so many seconds, by that bound.
        """
        if self._looks and now_s - self._looks[-1].at_s < LOOK_S:
            return
        self._looks.append(_Look(now_s, finished, dict(calls)))
        # One look from before the window stays, so that a full window lies between the ends.
        while len(self._looks) > 2 and now_s - self._looks[1].at_s >= WINDOW_S:
            self._looks.popleft()

    @property
    def rate(self) -> float:
        """Envelopes finished per second."""
        if len(self._looks) < 2:
            return 0.0
        first, last = self._looks[0], self._looks[-1]
        return (last.finished - first.finished) / (last.at_s - first.at_s)

    @property
    def p50_s(self) -> float | None:
        """The handler calls' median; ``None`` without a call in the window, the last bound when it is beyond that."""
        if not self._looks:
            return None
        first, last = self._looks[0].calls, self._looks[-1].calls
        return _median({bound: count - first.get(bound, 0.0) for bound, count in last.items()})


def _median(calls: Mapping[float, float]) -> float | None:
    """The median of a cumulative histogram, as Prometheus' ``histogram_quantile`` works it out."""
    total = max(calls.values(), default=0.0)
    if total <= 0:
        return None
    low_s = below = 0.0
    for bound_s, count in sorted(calls.items()):
        if count >= total / 2:
            inside = count - below
            return low_s if math.isinf(bound_s) else low_s + (bound_s - low_s) * (total / 2 - below) / inside
        low_s, below = bound_s, count
    return None
