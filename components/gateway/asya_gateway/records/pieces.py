"""The pieces of handlers' streams, in bounded memory: what came, what a reader has not had yet. Pure.

Of each envelope the runs are kept in the order in which they came, with their pieces in order. A run that begins at a place of
the route where another one was, or before it, takes the place of that one: its handler is called again, and the stream starts
anew. A place in a stream is a run's name and the number of the piece that comes next, the same in every replica.

Each actor's sidecar tells its pieces for itself, so that those of the next actor may be faster. They are held back until the
run before has said that it ended, for a second at most; what comes of that run afterwards is lost.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec

from asya_protocol.pieces import PieceBatch

MOST_PIECES: Final = 20_000
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of one envelope's pieces."""
LATE_S: Final = 1.0
"""So long the end of a run is waited for."""
MOST_RUNS: Final = 200
"""Of one envelope, those included whose place another one took."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is: before the piece ``number`` of a run."""

    run: str
    number: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece, as the handler made it."""

    place: Place
    body: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Anew:
    """What a reader had of this actor counts no more: its handler was called again."""

    place: Place
    actor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Gap:
    """So many pieces were lost."""

    place: Place
    lost: int


Told = Piece | Anew | Gap


@dataclass(slots=True, eq=False)
class _Kept:
    about: PieceBatch
    began_s: float
    next: int = 0
    ended: bool = False
    pieces: deque[tuple[int, msgspec.Raw]] = field(default_factory=deque)


@dataclass(slots=True)
class _Stream:
    runs: list[_Kept] = field(default_factory=list)
    gone: dict[str, int] = field(default_factory=dict)
    """Of runs whose place another one took, from where in the route their readers have to begin again."""
    bytes: int = 0
    count: int = 0
    mark: str | None = None
    touched_s: float = 0.0
    final_s: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: pieces that are new, that were lost on their way, and that made room for them."""

    new: int = 0
    lost: int = 0
    forgotten: int = 0


