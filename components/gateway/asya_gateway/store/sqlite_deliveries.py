"""Deliveries in SQLite: the table ``callbacks``. Everything runs in the store's thread."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from asya_gateway.records.delivery import Delivery

T = TypeVar("T")
READ: Final = "SELECT id, envelope_id, url, secret_ref, body, since, due_at, attempts, told FROM callbacks"


class Run(Protocol):
    """Runs work on the store's connection, in its thread."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run it in a transaction."""


class SqliteDeliveries:
    """Deliveries of one file.

    Args:
        run: Runs work in a transaction.
        database: The connection, asked for within that work.
        clock: UTC.
    """

    def __init__(self, run: Run, database: Callable[[], sqlite3.Connection], clock: Callable[[], datetime]) -> None:
        self._run = run
        self._database = database
        self._clock = clock

    async def lease(self, limit: int, lease_s: float) -> list[Delivery]:
        """Take what is due."""

        def take() -> list[Delivery]:
            now_s = self._now_s()
            due = self._rows(f"{READ} WHERE due_at <= ? ORDER BY due_at LIMIT ?", now_s, limit)
            update = "UPDATE callbacks SET attempts = attempts + 1, due_at = ? WHERE id = ? RETURNING attempts"
            for row in due:
                ((row[7],), row[6]) = (self._rows(update, now_s + lease_s, row[0])[0], now_s + lease_s)
            return [_read(row) for row in due]

        return await self._run(take)

    async def delivered(self, delivery_id: str) -> None:
        """Delete one."""
        await self._run(lambda: self._change("DELETE FROM callbacks WHERE id = ?", delivery_id))

    async def postpone(self, delivery: Delivery, pause_s: float | None, told: str) -> bool:
        """Note a failed attempt."""
        due_s = None if pause_s is None else self._now_s() + pause_s
        statement = "UPDATE callbacks SET due_at = ?, told = ? WHERE id = ? AND attempts = ? AND due_at IS NOT NULL"
        values = (due_s, told, delivery.id, delivery.attempts)
        return bool(await self._run(lambda: self._change(statement, *values)))

    async def kept(self, limit: int, *, dead: bool) -> list[Delivery]:
        """List some."""
        where = "due_at IS NULL" if dead else "due_at IS NOT NULL"
        question = f"{READ} WHERE {where} ORDER BY since, id LIMIT ?"
        return [_read(row) for row in await self._run(lambda: self._rows(question, limit))]

    async def counts(self) -> tuple[int, int]:
        """Count them."""
        question = "SELECT count(due_at), count(*) - count(due_at) FROM callbacks"
        ((waiting, dead),) = await self._run(lambda: self._rows(question))
        return waiting, dead

    async def redrive(self, delivery_id: str | None) -> int:
        """Let dead letters begin anew."""
        now_s = self._now_s()
        statement = """UPDATE callbacks SET since = ?, due_at = ?, attempts = 0, told = ''
            WHERE due_at IS NULL AND id = coalesce(?, id)"""
        return await self._run(lambda: self._change(statement, now_s, now_s, delivery_id))

    async def forget(self, older_than_s: float) -> int:
        """Delete old dead letters."""
        before_s = self._now_s() - older_than_s
        return await self._run(
            lambda: self._change("DELETE FROM callbacks WHERE due_at IS NULL AND since < ?", before_s)
        )

    def _now_s(self) -> float:
        return self._clock().timestamp()

    def _rows(self, statement: str, *values: object) -> list[list[Any]]:
        return [list(row) for row in self._database().execute(statement, values).fetchall()]

    def _change(self, statement: str, *values: object) -> int:
        return self._database().execute(statement, values).rowcount


def keep(database: sqlite3.Connection, delivery: Delivery) -> None:
    """Keep a new one, in the transaction that ends its envelope."""
    due_s = None if delivery.due_at is None else delivery.due_at.timestamp()
    row = (
        delivery.id, delivery.envelope_id, delivery.url, delivery.secret_ref, delivery.body, delivery.since.timestamp(),
        due_s, delivery.attempts, delivery.told,
    )  # fmt: skip
    database.execute("INSERT OR IGNORE INTO callbacks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _read(row: list[Any]) -> Delivery:
    since, due_at = (None if at_s is None else datetime.fromtimestamp(at_s, UTC) for at_s in row[5:7])
    assert since is not None  # noqa: S101 - the column is NOT NULL
    return Delivery(row[0], row[1], row[2], row[3], row[4], since, due_at, row[7], row[8])
