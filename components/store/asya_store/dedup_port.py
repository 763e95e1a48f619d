"""The port of the dedup stores, behind ``spec.delivery.dedup``: which envelopes an actor has finished already.

A key stands for one envelope at one place of its route. Of several ``begin`` calls for a key at the same time exactly one gets
``run``; that caller calls ``finish`` once every output is confirmed, or ``forget`` when the work has to be done again. A holder
that dies loses the key when its lease ends.
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
        """Claim a key, if it is neither done nor held."""

    async def extend(self, keys: Iterable[str], owner: str, lease_s: float) -> None:
        """Hold keys for another ``lease_s`` from now; keys that another caller holds are left alone."""

    async def finish(self, key: str, window_s: float) -> None:
        """Remember a key as done for a time."""

    async def forget(self, key: str, owner: str) -> None:
        """Release a key that is held and not done."""

    async def close(self) -> None:
        """Close the store. Never raises."""
