"""Schedules as tool files have them, below ``schedules``: which tool is called, with what, and when. Pure.

The cron expression and the zone are text here; whoever runs schedules knows what they mean (``asya_gateway.schedules.cron``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec

from asya_manifest.tools import InvalidTools, Texts, Tool, read_documents
from asya_protocol.durations import format_duration, parse_duration

LONGEST_CATCH_UP_S: Final = 23 * 3600.0
"""A call's key, which keeps a fire from being made twice, stands for a day."""
SHORTEST_CATCH_UP_S: Final = 30.0
"""Longer than a gateway takes to take over what another one was about to send when it died."""

Overlap = Literal["skip", "allow"]


class _Entry(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    tool: str
    cron: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    time_zone: str = "UTC"
    jitter: str = "0s"
    overlap: Overlap = "skip"
    catch_up: str = "5m"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a tool is called by itself.

    Attributes:
        name: Unique; part of what a fire is known by, so that another name fires anew.
        tool: The tool's name.
        cron: Five fields, or ``@daily`` and its like.
        arguments: Of every call.
        time_zone: IANA name of the zone in which ``cron`` is meant.
        jitter_s: Fires are spread over so many seconds, each by the same amount on every replica.
        overlap: What becomes of a fire while the envelope of the one before is still open: it is skipped, or made all the same.
        catch_up_s: A fire that was missed is made up for so long.
    """

    name: str
    tool: str
    cron: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    time_zone: str = "UTC"
    jitter_s: float = 0.0
    overlap: Overlap = "skip"
    catch_up_s: float = 300.0


def parse_schedules(texts: Texts, tools: Mapping[str, Tool]) -> dict[str, Schedule]:
    """Read the schedules of tool files.

    Args:
        texts: Of the files.
        tools: The tools that the same files define.

    Raises:
        InvalidTools: A rule is broken; the text names the file and the place.
    """
    found: dict[str, Schedule] = {}
    for file, document in read_documents(texts):
        entries = document.get("schedules") or []
        if not isinstance(entries, list):
            raise InvalidTools(f"{file}: schedules must be a list")
        for place, entry in enumerate(entries):
            schedule = _read(entry, f"{file}: schedules[{place}]", tools)
            if schedule.name in found:
                raise InvalidTools(f'{file}: duplicate schedule name: "{schedule.name}"')
            found[schedule.name] = schedule
    return found


def _read(value: object, where: str, tools: Mapping[str, Tool]) -> Schedule:
    try:
        entry = msgspec.convert(value, type=_Entry)
        msgspec.json.encode(entry.arguments)
    except (msgspec.ValidationError, TypeError) as exc:
        raise InvalidTools(f"{where}: {exc}") from None
    where = f"{where} ({entry.name})"
    if entry.tool not in tools:
        raise InvalidTools(f'{where}: there is no tool "{entry.tool}"')
    catch_up_s = _seconds(entry.catch_up, f"{where}.catchUp")
    jitter_s = _seconds(entry.jitter, f"{where}.jitter")
    if not SHORTEST_CATCH_UP_S <= catch_up_s <= LONGEST_CATCH_UP_S - jitter_s:
        low, high = format_duration(SHORTEST_CATCH_UP_S), format_duration(LONGEST_CATCH_UP_S)
        raise InvalidTools(f"{where}.catchUp: must be at least {low}, and with the jitter at most {high}")
    return Schedule(
        name=entry.name,
        tool=entry.tool,
        cron=entry.cron,
        arguments=entry.arguments,
        time_zone=entry.time_zone,
        jitter_s=jitter_s,
        overlap=entry.overlap,
        catch_up_s=catch_up_s,
    )


def _seconds(text: str, where: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise InvalidTools(f"{where}: {exc}") from None
