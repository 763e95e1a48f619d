"""Envelopes in memory, for tests and trying things out; lost when the process ends."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from asya_gateway.records.call_key import KEPT_S, CallKey, Claim
from asya_gateway.records.delivery import delivery_of
from asya_gateway.records.lifecycle import Report, apply, begun, timed_out
from asya_gateway.records.record import Event, Record
from asya_gateway.records.summary import Page, Question, Summary, cut, summarise
from asya_gateway.store.memory_deliveries import MemoryDeliveries
from asya_gateway.store.port import Applied, Outcome, Wake
from asya_protocol.status import Status


def _now() -> datetime:
    return datetime.now(UTC)


def _age(record: Record) -> tuple[datetime, str]:
    return record.created_at, record.id


class MemoryStore:
    """A store of dictionaries; no method awaits anything, so calls never interleave."""

    def __init__(self, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self.deliveries = MemoryDeliveries(clock)
        self._records: dict[str, Record] = {}
        self._events: dict[str, list[Event]] = {}
        self._children: dict[str, list[str]] = {}
        self._open: dict[str, datetime] = {}
        self._claims: dict[str, tuple[Claim, datetime]] = {}
        self._wake: Wake = lambda _: None

    async def open(self, wake: Wake) -> None:
        """Keep the callback."""
        self._wake = wake

    async def ping(self) -> None:
        """Always available."""

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Keep a new record."""
        if record.id in self._records:
            return False
        changes = begun(record, first, self._clock())
        self._records[record.id] = changes[-1].record
        self._events[record.id] = [change.event for change in changes]
        if record.parent_id is not None:
            self._children.setdefault(record.parent_id, []).append(record.id)
        if record.deadline is not None:
            self._open[record.id] = record.deadline
        self._wake(record.id)
        return True

    async def create_once(self, record: Record, first: Report, key: CallKey, sending_s: float) -> Claim:
        """Keep a new record, once for a key."""
        now = self._clock()
        claim, ends_at = self._claims.get(key.digest, (None, now))
        if claim is not None and ends_at > now:
            claim = replace(claim, calls=claim.calls + 1)
        else:
            claim, ends_at = (
                Claim(record.id, key.arguments, 1, now + timedelta(seconds=sending_s)),
                now + timedelta(seconds=KEPT_S),
            )
            await self.create(record, first)
        self._claims[key.digest] = claim, ends_at
        return claim

    async def claim(self, key: CallKey) -> Claim | None:
        """Read a key's row."""
        return self._claims[key.digest][0] if key.digest in self._claims else None

    async def claim_sent(self, key: CallKey) -> None:
        """Note that it is sent."""
        if key.digest in self._claims:
            claim, ends_at = self._claims[key.digest]
            self._claims[key.digest] = replace(claim, sending_until=None), ends_at

    async def take_over(self, key: CallKey, sending_s: float) -> bool:
        """Take over the sending."""
        now = self._clock()
        claim, ends_at = self._claims.get(key.digest, (None, now))
        if claim is None or claim.sending_until is None or claim.sending_until > now:
            return False
        self._claims[key.digest] = replace(claim, sending_until=now + timedelta(seconds=sending_s)), ends_at
        return True

    async def get(self, envelope_id: str) -> Record | None:
        """Read a record."""
        return self._records.get(envelope_id)

    async def children(self, envelope_id: str) -> list[str]:
        """Ids of the children."""
        return list(self._children.get(envelope_id, ()))

    async def owned(self, owner: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Record]:
        """Records of one owner."""
        found = [record for record in self._records.values() if record.owner == owner and record.parent_id is None]
        found.sort(key=lambda record: (record.created_at, record.id), reverse=True)
        return [record for record in found if after is None or (record.created_at, record.id) < after][:limit]

    async def announce(self, topic: str) -> None:
        """Wake streams of this process; there are no others."""
        self._wake(topic)

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        """Apply a report."""
        record = self._records.get(envelope_id)
        if record is None:
            return Outcome(Applied.UNKNOWN)
        change = apply(record, report, self._clock())
        if change is None:
            return Outcome(Applied.FINAL_BEFORE, record)
        self._records[envelope_id] = change.record
        self._events[envelope_id].append(change.event)
        if change.record.status.final:
            self._open.pop(envelope_id, None)
            if (delivery := delivery_of(change.record)) is not None:
                self.deliveries.keep(delivery)
        elif change.record.deadline is not None:
            self._open[envelope_id] = change.record.deadline
        self._wake(envelope_id)
        return Outcome(Applied.CHANGED, change.record)

    async def history(self, envelope_id: str, after: int = 0) -> list[Event]:
        """Events after a number."""
        return [event for event in self._events.get(envelope_id, ()) if event.seq > after]

    async def page(self, question: Question) -> Page:
        """List envelopes."""
        after = None if question.after is None else (question.after.created_at, question.after.id)
        found = (
            record
            for record in self._records.values()
            if (not question.statuses or record.status in question.statuses)
            and record.id.startswith(question.prefix)
            and not (question.top and record.parent_id is not None)
            and (after is None or _age(record) < after)
        )
        return cut(
            [summarise(record) for record in heapq.nlargest(question.limit + 1, found, key=_age)], question.limit
        )

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        """Summarise some."""
        known = [self._records[envelope_id] for envelope_id in set(ids) if envelope_id in self._records]
        return [summarise(record) for record in sorted(known, key=_age, reverse=True)]

    async def counts(self, most: int) -> Mapping[Status, int]:
        """Count by state."""
        found = Counter(record.status for record in self._records.values() if record.parent_id is None)
        return {status: min(found[status], most) for status in Status}

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count completions."""
        since = self._clock() - timedelta(seconds=within_s)
        return Counter(
            event.actor
            for record in self._records.values()
            if record.updated_at > since
            for event in self._events[record.id]
            if event.phase == "completed" and event.actor is not None and event.timestamp > since
        )

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes that are due."""
        now = self._clock()
        due = [envelope_id for envelope_id, deadline in self._open.items() if deadline <= now][:limit]
        for envelope_id in due:
            await self.report(envelope_id, timed_out())
        return due

    async def purge(self, older_than_s: float) -> int:
        """Delete old final records."""
        now = self._clock()
        self._claims = {digest: kept for digest, kept in self._claims.items() if kept[1] > now}
        return await self.forget(older_than_s, len(self._records))

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Delete old final records."""
        before = self._clock() - timedelta(seconds=older_than_s)
        gone = [record for record in self._records.values() if record.status.final and record.updated_at < before]
        for record in gone[:limit]:
            del self._records[record.id], self._events[record.id]
            self._children.pop(record.id, None)
        return len(gone[:limit])

    async def close(self) -> None:
        """Nothing to close."""
