"""The state of one fan-in group, and what to do next. Pure: the clock is an argument.

| known                                              | verdict                                             |
|----------------------------------------------------|-----------------------------------------------------|
| every child is here                                | join                                                |
| every child is here or given up, some given up     | fail; join those that are here where partial        |
| children are missing, or nobody knows how many     | wait                                                |
| the same, and the time is over                     | fail; join those that are here where partial        |
| the hop that opened it called it off               | join what is whole, else wait, then end in silence  |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from asya_protocol import names
from asya_protocol.partial import inside, lacking
from asya_protocol.trace import read_traceparent

MAX_COUNT: Final = 1_000_000
LACKS: Final = "lacks"
"""Of an entry: what its child was joined without, since it is of this group."""
MOST_LACKS: Final = 1000
"""Children of children that are named as missing."""


class Verdict(StrEnum):
    """What to do with a group now."""

    WAIT = "wait"
    JOIN = "join"
    FAIL = "fail"
    SILENCE = "silence"
    """Its end has been told elsewhere."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one envelope says of its innermost group.

    Attributes:
        group: The group's id.
        index: The child's place; ``None`` for a notice about the group and for a timer.
        count: How many children there are, where the sender knew.
        missing: Why the child will not come, for a notice about it.
        timer: Which round of the group's timer this is.
        called_off: Why nothing is to be joined, for a notice from the hop that opened the group.
        outer: The stack without this entry: the groups around it.
        trace: ``traceparent`` of an envelope that is traced.
        lacks: What the child itself was joined without, see ``partial.lacking``.
        place: Where in its route it came to fan-in, where that tells more than the route does.
    """

    group: str
    index: int | None = None
    count: int | None = None
    missing: str | None = None
    timer: str | None = None
    called_off: str | None = None
    outer: tuple[Any, ...] = ()
    trace: str | None = None
    lacks: tuple[int | str, ...] = ()
    place: int | None = None

    @property
    def opener(self) -> str:
        """Id of the envelope that opened the group."""
        return opener_of(self.group)

    @property
    def brings(self) -> bool:
        """Whether it is a child with its payload, not a notice or a timer."""
        return self.index is not None and self.missing is None and self.timer is None and self.called_off is None

    @property
    def token(self) -> str:
        """Names the envelope among those of its group; a redelivery has the same one."""
        if self.timer is not None:
            return f"timer-{self.timer}"
        if self.called_off is not None:
            return "called-off"
        if self.index is None:
            return "end"
        return f"{self.index}" if self.missing is None else f"{self.index}-missing"


@dataclass(slots=True)
class Group:
    """The children of one fan-out.

    Attributes:
        opener: Token of the envelope that was here first; it starts the timer.
        opened_s: When, seconds since 1970.
        count: How many there are; ``None`` while nobody knows.
        here: Indexes of those whose payload is kept.
        given_up: Index and reason of those that will not come.
        called_off: The hop that opened it did not come to its end; one that runs again may make it whole all the same.
        lacks: Of those that are here: what they were joined without themselves.
    """

    opener: str
    opened_s: float
    count: int | None = None
    here: set[int] = field(default_factory=set)
    given_up: dict[int, str] = field(default_factory=dict)
    called_off: bool = False
    lacks: dict[int, tuple[int | str, ...]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take in what an envelope says; a child that comes after all counts, one beyond the count does not."""
        if entry.count is not None:
            self.count = entry.count
            self.bound()
        if entry.index is not None and self.count is not None and entry.index >= self.count:
            return
        if entry.index is not None and entry.missing is None:
            self.here.add(entry.index)
            self.given_up.pop(entry.index, None)
            self.lacks.pop(entry.index, None)
            if entry.lacks:
                self.lacks[entry.index] = entry.lacks
        elif entry.index is not None and entry.index not in self.here:
            self.given_up[entry.index] = entry.missing or ""

    def bound(self) -> None:
        """Leave out what lies beyond the count: a run of the hop that was cut off made more than the one that counts."""
        if self.count is not None:
            self.here = {index for index in self.here if index < self.count}
            self.given_up = {index: reason for index, reason in self.given_up.items() if index < self.count}
            self.lacks = {index: lacks for index, lacks in self.lacks.items() if index < self.count}

    @property
    def missing(self) -> dict[int, str]:
        """Index and reason of every child that is not here, as far as the count is known."""
        known = range(self.count) if self.count is not None else sorted(self.given_up)
        return {index: self.given_up.get(index, "did not come") for index in known if index not in self.here}

    @property
    def incomplete(self) -> list[int | str]:
        """Everything that what is joined lacks: its own children, and children of children."""
        within = [path for index, lacks in sorted(self.lacks.items()) for path in inside(index, lacks)]
        return [*sorted(self.missing), *within[:MOST_LACKS]]

    def judge(self, *, partial: bool, late: bool) -> Verdict:
        """Say what to do now.

        Args:
            partial: Join what is here where children are missing.
            late: The time is over.
        """
        accounted = self.count is not None and self.here | self.given_up.keys() >= set(range(self.count))
        if accounted and not self.missing:
            return Verdict.JOIN
        if (self.called_off or not accounted) and not late:
            return Verdict.WAIT
        if self.called_off:
            return Verdict.SILENCE
        return Verdict.JOIN if partial and self.here else Verdict.FAIL


def opener_of(group_id: str) -> str:
    """Id of the envelope that opened a group."""
    return group_id.rpartition("@")[0]


def read_entry(headers: Mapping[str, Any]) -> Entry | None:
    """Read an envelope's innermost group; ``None`` for an envelope that no fan-out made.

    Raises:
        ValueError: The header is there and cannot be used.
    """
    stack = headers.get(names.HEADER_FAN_IN)
    if stack is None:
        return None
    if not isinstance(stack, list) or not all(isinstance(entry, dict) for entry in stack):
        raise ValueError(f"header {names.HEADER_FAN_IN} must be a list of objects")
    if not stack:
        return None
    *outer, top = stack
    entry = Entry(
        group=_group(top),
        index=_number(top, "index"),
        count=_number(top, "count"),
        missing=None if top.get("missing") is None else str(top["missing"]),
        timer=None if top.get("timer") is None else str(top["timer"]),
        called_off=None if top.get("called_off") is None else str(top["called_off"]),
        outer=tuple(outer),
        trace=_trace(headers),
        lacks=lacking({names.HEADER_MISSING: top.get(LACKS)}),
    )
    if entry.index is None and entry.timer is None and entry.count is None and entry.called_off is None:
        raise ValueError(f"header {names.HEADER_FAN_IN} has neither an index nor a count")
    if entry.index is not None and entry.count is not None and entry.index >= entry.count:
        raise ValueError(f"header {names.HEADER_FAN_IN}: index {entry.index} of {entry.count}")
    return entry


def _trace(headers: Mapping[str, Any]) -> str | None:
    """Read the trace of an envelope whose hops are recorded; the others' is of no use here."""
    found = headers.get(names.HEADER_TRACEPARENT) if names.HEADER_TRACE in headers else None
    return found if read_traceparent(found) is not None else None


def _group(top: Mapping[str, Any]) -> str:
    group = top.get("group")
    if not isinstance(group, str) or not group:
        raise ValueError(f"header {names.HEADER_FAN_IN} names no group")
    return group


def _number(top: Mapping[str, Any], name: str) -> int | None:
    value = top.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"header {names.HEADER_FAN_IN}: {name} must be a number from 0 to {MAX_COUNT}")
    return value
