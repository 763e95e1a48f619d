"""Lines of logs as values: whose, when, what. Our processes write JSON, handlers and tracebacks whatever they like. Pure.

A line that tells no time has that of the line before it in its log, so that a traceback stays behind its error.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?) - (\S+) - ([A-Z]+) - (.*)", re.DOTALL)
"""What the runtime writes, in local time, in the form of Asya 0.1.1; in a local mesh with milliseconds."""
_TRACEBACK: Final = "Traceback (most recent call last)"
_TOLD: Final = frozenset({"time", "level", "message", "logger"})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a process's log.

    Attributes:
        at_s: When, seconds since 1970.
        source: Which log: ``actor/number-process``, ``gateway/gateway``, ``supervisor``.
        message: What it says.
        level: ``INFO`` and so on; empty of what a handler prints.
        fields: What a JSON line has besides.
        raw: As it was written.
    """

    at_s: float
    source: str
    message: str
    level: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    raw: str = ""

    @property
    def actor(self) -> str:
        """Whose process it is."""
        return self.source.partition("/")[0]

    @property
    def time(self) -> str:
        """When, in UTC."""
        return datetime.fromtimestamp(self.at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def __str__(self) -> str:
        """Write it for people, in the one form of all logs."""
        known = " ".join(f"{name}={_short(value)}" for name, value in self.fields.items())
        return " ".join(part for part in (self.time, self.source, self.level, self.message, known) if part)

    def as_json(self) -> dict[str, Any]:
        """Shape it for ``--json``."""
        told = {"time": self.time, "source": self.source, "level": self.level or None, "message": self.message}
        return {**told, "fields": dict(self.fields)}


def read_lines(source: str, lines: Iterable[str], before_s: float) -> Iterator[LogLine]:
    """Read the lines of one log in their order.

    Args:
        source: Its name.
        lines: Without their line ends.
        before_s: The time of a line that tells none and that none with a time precedes.
    """
    at_s = before_s
    for line in lines:
        made = _json_line(source, line) or _stamped_line(source, line) or LogLine(at_s, source, line, raw=line)
        at_s = made.at_s
        yield made


def newest(lines: list[str], count: int) -> list[str]:
    """The newest lines of a log; where that would begin within a traceback, with its head and the line that it belongs to."""
    if count <= 0 or not lines:
        return []
    begin = max(len(lines) - count, 0)
    told = next((place for place in range(begin, -1, -1) if _tells_a_time(lines[place])), -1)
    head = next((place for place in range(told + 1, begin + 1) if _TRACEBACK in lines[place]), None)
    if head is None:
        return lines[begin:]
    return lines[told:] if 0 <= told == head - 1 else lines[head:]


def _tells_a_time(line: str) -> bool:
    return (_json_line("", line) or _stamped_line("", line)) is not None


def mentions(envelope_id: str, line: str) -> bool:
    """Whether a line is about an envelope, or about one that its fan-outs made: an id as a whole, not as a part of another."""
    return envelope_id in line and re.search(rf"(?<![\w.-]){re.escape(envelope_id)}(?![\w.-])", line) is not None


def _json_line(source: str, line: str) -> LogLine | None:
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
        at_s = datetime.fromisoformat(document["time"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return None
    fields = {name: value for name, value in document.items() if name not in _TOLD}
    return LogLine(at_s, source, str(document.get("message", "")), str(document.get("level", "")), fields, line)


def _stamped_line(source: str, line: str) -> LogLine | None:
    found = _STAMP.fullmatch(line)
    if found is None:
        return None
    at_s = datetime.fromisoformat(found[1]).astimezone().timestamp()
    return LogLine(at_s, source, found[4], found[3], raw=line)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text else text
