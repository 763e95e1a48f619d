"""Deliveries in Postgres: the table ``asya_callbacks``, shared by all replicas."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, LiteralString, Protocol

from asya_gateway.records.delivery import Delivery

KEEP: Final[LiteralString] = """called AS (
INSERT INTO asya_callbacks (id, envelope_id, url, secret_ref, body, since, due_at)
SELECT %(d_id)s, id, %(d_url)s, %(d_secret)s, %(d_body)s, %(d_since)s, %(d_since)s FROM kept ON CONFLICT (id) DO NOTHING), """
"""In the statement that ends an envelope."""
LEASE: Final[LiteralString] = """
UPDATE asya_callbacks SET attempts = attempts + 1, due_at = now() + %s * interval '1 second'
WHERE id IN (SELECT id FROM asya_callbacks WHERE due_at <= now() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, envelope_id, url, secret_ref, body, since, due_at, attempts, told"""
DELIVERED: Final[LiteralString] = "DELETE FROM asya_callbacks WHERE id = %s RETURNING id"
POSTPONE: Final[LiteralString] = """
UPDATE asya_callbacks SET due_at = now() + %s::float8 * interval '1 second', told = %s
WHERE id = %s AND attempts = %s AND due_at IS NOT NULL RETURNING id"""
"""A pause that is NULL leaves it without a turn."""
KEPT: Final[LiteralString] = """
SELECT id, envelope_id, url, secret_ref, body, since, due_at, attempts, told FROM asya_callbacks
WHERE (due_at IS NULL) = %s ORDER BY since, id LIMIT %s"""
COUNTS: Final[LiteralString] = "SELECT count(due_at), count(*) - count(due_at) FROM asya_callbacks"
REDRIVE: Final[LiteralString] = """
WITH again AS (
UPDATE asya_callbacks SET since = now(), due_at = now(), attempts = 0, told = ''
WHERE due_at IS NULL AND id = coalesce(%s::text, id) RETURNING id)
SELECT count(*) FROM again"""
FORGET: Final[LiteralString] = """
WITH gone AS (
DELETE FROM asya_callbacks WHERE due_at IS NULL AND since < now() - %s * interval '1 second' RETURNING id)
SELECT count(*) FROM gone"""


class Rows(Protocol):
    """Runs a statement, and fetches its rows."""

    def __call__(self, statement: LiteralString, values: Sequence[object] = ()) -> Awaitable[list[tuple[Any, ...]]]:
        """Run it; raises StoreUnavailable."""


class PostgresDeliveries:
    """Deliveries of one database.

    Args:
        rows: Runs statements.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def lease(self, limit: int, lease_s: float) -> list[Delivery]:
        """Take what is due, except what another replica is just taking."""
        return [Delivery(*row) for row in await self._rows(LEASE, (lease_s, limit))]

    async def delivered(self, delivery_id: str) -> None:
        """Delete one."""
        await self._rows(DELIVERED, (delivery_id,))

    async def postpone(self, delivery: Delivery, pause_s: float | None, told: str) -> bool:
        """Note a failed attempt."""
        values = (pause_s, told.replace("\x00", "\ufffd"), delivery.id, delivery.attempts)
        return bool(await self._rows(POSTPONE, values))

    async def kept(self, limit: int, *, dead: bool) -> list[Delivery]:
        """List some."""
        return [Delivery(*row) for row in await self._rows(KEPT, (dead, limit))]

    async def counts(self) -> tuple[int, int]:
        """Count them."""
        ((waiting, dead),) = await self._rows(COUNTS)
        return waiting, dead

    async def redrive(self, delivery_id: str | None) -> int:
        """Let dead letters begin anew."""
        clean = None if delivery_id is None else delivery_id.replace("\x00", "\ufffd")
        return int((await self._rows(REDRIVE, (clean,)))[0][0])

    async def forget(self, older_than_s: float) -> int:
        """Delete old dead letters."""
        return int((await self._rows(FORGET, (older_than_s,)))[0][0])


def keep_values(delivery: Delivery) -> Mapping[str, object]:
    """Values of ``KEEP``."""
    return {
        "d_id": delivery.id,
        "d_url": delivery.url,
        "d_secret": delivery.secret_ref,
        "d_body": delivery.body,
        "d_since": delivery.since,
    }
