"""Dedup state in Postgres, shared by all replicas.

The database's clock decides, so that replicas need not agree on the time. One statement per call, so
that Postgres orders concurrent calls of replicas.
"""

from collections.abc import Iterable
from typing import Any, Final, LiteralString

from asya_protocol.key_segment import segment
from asya_store.dedup_port import SWEEP_EVERY, Verdict
from asya_store.postgres_pool import PostgresPool

MAX_KEY_CHARS: Final = 1000
"""An entry of a B-tree ends at a third of a page, 2,704 bytes, and each character kept is one byte."""
_ENCODED: Final = "~"
"""Begins a key that is not kept as it came."""

TABLE: Final = """
CREATE TABLE IF NOT EXISTS asya_dedup (
    key text PRIMARY KEY, owner text NOT NULL, done boolean NOT NULL, expires_at timestamptz NOT NULL
)"""
INDEX: Final = "CREATE INDEX IF NOT EXISTS asya_dedup_expires_at ON asya_dedup (expires_at)"
BEGIN: Final = """
WITH taken AS (
    INSERT INTO asya_dedup VALUES (%(key)s, %(owner)s, false, now() + %(seconds)s * interval '1 second')
    ON CONFLICT (key) DO UPDATE
        SET owner = excluded.owner, done = false, expires_at = excluded.expires_at
        WHERE asya_dedup.expires_at <= now()
    RETURNING key
)
SELECT EXISTS (SELECT 1 FROM taken), (SELECT done FROM asya_dedup WHERE key = %(key)s)"""
EXTEND: Final = """
UPDATE asya_dedup SET expires_at = now() + %(seconds)s * interval '1 second'
WHERE key = ANY(%(keys)s) AND owner = %(owner)s AND NOT done"""
FINISH: Final = """
INSERT INTO asya_dedup VALUES (%(key)s, '', true, now() + %(seconds)s * interval '1 second')
ON CONFLICT (key) DO UPDATE SET owner = '', done = true, expires_at = excluded.expires_at"""
FORGET: Final = "DELETE FROM asya_dedup WHERE key = %(key)s AND owner = %(owner)s AND NOT done"
SWEEP: Final = """
DELETE FROM asya_dedup
WHERE key IN (SELECT key FROM asya_dedup WHERE expires_at <= now() LIMIT 5000 FOR UPDATE SKIP LOCKED)"""


def row_key(key: str) -> str:
    """Turn any text into one that every Postgres takes and indexes; short ASCII stays as it is, different keys stay different.

    What Postgres refuses (NUL, halves of surrogates, what its encoding lacks, too much for an index) is no trouble of the
    database's that passes: an envelope with such an id would be put back for ever.
    """
    plain = key.isascii() and key.isprintable() and len(key) <= MAX_KEY_CHARS and not key.startswith(_ENCODED)
    return key if plain else _ENCODED + segment(key)


class PostgresDedup:
    """One table of keys."""

    def __init__(self, url: str) -> None:
        self._pool = PostgresPool(url, "dedup", TABLE, INDEX)
        self._begins = 0

    async def begin(self, key: str, owner: str, lease_s: float) -> Verdict:
        """Claim a key."""
        self._begins += 1
        if self._begins % SWEEP_EVERY == 0:
            await self._ask(SWEEP, {})
        row = await self._ask(BEGIN, {"key": row_key(key), "owner": owner, "seconds": lease_s})
        taken, done = row or (False, False)
        return Verdict.RUN if taken else Verdict.DONE if done else Verdict.BUSY

    async def extend(self, keys: Iterable[str], owner: str, lease_s: float) -> None:
        """Hold keys for another lease."""
        await self._ask(EXTEND, {"keys": [row_key(key) for key in keys], "owner": owner, "seconds": lease_s})

    async def finish(self, key: str, window_s: float) -> None:
        """Remember a key as done."""
        await self._ask(FINISH, {"key": row_key(key), "seconds": window_s})

    async def forget(self, key: str, owner: str) -> None:
        """Release a key."""
        await self._ask(FORGET, {"key": row_key(key), "owner": owner})

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _ask(self, statement: LiteralString, values: dict[str, object]) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone() if cursor.description else None
