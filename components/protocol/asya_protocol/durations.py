"""Parses and formats durations as settings write them: ``5m``, ``1h30m``, ``250ms``.

Source: Go ``time.ParseDuration`` (https://pkg.go.dev/time#ParseDuration), whose notation existing manifests use.
"""

import re
from typing import Final

_UNITS_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")


def parse_duration(text: str) -> float:
    """Read a duration in Go's notation, or a bare number of seconds.

    Args:
        text: e.g. ``"5m"``, ``"1m30s"``, ``"0"``, ``"2.5"``.

    Returns:
        Seconds, never negative.

    Raises:
        ValueError: The text is no duration; its message shows the accepted form.
    """
    stripped = text.strip()
    try:
        seconds = float(stripped)
    except ValueError:
        seconds = _sum_parts(stripped)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is not a duration of zero or more; write it like 30s, 5m or 1h30m")
    return seconds


def _sum_parts(text: str) -> float:
    total, position = 0.0, 0
    for match in _PART.finditer(text):
        if match.start() != position:
            break
        total += float(match[1]) * _UNITS_S[match[2]]
        position = match.end()
    if position != len(text) or not text:
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 5m or 1h30m")
    return total


def format_duration(seconds: float) -> str:
    """Write seconds in Go's notation, as Asya 0.1.1's error texts do: ``5s``, ``5m0s``, ``1h0m0s``, ``250ms``."""
    if seconds == 0:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    whole_minutes, rest_s = divmod(round(seconds, 9), 60)
    hours, minutes = divmod(int(whole_minutes), 60)
    text = f"{rest_s:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
