"""The port of the dedup stores, behind ``spec.delivery.dedup``: which envelopes an actor has finished already.

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
    """What the state of a key means for a caller that wants to work on it."""

    RUN = "run"
    """Not done within the window, and now claimed by the caller."""
    DONE = "done"
    """It was done within the window."""
    BUSY = "busy"
    """Another caller works on it."""


class DedupStore(Protocol):
    """Keys in work and keys done. Every method raises ``StoreUnavailable`` when the store could not be asked."""

    async def begin(self, key: str, owner: str, lease_s: float) -> Verdict:
        """Ask for a key."""

    async def extend(self, keys: Iterable[str], owner: str, lease_s: float) -> None:
        """Hold keys for another ``lease_s`` from now; keys that another caller holds are left alone."""

    async def finish(self, key: str, window_s: float) -> None:
        """Remember a key as done for a time."""

    async def forget(self, key: str, owner: str) -> None:
        """Let go of a key that is held and not done."""

    async def close(self) -> None:
        """Let go of the store. Never raises."""