class PieceBoard:
    """All streams of one gateway.

    Args:
        most_bytes: Of all pieces together; the streams that rested longest make room.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._streams: OrderedDict[str, _Stream] = OrderedDict()

    def __contains__(self, envelope_id: str) -> bool:
        return envelope_id in self._streams

    def mark(self, envelope_id: str) -> str | None:
        """The mark with which an envelope's pieces were let in."""
        stream = self._streams.get(envelope_id)
        return None if stream is None else stream.mark

    def add(self, batch: PieceBatch, now_s: float) -> Taken:
        """Keep a batch; what is known of it already changes nothing."""
        stream = self._streams.get(batch.id)
        if stream is None:
            stream = self._streams[batch.id] = _Stream()
        self._streams.move_to_end(batch.id)
        stream.touched_s, stream.mark = now_s, batch.mark
        if batch.run in stream.gone:
            return Taken()
        kept = next((run for run in stream.runs if run.about.run == batch.run), None)
        if kept is None:
            kept = self._begin(stream, batch, now_s)
        behind = stream.runs[stream.runs.index(kept) + 1 :]
        if behind and now_s >= behind[0].began_s + LATE_S:
            return Taken(lost=len(batch.pieces))
        new, lost = 0, 0
        for number, body in enumerate(batch.pieces, batch.first):
            if number < kept.next:
                continue
            lost += number - kept.next
            kept.pieces.append((number, body))
            kept.next = number + 1
            new += 1
            self._grow(stream, len(body), 1)
        if batch.ended:
            end = max(batch.first + len(batch.pieces), kept.next)
            lost += end - kept.next
            kept.next, kept.ended = end, True
        return Taken(new, lost, self._make_room(stream, batch.id))

    def _begin(self, stream: _Stream, batch: PieceBatch, now_s: float) -> _Kept:
        left = [run for run in stream.runs if run.about.hop < batch.hop]
        for run in stream.runs:
            if run not in left:
                stream.gone[run.about.run] = batch.hop
                self._grow(stream, -sum(len(body) for _, body in run.pieces), -len(run.pieces))
        stream.gone = {name: min(hop, batch.hop) for name, hop in stream.gone.items()}
        while len(stream.gone) > MOST_RUNS:
            del stream.gone[next(iter(stream.gone))]
        kept = _Kept(msgspec.structs.replace(batch, pieces=[], first=0), now_s)
        stream.runs = [*left, kept][-MOST_RUNS:]
        return kept

    def _make_room(self, stream: _Stream, envelope_id: str) -> int:
        forgotten = 0
        while stream.count > MOST_PIECES or stream.bytes > MOST_BYTES:
            oldest = next(run for run in stream.runs if run.pieces)
            _, body = oldest.pieces.popleft()
            self._grow(stream, -len(body), -1)
            forgotten += 1
        while self._bytes > self._most_bytes and len(self._streams) > 1:
            rested = next(iter(self._streams))
            if rested == envelope_id:
                break
            forgotten += self._streams[rested].count
            self.forget(rested)
        return forgotten

    def _grow(self, stream: _Stream, size: int, count: int) -> None:
        stream.bytes += size
        stream.count += count
        self._bytes += size

    def after(self, envelope_id: str, place: Place | None, now_s: float) -> list[Told]:
        """What a reader at a place has not had yet and may have now; ``None`` is before everything."""
        stream = self._streams.get(envelope_id)
        if stream is None:
            return []
        told: list[Told] = []
        held = _held(stream, now_s)
        for kept, expected in _rest(stream, place, told):
            if kept in held:
                break
            name, had = kept.about.run, expected
            for number, body in kept.pieces:
                if number < had:
                    continue
                if number > had:
                    told.append(Gap(Place(name, number), number - had))
                had = number + 1
                told.append(Piece(Place(name, had), body))
            if kept.ended and kept.next > had:
                told.append(Gap(Place(name, kept.next), kept.next - had))
        return told

    def held_until_s(self, envelope_id: str, now_s: float) -> float | None:
        """When more may be told although nothing comes; ``None`` where nothing is held back."""
        stream = self._streams.get(envelope_id)
        held = [] if stream is None else _held(stream, now_s)
        return held[0].began_s + LATE_S if held else None

    def has_ended(self, envelope_id: str) -> bool:
        """Whether no piece is on its way: every run that is known has said that it ended."""
        stream = self._streams.get(envelope_id)
        return stream is None or all(run.ended for run in stream.runs)

    def rested(self, before_s: float) -> list[str]:
        """Envelopes of which nothing has come since, and whose end is not noted."""
        return [name for name, one in self._streams.items() if one.touched_s <= before_s and one.final_s is None]

    def note_final(self, envelope_id: str, now_s: float) -> None:
        """Note that an envelope is final."""
        stream = self._streams.get(envelope_id)
        if stream is not None and stream.final_s is None:
            stream.final_s = now_s

    def touch(self, envelope_id: str, now_s: float) -> None:
        """Note that an envelope goes on."""
        stream = self._streams.get(envelope_id)
        if stream is not None:
            stream.touched_s = now_s

    def over(self, before_s: float) -> list[str]:
        """Envelopes whose end was noted before."""
        return [name for name, one in self._streams.items() if one.final_s is not None and one.final_s <= before_s]

    def forget(self, envelope_id: str) -> None:
        """Keep nothing of an envelope any more."""
        stream = self._streams.pop(envelope_id, None)
        if stream is not None:
            self._bytes -= stream.bytes


def _held(stream: _Stream, now_s: float) -> Sequence[_Kept]:
    """The runs that are behind one that has not ended."""
    for index, (run, following) in enumerate(pairwise(stream.runs), 1):
        if not run.ended and now_s < following.began_s + LATE_S:
            return stream.runs[index:]
    return ()


def _rest(stream: _Stream, place: Place | None, told: list[Told]) -> Sequence[tuple[_Kept, int]]:
    """The runs that a reader has not had to their end, each with the number that it expects."""
    if place is None:
        return [(run, 0) for run in stream.runs]
    for index, run in enumerate(stream.runs):
        if run.about.run == place.run:
            return [(run, place.number), *((later, 0) for later in stream.runs[index + 1 :])]
    hop = stream.gone.get(place.run)
    rest = [run for run in stream.runs if hop is None or run.about.hop >= hop]
    if rest:
        told.append(Anew(Place(rest[0].about.run, 0), rest[0].about.actor, rest[0].about.attempt))
    return [(run, 0) for run in rest]
