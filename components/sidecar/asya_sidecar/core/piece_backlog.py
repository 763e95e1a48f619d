"""Pieces of streams that wait for the gateway, in bounded memory. Pure.

They are in order. When there is no room the oldest of all go, and are counted: a reader sees the gap by their numbers.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from asya_protocol.pieces import PieceBatch, Run

LIMIT: Final = 10_000
LIMIT_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of a run, or with ``None`` for a piece the end of it."""

    run: Run
    number: int
    piece: msgspec.Raw | None


@dataclass(slots=True)
class PieceBacklog:
    """What waits.

    Attributes:
        dropped: Pieces given up for want of room.
    """

    limit: int = LIMIT
    limit_bytes: int = LIMIT_BYTES
    dropped: int = 0
    _entries: deque[Entry] = field(default_factory=deque)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, run: Run, first: int, pieces: Sequence[msgspec.Raw]) -> None:
        """Let pieces wait that follow one another."""
        for number, piece in enumerate(pieces, first):
            self._entries.append(Entry(run, number, piece))
            self._bytes += len(piece)
        self._make_room()

    def end(self, run: Run, count: int) -> None:
        """Let the end of a run wait, behind so many pieces."""
        self._entries.append(Entry(run, count, None))
        self._make_room()

    def take(self, most: int) -> list[Entry]:
        """Take the next entries."""
        taken = [self._entries.popleft() for _ in range(min(most, len(self._entries)))]
        self._bytes -= sum(_size(entry) for entry in taken)
        return taken

    def take_back(self, entries: Sequence[Entry]) -> None:
        """Let entries wait again, in their old place."""
        self._entries.extendleft(reversed(entries))
        self._bytes += sum(_size(entry) for entry in entries)
        self._make_room()

    def _make_room(self) -> None:
        while self._entries and (len(self._entries) > self.limit or self._bytes > self.limit_bytes):
            gone = self._entries.popleft()
            self._bytes -= _size(gone)
            self.dropped += gone.piece is not None


def batches_of(entries: Sequence[Entry]) -> list[PieceBatch]:
    """Put what follows one another in a run into one batch, whatever of other runs is in between."""
    made: list[PieceBatch] = []
    latest: dict[str, int] = {}
    for entry in entries:
        place = latest.get(entry.run.run)
        last = None if place is None else made[place]
        if last is None or last.ended or entry.number != last.first + len(last.pieces):
            about = {name: getattr(entry.run, name) for name in Run.__struct_fields__}
            place = latest[entry.run.run] = len(made)
            made.append(last := PieceBatch(**about, first=entry.number))
        if entry.piece is not None:
            last.pieces.append(entry.piece)
        elif place is not None:
            made[place] = msgspec.structs.replace(last, ended=True)
    return made


def _size(entry: Entry) -> int:
    return 0 if entry.piece is None else len(entry.piece)
