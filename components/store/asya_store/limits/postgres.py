"""States of limits in Postgres, shared by all replicas, on the database's clock.

A change locks its places' rows in one order, so that two never wait for each other; what is only watched is not locked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from asya_protocol.errors import StoreUnavailable
from asya_store.limits.port import SWEEP_EVERY, Change, T
from asya_store.limits.rule import Place
from asya_store.limits.table import IDLE_S, State
from asya_store.postgres_pool import PostgresPool

TABLE: Final = """
CREATE TABLE IF NOT EXISTS asya_limits (
    name text NOT NULL, key text NOT NULL, state bytea NOT NULL, paused boolean NOT NULL,
    touched_at timestamptz NOT NULL, PRIMARY KEY (name, key)
)"""
MAKE: Final = """
INSERT INTO asya_limits SELECT *, '{}'::bytea, false, now() FROM unnest(%(names)s::text[], %(keys)s::text[])
ON CONFLICT DO NOTHING"""
LOCKED: Final = """
SELECT name, key, state FROM asya_limits
WHERE (name, key) IN (SELECT * FROM unnest(%(names)s::text[], %(keys)s::text[]))
ORDER BY name, key FOR UPDATE"""
WATCHED: Final = """
SELECT name, key, state, extract(epoch FROM clock_timestamp())::float8
FROM (SELECT) AS one LEFT JOIN asya_limits
ON (name, key) IN (SELECT * FROM unnest(%(names)s::text[], %(keys)s::text[]))"""
WRITE: Final = """
UPDATE asya_limits SET state = %(state)s, paused = %(paused)s, touched_at = now()
WHERE name = %(name)s AND key = %(key)s"""
SWEEP: Final = """
DELETE FROM asya_limits WHERE (name, key) IN (
    SELECT name, key FROM asya_limits
    WHERE NOT paused AND touched_at < now() - %(seconds)s * interval '1 second' LIMIT 1000 FOR UPDATE SKIP LOCKED
)"""
ALL: Final = "SELECT name, key, state FROM asya_limits"
NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_STATE: Final = msgspec.json.Decoder(State)


class PostgresLimits:
    """One table of states."""

    def __init__(self, url: str) -> None:
        self._pool = PostgresPool(url, "limits", TABLE)
        self._changes = 0

    async def change(self, places: Sequence[Place], change: Change[T], *, watched: Sequence[Place] = ()) -> T:
        """Read and write."""
        locked, seen = sorted({*places}), sorted({*watched} - {*places})
        async with self._connection() as connection, connection.transaction():
            await connection.execute(MAKE, _columns(locked))
            found = await (await connection.execute(LOCKED, _columns(locked))).fetchall()
            known = {(name, key): _STATE.decode(state) for name, key, state in found}
            # The clock is asked once the rows are ours: who waited for them must not count by a time before.
            watches = await (await connection.execute(WATCHED, _columns(seen))).fetchall()
            known.update({(name, key): _STATE.decode(state) for name, key, state, _ in watches if name})
            written, result = change(known, watches[0][3])
            for (name, key), state in written.items():
                values = {"state": msgspec.json.encode(state), "paused": state.paused_s != 0}
                await connection.execute(WRITE, {**values, "name": name, "key": key})
        self._changes += 1
        if self._changes % SWEEP_EVERY == 0:
            async with self._connection() as connection:
                await connection.execute(SWEEP, {"seconds": IDLE_S})
        return result

    async def read(self) -> tuple[Mapping[Place, State], float]:
        """All of them."""
        async with self._connection() as connection:
            found = await (await connection.execute(ALL)).fetchall()
            now = await (await connection.execute(NOW)).fetchone()
            return {(name, key): _STATE.decode(state) for name, key, state in found}, (now or (0.0,))[0]

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except msgspec.DecodeError as exc:
            raise StoreUnavailable(f"limits database: {exc}") from exc


def _columns(places: Sequence[Place]) -> dict[str, list[str]]:
    return {"names": [name for name, _ in places], "keys": [key for _, key in places]}
