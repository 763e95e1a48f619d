"""The moment before which no handler may take an envelope: header ``x-asya-not-before``. Pure: the time is an argument.

RFC 3339 with a zone, such as ``2026-12-01T08:00:00Z``; https://www.rfc-editor.org/rfc/rfc3339#section-5.6. A moment that has
passed is no wait at all, so that a repetition of what was sent is never refused for being late.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from asya_protocol import names
from asya_protocol.durations import format_duration
from asya_protocol.envelope import format_time
from asya_protocol.errors import InvalidEnvelope

LONGEST_WAIT: Final = "168h"
"""The longest wait where nothing else is set: a cancel is remembered for longer than that."""
EXAMPLE: Final = "2026-12-01T08:00Z"


def parse_moment(text: object) -> datetime:
    """Read a moment, in UTC.

    Raises:
        ValueError: It is none, or has no zone; says how to write it.
    """
    wanted = f"must be a time with its zone such as {EXAMPLE} or 2026-12-01T09:00+01:00"
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError(f"{wanted}, not {str(text)[:60]!r}")
    if moment.tzinfo is None:
        raise ValueError(f"{wanted}: {text!r} has no zone, so that nobody knows when that is")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{wanted}, not {text!r}") from None


def choose(delay_s: float | None, moment: str | None, now: datetime, longest_s: float) -> datetime | None:
    """Choose the moment that a sender asks for; ``None`` where it asks for none, or for one that has passed.

    Args:
        delay_s: Seconds from now.
        moment: A time with its zone.
        now: UTC.
        longest_s: No wait is longer.

    Raises:
        ValueError: Both are given, or one that cannot be; the text goes behind the name of what was given.
    """
    if delay_s is not None and moment is not None:
        raise ValueError("gives a delay and a moment; one of them is enough")
    if delay_s is not None:
        if not math.isfinite(delay_s) or delay_s < 0:
            raise ValueError(f"must be a number of seconds, 0 or more, not {delay_s}")
        if delay_s > longest_s:
            raise ValueError(_too_long(delay_s, longest_s))
        return now + timedelta(seconds=delay_s) if delay_s else None
    if moment is None:
        return None
    found = parse_moment(moment)
    left_s = (found - now).total_seconds()
    if left_s > longest_s:
        raise ValueError(_too_long(left_s, longest_s))
    return found if left_s > 0 else None


def read_not_before(headers: Mapping[str, object]) -> datetime | None:
    """Read an envelope's moment; ``None`` where it has none.

    Raises:
        InvalidEnvelope: It cannot be read; the text names the header.
    """
    found = headers.get(names.HEADER_NOT_BEFORE)
    if found is None:
        return None
    try:
        return parse_moment(found)
    except ValueError as exc:
        raise InvalidEnvelope(f"Header {names.HEADER_NOT_BEFORE!r} {exc}") from None


def header_of(moment: datetime | None) -> dict[str, object]:
    """The header for a moment, empty for none."""
    return {} if moment is None else {names.HEADER_NOT_BEFORE: format_time(moment)}


def left_s(moment: datetime | None, now: datetime) -> float:
    """Seconds that are left until a moment, 0 where there is none or it has passed."""
    return 0.0 if moment is None else max(0.0, (moment - now).total_seconds())


def _too_long(wait_s: float, longest_s: float) -> str:
    wait, longest = format_duration(round(wait_s)), format_duration(longest_s)
    return f"is a wait of {wait}, longer than the {longest} that ASYA_LONGEST_WAIT allows"
