"""Following an envelope with its pieces: events and pieces in one order, the end once, behind the last piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Final

from asya_gateway.pieces import topic_of
from asya_gateway.pubsub import Bell
from asya_gateway.records.pieces import LATE_S, Place, Told
from asya_gateway.records.record import Event, closing_event, with_runs
from asya_gateway.services import App
from asya_gateway.waiting import KEEPALIVE_S

LONGEST_S: Final = 10.0
"""While a stream has not said that it is over, an end waits for a second in which nothing of it comes, and so long at most."""


async def follow_pieces(
    app: App, envelope_id: str, place: Place | None = None, *, rest: bool = False
) -> AsyncIterator[Sequence[Told] | None]:
    """Yield an envelope's pieces behind a place, those together that are there, until it is final; ``None`` after a silence.

    Of an envelope that is not known here nobody knows the end: until the reader leaves, or the gateway stops; or up to what is
    on its way by now, for a reader that knows the end from elsewhere and asks for the ``rest``.
    """
    async for _, told in follow_all(app, envelope_id, place=place, ends=rest):
        if not isinstance(told, Event):
            yield told


async def follow_all(
    app: App,
    envelope_id: str,
    after: int = 0,
    place: Place | None = None,
    *,
    silence_s: float = KEEPALIVE_S,
    ends: bool = True,
) -> AsyncIterator[tuple[int, Event | Sequence[Told] | None]]:
    """Yield an envelope's events after a number and its pieces behind a place, up to the final event.

    Yields:
        The number of the last event that was yielded, and an event, what has come of a stream, or ``None`` after a silence.

    Args:
        app: The gateway.
        envelope_id: Whose.
        after: Number of the last event that is known.
        place: The last place in the stream that is known; ``None`` for all of it.
        silence_s: Length of a silence.
        ends: Whether to end where the envelope is not known.
    """
    loop, reader = asyncio.get_running_loop(), _Reader(app, envelope_id, after, place, ends=ends)
    with ExitStack() as stack:
        bell = Bell()
        changed = stack.enter_context(app.pubsub.ringing(bell, envelope_id))
        streamed = stack.enter_context(app.pubsub.ringing(bell, topic_of(envelope_id)))
        late_s, ends_s = 0.0, 0.0
        while True:
            bell.clear()
            if streamed.take() and (told := reader.pieces()):
                late_s = min(loop.time() + LATE_S, ends_s)
                yield reader.after, told
            if changed.take() and not reader.over:
                async for event in reader.events():
                    yield reader.after, event
                late_s, ends_s = loop.time() + LATE_S, loop.time() + LONGEST_S
                streamed.set()  # what came before the end is told before it
                continue
            if reader.over and (app.pieces.board.has_ended(envelope_id) or loop.time() >= late_s):
                if reader.final is not None:
                    yield reader.final.seq, reader.final
                return
            if app.pubsub.stopping:
                return
            more_s = app.pieces.more_in_s(envelope_id)
            patience_s = max(late_s - loop.time(), 0.0) if reader.over else silence_s
            try:
                async with asyncio.timeout(patience_s if more_s is None else min(patience_s, more_s)):
                    await bell.wait()
            except TimeoutError:
                streamed.set()
                if not reader.over and (more_s is None or more_s > patience_s):
                    changed.set()  # a notice may have been lost
                    yield reader.after, None


class _Reader:
    """What one reader has had, and what it has not."""

    def __init__(self, app: App, envelope_id: str, after: int, place: Place | None, *, ends: bool) -> None:
        self._app = app
        self._id = envelope_id
        self._ends = ends
        self.after = after
        self.place = place
        self.final: Event | None = None
        self.over = False

    def pieces(self) -> list[Told]:
        told = self._app.pieces.after(self._id, self.place)
        if told:
            self.place = told[-1].place
        return told

    async def events(self) -> AsyncIterator[Event]:
        """Yield new events but the final one, which is noted."""
        # In this order: when the record read is final, the history read after it has the final event.
        record = await self._app.store.get(self._id)
        for event in with_runs(await self._app.store.history(self._id, self.after)):
            if event.status.final:
                self.final, self.over = event, True
                return
            self.after = event.seq
            yield event
        if record is None:
            self.over = self._ends
        elif record.status.final:
            self.over = True
            if self.after < record.events or not record.events:
                self.final = closing_event(record)
