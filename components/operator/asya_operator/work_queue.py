"""A queue of keys to work on: each key waits at most once, is worked on by one worker at a time, and may wait for later.

The level-based heart of a controller: what arrives is only *that* something changed, so ten events for one actor cost one
reconcile. Failures back off per key, 1 s doubled up to 5 min.
"""

import asyncio
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from asya_process.backoff import pause_after

K = TypeVar("K", bound=Hashable)

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 300.0


class WorkQueue(Generic[K]):
    """Keys that have to be reconciled."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Enqueue a key; one that is being worked on is enqueued again when that ends."""
        self._stop_timer(key)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Enqueue a key later; the earlier of two stays."""
        loop = asyncio.get_running_loop()
        present = self._timers.get(key)
        if present is not None and present.when() <= loop.time() + delay_s:
            return
        self._stop_timer(key)
        self._timers[key] = loop.call_later(delay_s, self.add, key)

    async def take(self) -> K:
        """Wait for a key; the caller must say ``done`` or ``failed``."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on a key succeeded."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: K) -> float:
        """The work on a key failed: it is enqueued after a pause, whose seconds are returned."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay_s = pause_after(count, FIRST_DELAY_S, LONGEST_DELAY_S)
        self._release(key)
        if key not in self._waiting:
            self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: K) -> None:
        """The key's object is gone."""
        self._stop_timer(key)
        self._failures.pop(key, None)
        self._again.discard(key)

    def _release(self, key: K) -> None:
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _stop_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
