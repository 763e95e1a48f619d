"""The stream of changes for consoles: one query serves all clients, at a rate that people can read.

Clients receive states, not events. A client that connects, reconnects or falls behind is told to reload its lists (``more``)
instead of being sent a backlog. Without clients nothing is queried.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import msgspec

from asya_gateway.actors.board import BEAT_S, ActorBoard
from asya_gateway.actors.view import list_body
from asya_gateway.pubsub import PubSub
from asya_gateway.records.summary import summary_body
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable
from asya_protocol.status import Status

log: Final = logging.getLogger(__name__)

TICK_S: Final = 0.25
KEEPALIVE_S: Final = 15.0
MANY: Final = 100
"""Up to this many changed envelopes are sent individually; above it the client is told to reload its page."""
COUNT_MOST: Final = 1000
BEHIND_MOST: Final = 16
Frame = tuple[str, bytes]
"""Kind and JSON: ``envelopes`` (changed ones, and how many are in each state), ``actors``, ``problem``."""
ANEW: Final[Frame] = ("envelopes", b'{"envelopes":[],"more":true}')


class EventStream:
    """Polls for changes while clients are connected.

    Args:
        store: Of the envelopes.
        board: Of the actors.
        pubsub: Notifies of changed envelopes.
    """

    def __init__(self, store: EnvelopeStore, board: ActorBoard, pubsub: PubSub) -> None:
        self._store = store
        self._board = board
        self._pubsub = pubsub
        self._watchers: set[asyncio.Queue[Frame | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._changed: set[str] = set()
        self._missed = False
        self._actors = b""

    async def watch(self) -> AsyncGenerator[Frame | None, None]:
        """Yield changes until the gateway stops; ``None`` for a keepalive."""
        mine: asyncio.Queue[Frame | None] = asyncio.Queue(BEHIND_MOST)
        mine.put_nowait(ANEW)  # changes between a client's first list and now are in no frame
        if self._actors:
            mine.put_nowait(("actors", self._actors))
        self._watchers.add(mine)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            while not self._pubsub.stopping:
                try:
                    async with asyncio.timeout(KEEPALIVE_S):
                        frame = await mine.get()
                except TimeoutError:
                    yield None
                    continue
                if frame is None:
                    return
                yield frame
        finally:
            self._watchers.discard(mine)
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        woken = asyncio.Event()

        def note(envelope_id: str) -> None:
            if not envelope_id or len(self._changed) > MANY:
                self._missed = True
            else:
                self._changed.add(envelope_id)
            woken.set()

        self._changed.clear()
        self._actors = b""
        self._missed = True
        try:
            with self._pubsub.watching(note):
                await self._look_on(woken)
        except Exception:
            log.exception("the feed ended")
        finally:
            if self._task is asyncio.current_task():  # else all have left, and others may have come
                self._task = None
                for watcher in self._watchers:
                    self._put(watcher, None)

    async def _look_on(self, woken: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        look_at_s = loop.time()
        while not self._pubsub.stopping:
            await self._tell_envelopes()
            if loop.time() >= look_at_s:
                await self._tell_actors()
                look_at_s = loop.time() + BEAT_S
            woken.clear()
            await asyncio.sleep(TICK_S)  # what changes in the meantime is told at once
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at_s):
                    await woken.wait()

    async def _tell_envelopes(self) -> None:
        if not self._changed and not self._missed:
            return
        changed, missed = list(self._changed), self._missed
        self._changed.clear()
        self._missed = False
        try:
            many = missed or len(changed) > MANY
            found = [] if many else [summary_body(each) for each in await self._store.summaries(changed)]
            body = {"envelopes": found, "more": many, "counts": await count_states(self._store)}
            self._tell("envelopes", msgspec.json.encode(body))
        except StoreUnavailable as exc:
            self._missed = True
            log.warning("changes not looked for", extra={"error": str(exc)})
            self._tell("problem", msgspec.json.encode({"problem": str(exc)}))

    async def _tell_actors(self) -> None:
        body = msgspec.json.encode(list_body(await self._board.look()))
        if body != self._actors:
            self._actors = body
            self._tell("actors", body)

    def _tell(self, kind: str, body: bytes) -> None:
        for watcher in self._watchers:
            self._put(watcher, (kind, body))

    def _put(self, watcher: "asyncio.Queue[Frame | None]", frame: Frame | None) -> None:
        if watcher.full():
            while not watcher.empty():
                watcher.get_nowait()
            watcher.put_nowait(ANEW)
            if self._actors:
                watcher.put_nowait(("actors", self._actors))
        watcher.put_nowait(frame)


async def count_states(store: EnvelopeStore) -> dict[str, int]:
    """Count the envelopes in every state, up to ``COUNT_MOST`` each."""
    counts = await store.counts(COUNT_MOST)
    return {status.value: counts.get(status, 0) for status in Status}
