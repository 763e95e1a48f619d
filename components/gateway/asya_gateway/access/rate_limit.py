"""How often one caller may ask: a bucket of requests that refills steadily. Pure; time is an argument, in seconds."""

from typing import Final

MOST: Final = 10_000
"""Callers remembered; beyond, those whose bucket is full again are forgotten, which changes nothing for them."""


class Buckets:
    """One bucket per caller, of this process.

    Args:
        per_second: Requests that come back every second.
        burst: Requests that a caller may make at once after a pause.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, now_s: float) -> float:
        """Take one request; seconds until there is one, 0 when it was taken."""
        level, seen_s = self._levels.get(caller, (self._burst, now_s))
        level = min(self._burst, level + max(0.0, now_s - seen_s) * self._per_second)
        missing = 1.0 - level
        self._levels[caller] = (level if missing > 0 else level - 1.0, now_s)
        if len(self._levels) > MOST:
            self._forget(now_s)
        return max(0.0, missing) / self._per_second

    def _forget(self, now_s: float) -> None:
        full_after_s = self._burst / self._per_second
        self._levels = {who: kept for who, kept in self._levels.items() if now_s - kept[1] < full_after_s}
