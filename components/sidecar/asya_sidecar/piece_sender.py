"""Streams of handlers to the gateway: in batches, on a task of its own, beside the queues.

No handler waits for a piece. What a call streamed is handed to the gateway before its outputs are sent, so that no end
overtakes it: that waits for a request, and not at all while the gateway is away. One request is under way at a time, so that
pieces keep their order; what comes meanwhile goes with the next one. While the gateway is away they wait in bounded memory.
Without a gateway, or with one that takes no pieces (Asya 0.1.1's), they are dropped; both are counted, and said once.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import msgspec

from asya_process.backoff import pauses
from asya_protocol import names
from asya_protocol.pieces import Run
from asya_sidecar.core.admit import Work
from asya_sidecar.core.piece_backlog import Entry, PieceBacklog, batches_of
from asya_sidecar.metrics import Metrics
from asya_sidecar.report_client import GatewayClient, Verdict

log: Final = logging.getLogger(__name__)

LINGER_S: Final = 0.05
"""Between two requests; the first piece after a pause goes at once, and so does what a run ends with."""
MOST: Final = 1000
"""Pieces in one request."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
QUIET_S: Final = 60.0
"""After so long a gateway that took no pieces is asked again: it may be another one by then."""
CLOSE_LIMIT_S: Final = 2.0
TOLD_LIMIT_S: Final = 5.0
"""So long outputs wait for the pieces that were streamed before them: as long as one request may take."""


class Stream:
    """The pieces of one call, whose run gets its name with the first of them."""

    def __init__(self, sender: "PieceSender", work: Work, actor: str) -> None:
        self._sender = sender
        self._work = work
        self._actor = actor
        self._run: Run | None = None
        self._next = 0

    def add(self, pieces: Sequence[msgspec.Raw], first: int) -> None:
        """Take pieces as the runtime has sent them; returns at once."""
        if self._run is None:
            envelope = self._work.envelope
            mark = envelope.headers.get(names.HEADER_MARK)
            self._run = Run(
                id=envelope.id,
                run=secrets.token_hex(8),
                actor=self._actor,
                hop=envelope.route.current,
                attempt=self._work.attempt,
                mark=mark if isinstance(mark, str) else None,
            )
        self._sender.post(self._run, pieces, first, lost=first - self._next)
        self._next = first + len(pieces)

    def end(self) -> None:
        """Say that the call is over, however it ended."""
        if self._run is not None:
            self._sender.end(self._run, self._next)


class PieceSender:
    """Sends pieces to one gateway.

    Args:
        url: Where it is; ``None`` where there is none.
        token: Bearer token, or ``None``.
        metrics: Told what becomes of pieces.
        clock: Seconds.
    """

    def __init__(
        self,
        url: str | None,
        token: str | None = None,
        metrics: Metrics | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._token = token
        self._client: GatewayClient | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._metrics = metrics
        self._clock = clock
        self._backlog = PieceBacklog()
        self._told_dropped = 0
        self._quiet_until_s = 0.0
        self._told: set[str] = set()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._moved = asyncio.Event()
        self._added = self._under_way = 0
        self._failing = False
        self._ends: dict[str, int] = {}
        """Of envelopes whose call has ended: how many pieces and ends had been added by then."""

    @property
    def waiting(self) -> int:
        """Pieces and ends that wait."""
        return len(self._backlog)

    def open(self, work: Work, actor: str) -> Stream:
        """Begin a call that may stream."""
        return Stream(self, work, actor)

    def post(self, run: Run, pieces: Sequence[msgspec.Raw], first: int, *, lost: int = 0) -> None:
        """Let pieces wait to be sent; ``lost`` are those that the runtime had no room for."""
        self._count("dropped", lost)
        if self._url is None:
            self._tell_once("a handler streams, and nobody is there to read: this sidecar has no gateway", "")
        if self._url is None or self._clock() < self._quiet_until_s:
            self._count("dropped", len(pieces))
            return
        self._backlog.add(run, first, pieces)
        self._added += len(pieces)
        self._note_dropped()
        self._wake.set()

    def end(self, run: Run, count: int) -> None:
        """Let the end of a run wait to be sent, with what is before it at once."""
        if self._url is not None and self._clock() >= self._quiet_until_s:
            self._backlog.end(run, count)
            self._added += 1
            self._ends[run.id] = self._added
            self._wake.set()
            self._hurry.set()

    async def told(self, envelope_id: str) -> None:
        """Wait until what an envelope's call streamed is with the gateway, for seconds at most; nothing is not waited for."""
        end = self._ends.pop(envelope_id, None)
        if end is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_LIMIT_S):
                while not self._failing and self._added - len(self._backlog) - self._under_way < end:
                    self._moved.clear()
                    await self._moved.wait()

    async def run(self) -> None:
        """Send what waits until cancelled."""
        growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            self._wake.clear()
            if not self._backlog:
                await self._wake.wait()
            if await self._send_some():
                growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        await self._hurry.wait()
            else:
                await asyncio.sleep(next(growing))
            self._hurry.clear()

    async def close(self) -> None:
        """Send what still waits, for a little while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                while self._backlog and await self._send_some():
                    pass
        self._count("dropped", sum(entry.piece is not None for entry in self._backlog.take(len(self._backlog))))
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def _send_some(self) -> bool:
        """Send the next pieces in one request; whether the gateway took it or never will."""
        if self._url is None:
            return True
        if self._client is None:
            self._client = GatewayClient(self._url, self._token, connections=1)
            self._threads = ThreadPoolExecutor(1, "pieces")
        entries = self._backlog.take(MOST)
        batches = batches_of(entries)
        self._under_way = len(entries)
        loop = asyncio.get_running_loop()
        try:
            verdict, problem, each = await loop.run_in_executor(self._threads, self._client.send_pieces, batches)
        except asyncio.CancelledError:
            self._backlog.take_back(entries)
            raise
        finally:
            self._under_way = 0
            self._moved.set()
        self._failing = verdict is Verdict.FAILED
        if verdict is Verdict.FAILED:
            self._backlog.take_back(entries)
            self._note_dropped()
            self._tell_once("pieces of a stream not taken, trying on", problem)
            return False
        if verdict is not Verdict.TAKEN:
            self._give_up(entries, problem)
            return True
        for batch, found in zip(batches, each, strict=True):
            self._count("delivered" if found is Verdict.TAKEN else "refused", len(batch.pieces))
        return True

    def _give_up(self, entries: Sequence[Entry], problem: str) -> None:
        """Drop what a gateway that takes no pieces did not take, and ask it no more for a while."""
        self._quiet_until_s = self._clock() + QUIET_S
        rest = [*entries, *self._backlog.take(len(self._backlog))]
        self._count("dropped", sum(entry.piece is not None for entry in rest))
        self._tell_once("a handler streams, and the gateway takes no pieces: it is older than this sidecar", problem)

    def _note_dropped(self) -> None:
        self._count("dropped", self._backlog.dropped - self._told_dropped)
        self._told_dropped = self._backlog.dropped

    def _count(self, result: str, count: int) -> None:
        if self._metrics is not None and count:
            self._metrics.streamed(result, count)

    def _tell_once(self, words: str, problem: str) -> None:
        if words not in self._told:
            self._told.add(words)
            log.warning(words, extra={"problem": problem} if problem else None)
