"""Envelopes in a SQLite file, for a single gateway; they survive restarts. All calls run in one thread.

Records and events are MessagePack documents, beside the columns that queries need.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from asya_gateway.records.call_key import CallKey, Claim
from asya_gateway.records.delivery import delivery_of
from asya_gateway.records.lifecycle import Change, Report, apply, begun, timed_out
from asya_gateway.records.record import Event, Record
from asya_gateway.records.summary import Page, Question, Summary, cut, summarise
from asya_gateway.store import sqlite_deliveries, sqlite_keys
from asya_gateway.store.port import Applied, Outcome, Wake
from asya_gateway.store.sqlite_schema import bring_up_to_date, microseconds
from asya_protocol.errors import StoreUnavailable
from asya_protocol.status import Status

T = TypeVar("T")
BUSY_S: Final = 10.0
_RECORD: Final = msgspec.msgpack.Decoder(Record)
_EVENT: Final = msgspec.msgpack.Decoder(Event)


def _now() -> datetime:
    return datetime.now(UTC)


class SqliteStore:
    """One file."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._db: sqlite3.Connection | None = None
        self._wake: Wake = lambda _: None
        self.deliveries = sqlite_deliveries.SqliteDeliveries(self._change, lambda: self._connection, clock)

    async def open(self, wake: Wake) -> None:
        """Open the file, making it where it is missing."""
        self._wake = wake
        await self._run(self._open)

    async def ping(self) -> None:
        """Run a query."""
        await self._run(lambda: self._connection.execute("SELECT 1").fetchone())

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Keep a new record."""
        kept = await self._run(lambda: self._create(record, first))
        if kept:
            self._wake(record.id)
        return kept

    async def create_once(self, record: Record, first: Report, key: CallKey, sending_s: float) -> Claim:
        """Keep a new record, once for a key."""

        def insert() -> Claim | None:
            now_s = self._clock().timestamp()
            if (claim := sqlite_keys.repeat(self._connection, key, now_s)) is not None:
                return claim
            self._insert(record, first)
            sqlite_keys.take(self._connection, key, record.id, sending_s, now_s)
            return sqlite_keys.read(self._connection, key)

        claim = await self._run(lambda: self._in_transaction(insert))
        assert claim is not None  # noqa: S101 - written in this transaction
        if claim.calls == 1:
            self._wake(record.id)
        return claim

    async def claim(self, key: CallKey) -> Claim | None:
        """Read a key's row."""
        return await self._run(lambda: sqlite_keys.read(self._connection, key))

    async def claim_sent(self, key: CallKey) -> None:
        """Note that it is sent."""
        await self._run(lambda: sqlite_keys.sent(self._connection, key))

    async def take_over(self, key: CallKey, sending_s: float) -> bool:
        """Take over the sending."""
        now_s = self._clock().timestamp()
        return await self._run(lambda: sqlite_keys.take_over(self._connection, key, sending_s, now_s))

    async def get(self, envelope_id: str) -> Record | None:
        """Read a record."""
        return await self._run(lambda: self._read(envelope_id))

    async def children(self, envelope_id: str) -> list[str]:
        """Ids of the children."""
        question = "SELECT id, document FROM envelopes WHERE parent_id = ?"
        rows = await self._run(lambda: self._connection.execute(question, (envelope_id,)).fetchall())
        return [child for child, _ in sorted(rows, key=lambda row: (_RECORD.decode(row[1]).created_at, row[0]))]

    async def owned(self, owner: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Record]:
        """Records of one owner."""
        question = """SELECT document FROM owners JOIN envelopes ON envelopes.id = envelope_id
            WHERE owner = ? AND (created_at, envelope_id) < (?, ?) ORDER BY created_at DESC, envelope_id DESC LIMIT ?"""
        before = (float("inf"), "") if after is None else (after[0].timestamp(), after[1])
        rows = await self._run(lambda: self._connection.execute(question, (owner, *before, limit)).fetchall())
        return [_RECORD.decode(document) for (document,) in rows]

    async def announce(self, topic: str) -> None:
        """Wake those in this process; no other one shares the file."""
        self._wake(topic)

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        """Apply a report."""
        outcome = await self._run(lambda: self._in_transaction(lambda: self._report(envelope_id, report)))
        if outcome.applied is Applied.CHANGED:
            self._wake(envelope_id)
        return outcome

    async def history(self, envelope_id: str, after: int = 0) -> list[Event]:
        """Events after a number."""
        question = "SELECT document FROM events WHERE envelope_id = ? AND seq > ? ORDER BY seq"
        rows = await self._run(lambda: self._connection.execute(question, (envelope_id, after)).fetchall())
        return [_EVENT.decode(document) for (document,) in rows]

    async def page(self, question: Question) -> Page:
        """List envelopes."""
        statement, values = _page(question)
        rows = await self._run(lambda: self._connection.execute(statement, values).fetchall())
        return cut([summarise(_RECORD.decode(document)) for (document,) in rows], question.limit)

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        """Summarise some."""
        records = await self._run(lambda: [self._read(envelope_id) for envelope_id in set(ids)])
        known = [record for record in records if record is not None]
        known.sort(key=lambda record: (record.created_at, record.id), reverse=True)
        return [summarise(record) for record in known]

    async def counts(self, most: int) -> Mapping[Status, int]:
        """Count by state."""
        question = "SELECT count(*) FROM (SELECT 1 FROM envelopes WHERE status = ? AND parent_id IS NULL LIMIT ?)"

        def count() -> Mapping[Status, int]:
            ask = self._connection.execute
            return {status: ask(question, (status.value, most)).fetchone()[0] for status in Status}

        return await self._run(count)

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count completions."""
        since = microseconds(self._clock()) - round(within_s * 1e6)
        question = """SELECT completed_by, count(*) FROM events
            WHERE completed_by IS NOT NULL AND completed_us > ? GROUP BY completed_by"""
        return dict(await self._run(lambda: self._connection.execute(question, (since,)).fetchall()))

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes that are due."""
        expired = await self._run(lambda: self._in_transaction(lambda: self._expire(limit)))
        for envelope_id in expired:
            self._wake(envelope_id)
        return expired

    async def purge(self, older_than_s: float) -> int:
        """Remove old histories."""
        now_s = self._clock().timestamp()
        await self._run(lambda: sqlite_keys.forget(self._connection, now_s))
        before = now_s - older_than_s
        statement = """DELETE FROM events WHERE envelope_id IN
            (SELECT id FROM envelopes WHERE final = 1 AND updated_at < ?) RETURNING envelope_id"""
        rows = await self._run(lambda: self._connection.execute(statement, (before,)).fetchall())
        return len(set(rows))

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Remove old records."""
        before = self._clock().timestamp() - older_than_s
        return await self._run(lambda: self._in_transaction(lambda: self._forget(before, limit)))

    async def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
            self._db = None
        self._thread.shutdown(wait=False)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreUnavailable("envelope database is not open")
        return self._db

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, RuntimeError) as exc:  # RuntimeError: its thread has ended
            raise StoreUnavailable(f"envelope database: {exc}") from exc

    async def _change(self, work: Callable[[], T]) -> T:
        return await self._run(lambda: self._in_transaction(work))

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        bring_up_to_date(self._db)

    def _in_transaction(self, work: Callable[[], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            done = work()
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return done

    def _create(self, record: Record, first: Report | None) -> bool:
        return self._in_transaction(lambda: self._insert(record, first))

    def _insert(self, record: Record, first: Report | None) -> bool:
        if self._read(record.id) is not None:
            return False
        for change in begun(record, first, self._clock()):
            self._write(change)
        if record.owner is not None and record.parent_id is None:
            entry = (record.owner, record.created_at.timestamp(), record.id)
            self._connection.execute("INSERT INTO owners VALUES (?, ?, ?)", entry)
        return True

    def _read(self, envelope_id: str) -> Record | None:
        row = self._connection.execute("SELECT document FROM envelopes WHERE id = ?", (envelope_id,)).fetchone()
        return None if row is None else _RECORD.decode(row[0])

    def _report(self, envelope_id: str, report: Report) -> Outcome:
        record = self._read(envelope_id)
        if record is None:
            return Outcome(Applied.UNKNOWN)
        change = apply(record, report, self._clock())
        if change is None:
            return Outcome(Applied.FINAL_BEFORE, record)
        self._write(change)
        if (delivery := delivery_of(change.record)) is not None:
            sqlite_deliveries.keep(self._connection, delivery)
        return Outcome(Applied.CHANGED, change.record)

    def _expire(self, limit: int) -> list[str]:
        question = "SELECT id FROM envelopes WHERE final = 0 AND deadline <= ? ORDER BY deadline LIMIT ?"
        due = self._connection.execute(question, (self._clock().timestamp(), limit)).fetchall()
        return [due_id for (due_id,) in due if self._report(due_id, timed_out()).applied is Applied.CHANGED]

    def _forget(self, before: float, limit: int) -> int:
        question = "SELECT id FROM envelopes WHERE final = 1 AND updated_at < ? LIMIT ?"
        gone = self._connection.execute(question, (before, limit)).fetchall()
        for table, column in (("events", "envelope_id"), ("owners", "envelope_id"), ("envelopes", "id")):
            self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608 - names of ours
        return len(gone)

    def _write(self, change: Change) -> None:
        record, event = change.record, change.event
        deadline = None if record.deadline is None else record.deadline.timestamp()
        self._connection.execute(
            """INSERT OR REPLACE INTO envelopes (id, parent_id, final, deadline, updated_at, status, created_us, document)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                record.id, record.parent_id, int(record.status.final), deadline, record.updated_at.timestamp(),
                record.status.value, microseconds(record.created_at), msgspec.msgpack.encode(record),
            ),
        )  # fmt: skip
        completed_us = microseconds(event.timestamp) if event.phase == "completed" else None
        self._connection.execute(
            "INSERT INTO events (envelope_id, seq, document, completed_us, completed_by) VALUES (?, ?, ?, ?, ?)",
            (
                event.envelope_id, event.seq, msgspec.msgpack.encode(event), completed_us,
                None if completed_us is None else event.actor,
            ),
        )  # fmt: skip


def _page(question: Question) -> tuple[str, list[object]]:
    """Build the statement that selects one entry more than a page."""
    parts: list[str] = []
    values: list[object] = []
    if question.statuses:
        parts.append(f"status IN ({', '.join('?' * len(question.statuses))})")
        values += sorted(status.value for status in question.statuses)
    if question.prefix:
        parts.append("id GLOB ?")
        values.append("".join(f"[{letter}]" if letter in "*?[" else letter for letter in question.prefix) + "*")
    if question.top:
        parts.append("parent_id IS NULL")
    if question.after is not None:
        parts.append("(created_us, id) < (?, ?)")
        values += [microseconds(question.after.created_at), question.after.id]
    where = f"WHERE {' AND '.join(parts)} " if parts else ""
    statement = f"SELECT document FROM envelopes {where}ORDER BY created_us DESC, id DESC LIMIT ?"  # noqa: S608 - of literals
    return statement, [*values, question.limit + 1]
