"""The port of the envelope stores. One contract suite tests all of them.

* A report is applied by ``asya_gateway.records.lifecycle`` as in a transaction: of two that race, the second sees the first.
* Every change adds one event; an envelope's events are numbered from 1 without gaps.
* A deadline fires once, whichever replica sweeps first, also after a restart (except in memory).
* After ``StoreUnavailable`` it is unknown whether anything changed; trying again is safe.
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
"""Called with an envelope's id after each new event, of any replica; with "" when some may have been missed."""


class Applied(Enum):
    """Effect of a report."""

    CHANGED = auto()
    FINAL_BEFORE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Effect of a report, and the record after it; ``None`` for an unknown envelope."""

    applied: Applied
    record: Record | None = None


class EnvelopeStore(Protocol):
    """Records and histories. Every method raises StoreUnavailable when the database did not do what was asked."""

    async def open(self, wake: Wake) -> None:
        """Connect, and bring the schema up to date."""

    async def ping(self) -> None:
        """Check that the database answers."""

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Insert a record with its first event and a first report; false, and no change, when the id exists."""

    async def get(self, envelope_id: str) -> Record | None:
        """Read a record."""

    async def children(self, envelope_id: str) -> list[str]:
        """Ids of the envelopes that its fan-outs made, oldest first."""

    async def owned(self, owner: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Record]:
        """Records of one owner without those of fan-out children, newest first.

        Args:
            owner: The owner.
            limit: Maximum number.
            after: Creation time and id of the last record of the page before.
        """

    async def announce(self, topic: str) -> None:
        """Wake subscribers of a topic in every replica; a replica that is disconnected may miss it."""

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        """Apply a report."""

    async def history(self, envelope_id: str, after: int = 0) -> list[Event]:
        """Events with a number over ``after``, in order."""

    async def page(self, question: Question) -> Page:
        """List envelopes, newest first."""

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        """Summarise the known ones of these envelopes, newest first."""

    async def counts(self, most: int) -> Mapping[Status, int]:
        """Count the envelopes in every state, each only up to ``most``, so that a large table costs no more."""

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count completions of the last seconds by actor; actors without any are left out."""

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes whose deadline has passed; ids of those that this call failed."""

    async def purge(self, older_than_s: float) -> int:
        """Remove the histories of envelopes that have been final for so long; how many envelopes' that were.

        The records stay, but those in memory go too.
        """

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Delete up to ``limit`` records that have been final for this long, with their histories; returns the number."""

    async def close(self) -> None:
        """Disconnect. Never raises."""
