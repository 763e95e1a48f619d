"""Coalesces single requests into batches: waits a few milliseconds to put up to ten entries into one SQS request.

Each caller awaits its own entry. An entry that fails inside a batch is tried once more alone, so that its caller gets
the error that belongs to it. Knows nothing of SQS beyond the limits that it is given.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from asya_protocol.errors import QueueMissing, TransportError, TransportUnavailable

MAX_ENTRIES: Final = 10
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

BUSY_FACTOR: Final = 4
"""How much longer to wait when the last batch had company: under load a request saved is worth a little patience, and an
entry that comes alone is not held up."""

Entry = TypeVar("Entry")


@dataclass(slots=True)
class _Waiting(Generic[Entry]):
    entry: Entry
    size_bytes: int
    done: asyncio.Future[None]


class Coalescer(Generic[Entry]):
    """Gathers entries and performs them together.

    Args:
        perform: Does a batch; returns the indexes of entries that failed, or raises when all did.
        perform_one: Does one entry; raises its error.
        linger_s: How long the first entry of a batch waits for company; longer while there is company.
        max_bytes: Total size of a batch.
    """

    def __init__(
        self,
        perform: Callable[[Sequence[Entry]], Awaitable[Collection[int]]],
        perform_one: Callable[[Entry], Awaitable[object]],
        *,
        linger_s: float,
        max_bytes: int,
    ) -> None:
        self._perform = perform
        self._perform_one = perform_one
        self._linger_s = linger_s
        self._max_bytes = max_bytes
        self._waiting: list[_Waiting[Entry]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._flushes: set[asyncio.Task[None]] = set()

    async def do(self, entry: Entry, size_bytes: int = 0) -> None:
        """Perform one entry, in company where there is some; returns when the broker confirmed it, or raises."""
        loop = asyncio.get_running_loop()
        if self._waiting and self._bytes + size_bytes > self._max_bytes:
            self._flush()
        waiting = _Waiting(entry, size_bytes, loop.create_future())
        self._waiting.append(waiting)
        self._bytes += size_bytes
        if len(self._waiting) >= MAX_ENTRIES or self._bytes >= self._max_bytes:
            self._flush()
        elif self._timer is None:
            linger_s = self._linger_s * (BUSY_FACTOR if self._busy else 1)
            self._timer = loop.call_later(linger_s, self._flush)
        await waiting.done

    async def finish(self) -> None:
        """Perform what waits, and wait for all that is under way."""
        self._flush()
        if self._flushes:
            await asyncio.wait(self._flushes)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A caller that was cancelled while waiting has nothing on its way yet.
        batch = [each for each in self._waiting if not each.done.done()]
        self._waiting, self._bytes = [], 0
        if batch:
            self._busy = len(batch) > 1
            flush = asyncio.ensure_future(self._run(batch))
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)

    async def _run(self, batch: list[_Waiting[Entry]]) -> None:
        if len(batch) == 1:
            await self._run_one(batch[0])
            return
        try:
            failed = await self._perform([each.entry for each in batch])
        except (TransportUnavailable, QueueMissing) as exc:
            for each in batch:
                _fail(each.done, exc)
            return
        except TransportError:
            failed = range(len(batch))  # one bad entry can make the broker refuse the whole request
        for index, each in enumerate(batch):
            if index not in failed and not each.done.done():
                each.done.set_result(None)
        await asyncio.gather(*(self._run_one(batch[index]) for index in failed))

    async def _run_one(self, waiting: _Waiting[Entry]) -> None:
        try:
            await self._perform_one(waiting.entry)
        except TransportError as exc:
            _fail(waiting.done, exc)
        except BaseException as exc:
            # A bug, or the loop ends: the caller must not wait for ever.
            _fail(waiting.done, exc)
            raise
        else:
            if not waiting.done.done():
                waiting.done.set_result(None)


def _fail(done: asyncio.Future[None], exc: BaseException) -> None:
    if done.done():
        return
    if isinstance(exc, asyncio.CancelledError):
        done.cancel()
    else:
        done.set_exception(exc)
