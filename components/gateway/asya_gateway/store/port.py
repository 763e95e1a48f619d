"""The port of the envelope stores. One contract suite tests all of them.

* A report is applied by ``asya_gateway.records.lifecycle`` as in a transaction: of two that race, the second sees the first.
* Every change adds one event; an envelope's events are numbered from 1 without gaps.
* A deadline fires once, whichever replica sweeps first, also after a restart (except in memory).
* Of calls with the same key one makes an envelope, whichever replicas they reach.
* After ``StoreUnavailable`` it is unknown whether anything changed; trying again is safe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from asya_gateway.records.call_key import CallKey, Claim
from asya_gateway.records.lifecycle import Report
from asya_gateway.records.record import Event, Record
from asya_gateway.records.summary import Page, Question, Summary
from asya_gateway.store.delivery_port import DeliveryStore
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

    @property
    def deliveries(self) -> DeliveryStore:
        """The ends that are to be told by callbacks; a report that ends an envelope keeps its own there."""

    async def open(self, wake: Wake) -> None:
        """Connect, and bring the schema up to date."""

    async def ping(self) -> None:
        """Check that the database answers."""

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Insert a record with its first event and a first report; false, and no change, when the id exists."""

    async def create_once(self, record: Record, first: Report, key: CallKey, sending_s: float) -> Claim:
        """Insert a record as ``create`` does, unless a call with this key did so in the last ``call_key.KEPT_S`` seconds.

        Args:
            record: New; its id is taken by nothing else.
            first: Its first report.
            key: Of the call.
            sending_s: How long this call may take to send the envelope; afterwards a repetition takes that over.

        Returns:
            The key's row after this call: of this record where ``calls`` is 1.
        """

    async def claim(self, key: CallKey) -> Claim | None:
        """Read a key's row."""

    async def claim_sent(self, key: CallKey) -> None:
        """Note that nobody has to send the key's envelope any more."""

    async def take_over(self, key: CallKey, sending_s: float) -> bool:
        """Take over the sending of an envelope whose call did not finish in time; true for one of those that try."""

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
        """Count the envelopes in every state, without what fan-outs made, each up to ``most``: a large table costs no more."""

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count completions of the last seconds by actor; actors without any are left out."""

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes whose deadline has passed; ids of those that this call failed."""

    async def purge(self, older_than_s: float) -> int:
        """Remove the histories of envelopes that have been final for so long; how many envelopes' that were.

        The records stay, but those in memory go too. Keys of calls that are over go as well.
        """

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Delete up to ``limit`` records that have been final for this long, with their histories; returns the number."""

    async def close(self) -> None:
        """Disconnect. Never raises."""
