"""Takes pieces of handlers' streams and tells them to every replica. Knows no HTTP.

Pieces are kept in memory alone. Replicas hear of them by the notices of the store that they share, so that a reader may be at
any of them; what is too large for a notice of Postgres is known to the replica that took it. Pieces of envelopes that this
gateway does not know, which were sent past it, are kept too.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from asya_gateway.metrics import Metrics
from asya_gateway.pubsub import PubSub
from asya_gateway.records.mark import is_shown
from asya_gateway.records.pieces import PieceBoard, Place, Told
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable
from asya_protocol.pieces import PieceBatch

log: Final = logging.getLogger(__name__)

NOTICE: Final = "!pieces "
"""Begins a topic that is no name but the batch itself, JSON."""
NOTICE_BYTES: Final = 6000
"""A notice of Postgres has 8000 at most. https://www.postgresql.org/docs/17/sql-notify.html"""
SWEEP_S: Final = 5.0


def topic_of(envelope_id: str) -> str:
    """The topic that is woken when pieces of an envelope have come."""
    return f"!stream:{envelope_id}"


class Pieces:
    """The streams of one gateway.

    Args:
        store: Where envelopes are kept, and by which replicas hear of one another.
        pubsub: Wakes readers.
        metrics: Where pieces are counted.
        most_bytes: Kept at most.
        marked: Whether pieces of envelopes of this gateway's must show their mark.
        clock: Seconds.
    """

    def __init__(
        self,
        store: EnvelopeStore,
        pubsub: PubSub,
        metrics: Metrics,
        *,
        most_bytes: int,
        marked: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.board = PieceBoard(most_bytes)
        self._store = store
        self._pubsub = pubsub
        self._metrics = metrics
        self._marked = marked
        self._clock = clock
        pubsub.hear(NOTICE, self._hear)

    def after(self, envelope_id: str, place: Place | None) -> list[Told]:
        """What a reader at a place has not had yet; ``None`` is before everything."""
        return self.board.after(envelope_id, place, self._clock())

    def more_in_s(self, envelope_id: str) -> float | None:
        """After how many seconds more may be told although nothing comes; ``None`` where nothing is held back."""
        now_s = self._clock()
        until_s = self.board.held_until_s(envelope_id, now_s)
        return None if until_s is None else until_s - now_s

    async def take(self, batch: PieceBatch) -> bool:
        """Take a batch; false where it does not show the mark of its envelope.

        Raises:
            StoreUnavailable: It cannot be said whether it does.
        """
        if self._marked and (batch.id not in self.board or self.board.mark(batch.id) != batch.mark):
            record = await self._store.get(batch.id)
            if record is not None and not is_shown(record.headers, batch.mark):
                self._metrics.pieces.labels("not_shown").inc(len(batch.pieces))
                return False
        for part in _parts(batch):
            notice = NOTICE + msgspec.json.encode(part).decode()
            if len(notice) > NOTICE_BYTES and part.pieces:
                self._add(part)
            else:
                await self._store.announce(notice)
        return True

    async def sweep(self, kept_s: float) -> None:
        """Forget the streams of envelopes that have been final for so long.

        Raises:
            StoreUnavailable: It cannot be said which are.
        """
        now_s = self._clock()
        for envelope_id in self.board.over(now_s - kept_s):
            self.board.forget(envelope_id)
        for envelope_id in self.board.rested(now_s - kept_s):
            record = await self._store.get(envelope_id)
            if record is None:
                self.board.forget(envelope_id)
            elif record.status.final:
                self.board.note_final(envelope_id, now_s)
            else:
                self.board.touch(envelope_id, now_s)

    def _hear(self, text: str) -> None:
        try:
            self._add(msgspec.json.decode(text, type=PieceBatch))
        except msgspec.MsgspecError as exc:
            log.warning("a notice of pieces cannot be read", extra={"error": str(exc)})

    def _add(self, batch: PieceBatch) -> None:
        taken = self.board.add(batch, self._clock())
        self._metrics.pieces.labels("taken").inc(taken.new)
        self._metrics.pieces.labels("lost").inc(taken.lost)
        self._metrics.pieces.labels("forgotten").inc(taken.forgotten)
        self._pubsub.wake(topic_of(batch.id))


async def keep_streams(pieces: Pieces, kept_s: float) -> None:
    """Sweep until cancelled; while the store is away, try again."""
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            await pieces.sweep(kept_s)
        except StoreUnavailable as exc:
            log.warning("old streams not looked for", extra={"error": str(exc)})


def _parts(batch: PieceBatch) -> Iterator[PieceBatch]:
    """Cut a batch so that each part is a notice, as far as that goes."""
    room = NOTICE_BYTES - len(NOTICE) - len(msgspec.json.encode(msgspec.structs.replace(batch, pieces=[], ended=True)))
    first, size = batch.first, 0
    part: list[msgspec.Raw] = []
    for piece in batch.pieces:
        if part and size + len(piece) + 1 > room:
            yield msgspec.structs.replace(batch, first=first, pieces=part, ended=False)
            first, part, size = first + len(part), [], 0
        part.append(piece)
        size += len(piece) + 1
    yield msgspec.structs.replace(batch, first=first, pieces=part)
