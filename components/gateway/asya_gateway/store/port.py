"""What every store of envelopes promises, whichever database is behind it; proven by one contract suite.

* A report is applied by ``asya_gateway.records.lifecycle`` as in a transaction: of two that race, the second sees the first.
* Every change adds one event; an envelope's events are numbered from 1 without gaps.
* A deadline fires once, whichever replica sweeps first, also after a restart; memory alone forgets with its process.
* ``StoreUnavailable`` means nothing is known to have changed; trying again is safe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from asya_gateway.records.lifecycle import Report
from asya_gateway.records.record import Event, Record
from asya_gateway.records.summary import Page, Question, Summary
from asya_protocol.status import Status

Wake = Callable[[str], None]
"""Called with an envelope's id after its history grew, by this process or another; with "" when that may be missed."""


class Applied(Enum):
    """What became of a report."""

    CHANGED = auto()
    FINAL_BEFORE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a report, and the record after it; none of an unknown envelope."""

    applied: Applied
    record: Record | None = None


class EnvelopeStore(Protocol):
    """Records and histories. Every method raises StoreUnavailable when the database did not do what was asked."""

    async def open(self, wake: Wake) -> None:
        """Connect, and bring the schema up to date."""

    async def ping(self) -> None:
        """Make sure that it answers."""

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Keep a new record with its first event and a first report; false, and nothing kept, when the id is taken."""

    async def get(self, envelope_id: str) -> Record | None:
        """Read a record."""

    async def children(self, envelope_id: str) -> list[str]:
        """Ids of the envelopes that its fan-outs made, oldest first."""

    async def owned(self, owner: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Record]:
        """Records of one owner without those of fan-out children, newest first.

        Args:
            owner: Whose.
            limit: At most so many.
            after: Creation time and id of the last one already seen.
        """

    async def announce(self, topic: str) -> None:
        """Wake whoever waits for a topic, in every replica; may be missed while one is not connected."""

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        """Apply a report."""

    async def history(self, envelope_id: str, after: int = 0) -> list[Event]:
        """Events with a number over ``after``, in order."""

    async def page(self, question: Question) -> Page:
        """List envelopes, newest first."""

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        """Summarise those of these envelopes that are known, newest first."""

    async def counts(self, most: int) -> Mapping[Status, int]:
        """Count the envelopes in every state, each only up to ``most``, so that a large table costs no more."""

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count what actors completed in the last seconds, by actor; those that completed nothing are left out."""

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes whose deadline has passed; ids of those that this call failed."""

    async def purge(self, older_than_s: float) -> int:
        """Remove the histories of envelopes that have been final for so long; how many envelopes' that were.

        The records stay, but those in memory go too.
        """

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Remove records that have been final for so long, with their histories; how many, ``limit`` at most."""

    async def close(self) -> None:
        """Disconnect. Never raises."""
