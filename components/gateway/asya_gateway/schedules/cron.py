"""When a schedule fires. Pure: the time is an argument; the only module here that knows croniter.

A job at a fixed hour fires once on the day on which its hour comes twice, and at the first moment after the gap on the day on
which it does not come at all; a job of every hour (``*`` in its hour) fires by elapsed time. So does cron of Debian
(https://manpages.debian.org/cron.8, "daylight saving").
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter

from asya_manifest.schedules import Schedule

FARTHEST_YEARS: Final = 30
"""A 29th of February that is a Monday is 28 years away at most."""
_BY_CHANCE: Final = re.compile(r"(?i)(?:^|[\s,])[hr](?:$|[\s,(/])")
_FIELDS: Final = 5


def check(schedule: Schedule, now: datetime) -> None:
    """Make sure that a schedule fires.

    Raises:
        ValueError: Its cron expression or its zone is none, or it never fires; says which.
    """
    text = schedule.cron.strip()
    if not text.startswith("@") and len(text.split()) != _FIELDS:
        raise ValueError(f"cron {text!r} must have five fields: minute, hour, day of month, month, day of week")
    if _BY_CHANCE.search(text):
        raise ValueError(f"cron {text!r} leaves a field to chance, which differs by replica; use jitter")
    try:
        _zone(schedule)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"timeZone {schedule.time_zone!r} is no IANA name such as Europe/Berlin") from None
    try:
        next(fires_after(schedule, now))
    except (ValueError, KeyError) as exc:
        problem = "never fires" if "failed to find" in str(exc) else f"cannot be read: {exc}"
        raise ValueError(f"cron {text!r} {problem}") from None


def fires_after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield the fires after a moment, in UTC, without jitter."""
    every_hour = schedule.cron.strip().startswith("@") or schedule.cron.split()[1].startswith("*")
    found = croniter(
        schedule.cron.strip(),
        moment.astimezone(_zone(schedule)),
        ret_type=datetime,
        max_years_between_matches=FARTHEST_YEARS,
    )
    while True:
        fire: datetime = found.get_next()
        if every_hour or not _is_second(fire):
            yield fire.astimezone(UTC)


def due(schedule: Schedule, now: datetime) -> list[datetime]:
    """List the fires, oldest first, whose turn has come and is not yet too long ago."""
    found: list[datetime] = []
    begin = now - timedelta(seconds=schedule.catch_up_s + schedule.jitter_s)
    for fire in fires_after(schedule, begin):
        if fire > now:
            return found
        turn = fire + timedelta(seconds=jitter_s(schedule, fire))
        if turn <= now < turn + timedelta(seconds=schedule.catch_up_s):
            found.append(fire)
    return found


def before(schedule: Schedule, fire: datetime, within_s: float) -> list[datetime]:
    """List the fires of the time before one, newest first."""
    found: list[datetime] = []
    for earlier in fires_after(schedule, fire - timedelta(seconds=within_s)):
        if earlier >= fire:
            break
        found.append(earlier)
    return found[::-1]


def jitter_s(schedule: Schedule, fire: datetime) -> float:
    """Delay a fire, always the same one by as much."""
    digest = hashlib.sha256(f"{schedule.name} {fire.isoformat()}".encode()).digest()
    return schedule.jitter_s * int.from_bytes(digest[:4]) / 2**32


def _is_second(fire: datetime) -> bool:
    """Whether a clock has shown a moment's time before, an hour ago."""
    return bool(fire.fold) and fire.utcoffset() != fire.replace(fold=0).utcoffset()


def _zone(schedule: Schedule) -> ZoneInfo:
    return ZoneInfo(schedule.time_zone)
