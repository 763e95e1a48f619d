"""Reports that wait for the gateway, in bounded memory. Pure.

Children of fan-outs go first and are not given up for progress: without theirs the gateway would not know an envelope.
Progress is in order for each envelope. Under pressure only the newest of an envelope is kept, and when there is no room the
oldest of all goes; both are counted.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from asya_protocol.reports import ChildBody
from asya_sidecar.core.actions import Report

LIMIT: Final = 5000
"""Reports of a kind that wait at most: about a kilobyte each."""
PRESSURE: Final = 200
"""So many waiting mean that the gateway is behind: from here on the newest of each envelope is enough."""
TRIES: Final = 8
"""A report that the gateway could not take so often is given up: others behind it may fare better."""


@dataclass(slots=True)
class Waiting:
    """One report and how often it was tried."""

    report: Report
    tries: int = 0


@dataclass(slots=True)
class Backlog:
    """What waits.

    Attributes:
        coalesced: Reports that a newer one of their envelope took the place of.
        dropped: Reports given up for want of room, or after too many tries.
    """

    limit: int = LIMIT
    pressure: int = PRESSURE
    coalesced: int = 0
    dropped: int = 0
    _children: deque[Waiting] = field(default_factory=deque)
    _progress: deque[Waiting] = field(default_factory=deque)
    _last: dict[str, Waiting] = field(default_factory=dict)
    """The newest progress of each envelope that waits."""

    def __len__(self) -> int:
        return len(self._children) + len(self._progress)

    def add(self, report: Report) -> None:
        """Let a report wait."""
        if report.kind == "child":
            self._make_room(self._children)
            self._children.append(Waiting(report))
            return
        known = self._last.get(report.envelope_id)
        if known is not None and len(self._progress) >= self.pressure:
            known.report, known.tries = report, 0
            self.coalesced += 1
            return
        self._make_room(self._progress)
        entry = self._last[report.envelope_id] = Waiting(report)
        self._progress.append(entry)

    def take(self, most: int) -> list[Waiting]:
        """Take the next reports, so that they may be sent side by side.

        Of an envelope's progress that is one, and none together with its children.
        """
        taken: list[Waiting] = []
        while self._children and len(taken) < most:
            taken.append(self._children.popleft())
        busy = {entry.report.body.parent_id for entry in taken if isinstance(entry.report.body, ChildBody)}
        while self._progress and len(taken) < most and self._progress[0].report.envelope_id not in busy:
            entry = self._progress.popleft()
            if self._last.get(entry.report.envelope_id) is entry:
                del self._last[entry.report.envelope_id]
            busy.add(entry.report.envelope_id)
            taken.append(entry)
        return taken

    def take_in_order(self, most: int) -> list[Waiting]:
        """Take the next reports, so that they may be sent in one request, which is taken in its order."""
        taken: list[Waiting] = []
        while len(taken) < most and (more := self.take(most - len(taken))):
            taken += more
        return taken

    def take_back(self, entries: list[Waiting], *, tried: bool = True) -> None:
        """Let reports wait again, in their old place; ``tried`` counts against those that the gateway did not take."""
        for entry in reversed(entries):
            entry.tries += tried
            queue = self._children if entry.report.kind == "child" else self._progress
            if entry.tries >= TRIES or len(queue) >= self.limit:
                self.dropped += 1
                continue
            queue.appendleft(entry)
            if entry.report.kind != "child":
                self._last.setdefault(entry.report.envelope_id, entry)

    def forget(self, envelope_id: str) -> None:
        """Drop the progress of an envelope that the gateway does not know."""
        if self._last.pop(envelope_id, None) is not None:
            self._progress = deque(entry for entry in self._progress if entry.report.envelope_id != envelope_id)

    def _make_room(self, queue: deque[Waiting]) -> None:
        if len(queue) >= self.limit:
            gone = queue.popleft()
            self.dropped += 1
            if self._last.get(gone.report.envelope_id) is gone:
                del self._last[gone.report.envelope_id]
