"""What has been done already: the port behind ``spec.delivery.dedup``.

A key stands for one envelope at one place of its route. ``begin`` answers ``run`` to exactly one of those who ask for the
same key at the same time; who got it says ``finish`` once every output is confirmed, or ``forget`` when the work is to be
done again. A holder that dies without a word loses its hold when the lease runs out.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol

SWEEP_EVERY: Final = 1000
"""Finished work is looked through for what has expired every so many begins."""


class Verdict(StrEnum):
    """What a key's state means for whoever wants to work on it."""

    RUN = "run"
    """Nobody has done it, or not lately; it is ours now."""
    DONE = "done"
    """It was done within the window."""
    BUSY = "busy"
    """Somebody works on it."""


class DedupStore(Protocol):
    """Keys in hand and keys done. Every method raises ``StoreUnavailable`` when the store could not be asked."""

    async def begin(self, key: str, owner: str, lease_s: float) -> Verdict:
        """Ask for a key."""

    async def extend(self, keys: Iterable[str], owner: str, lease_s: float) -> None:
        """Hold keys for another ``lease_s`` from now; those of somebody else stay theirs."""

    async def finish(self, key: str, window_s: float) -> None:
        """Remember a key as done for a time."""

    async def forget(self, key: str, owner: str) -> None:
        """Let go of a key that is held and not done."""

    async def close(self) -> None:
        """Let go of the store. Never raises."""
