"""Opens the dedup store that a URL names; holds the one in memory."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from asya_store.dedup_port import SWEEP_EVERY, DedupStore, Verdict

MEMORY: Final = "memory:"


@dataclass(slots=True)
class _Entry:
    owner: str
    done: bool
    expires_s: float


class MemoryDedup:
    """Dedup within one process: replicas do not share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._begins = 0

    async def begin(self, key: str, owner: str, lease_s: float) -> Verdict:
        """Claim a key."""
        now_s = self._clock()
        self._begins += 1
        if self._begins % SWEEP_EVERY == 0:
            self._entries = {name: entry for name, entry in self._entries.items() if entry.expires_s > now_s}
        entry = self._entries.get(key)
        if entry is not None and entry.expires_s > now_s:
            return Verdict.DONE if entry.done else Verdict.BUSY
        self._entries[key] = _Entry(owner, done=False, expires_s=now_s + lease_s)
        return Verdict.RUN

    async def extend(self, keys: Iterable[str], owner: str, lease_s: float) -> None:
        """Hold keys for another lease."""
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry.owner == owner and not entry.done:
                entry.expires_s = self._clock() + lease_s

    async def finish(self, key: str, window_s: float) -> None:
        """Remember a key as done."""
        self._entries[key] = _Entry("", done=True, expires_s=self._clock() + window_s)

    async def forget(self, key: str, owner: str) -> None:
        """Release a key."""
        entry = self._entries.get(key)
        if entry is not None and entry.owner == owner and not entry.done:
            del self._entries[key]

    async def close(self) -> None:
        """Nothing to close."""


def open_dedup(url: str) -> DedupStore:
    """Open the store that a URL names; nothing is connected yet.

    Args:
        url: ``memory:`` or ``postgresql://user:password@host/database``.

    Raises:
        ValueError: It names neither.
    """
    check_url(url)
    if url == MEMORY:
        return MemoryDedup()
    from asya_store.dedup_postgres import PostgresDedup

    return PostgresDedup(url)


def check_url(url: str) -> str:
    """Check that a URL names a store, and return it; the text does not repeat it, for it may hold a password.

    Raises:
        ValueError: It does not.
    """
    if url != MEMORY and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"must be {MEMORY} or start with postgresql://")
    return url
