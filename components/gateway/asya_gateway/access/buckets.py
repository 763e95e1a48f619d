"""The rate limit of one process: a token bucket per caller. Pure."""

from typing import Final

CALLERS_MOST: Final = 10_000
"""Callers remembered; beyond, those whose bucket is full again are forgotten, which changes nothing for them."""


class Buckets:
    """A token bucket per caller, for the rate limit of this process.

    Args:
        per_second: Requests that come back every second.
        burst: Requests that a caller may make at once after a pause.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._levels: dict[str, tuple[float, float]] = {}
        self.owed: set[str] = set()
        """Callers that may list tools once more than their rate allows."""

    def take(self, caller: str, now_s: float) -> float:
        """Take one request from the bucket; returns 0, or the seconds to wait where the bucket is empty."""
        level, seen_s = self._levels.get(caller, (self._burst, now_s))
        level = min(self._burst, level + max(0.0, now_s - seen_s) * self._per_second)
        missing = 1.0 - level
        self._levels.pop(caller, None)  # so that whoever was seen last stands last
        self._levels[caller] = (level if missing > 0 else level - 1.0, now_s)
        if len(self._levels) > CALLERS_MOST:
            self._forget(now_s)
        return max(0.0, missing) / self._per_second

    def _forget(self, now_s: float) -> None:
        full_after_s = self._burst / self._per_second
        kept = {who: level for who, level in self._levels.items() if now_s - level[1] < full_after_s}
        # So many strangers at once are a flood: whoever was seen longest ago is let off.
        self._levels = dict(list(kept.items())[-CALLERS_MOST:])
        self.owed &= self._levels.keys()
