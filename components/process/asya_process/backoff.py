"""Pauses between attempts: doubled each time, none longer than a bound. Pure; whoever waits has the clock."""

from collections.abc import Iterator
from itertools import count


def pause_after(failures: int, first_s: float, most_s: float) -> float:
    """Seconds to wait after so many failures in a row, counted from 1."""
    # The exponent is bounded because 2.0 ** 1024 is an error, not infinity.
    return min(first_s * 2.0 ** min(failures - 1, 32), most_s)


def pauses(first_s: float, most_s: float, attempts: int | None = None) -> Iterator[float]:
    """Yield the pauses between so many attempts; ``None`` is without end."""
    numbers = count(1) if attempts is None else range(1, attempts)
    return (pause_after(failures, first_s, most_s) for failures in numbers)
