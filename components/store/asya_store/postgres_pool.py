"""A few connections to Postgres for one kind of state, opened when first needed; the only module of this room that opens any.

Whatever goes wrong with the database is ``StoreUnavailable``, which names the state.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from asya_protocol.errors import StoreUnavailable

CONNECTIONS: Final = 4
"""Per sidecar; a question takes about a millisecond."""
TIMEOUT_S: Final = 10.0
LOCK: Final = 0x61737961
"""Advisory lock under which tables are made: CREATE TABLE IF NOT EXISTS alone can fail when two do it at once."""


class PostgresPool:
    """Connections that commit each statement by itself.

    Args:
        url: Of the database.
        what: Whose state it is, for errors.
        schema: Statements that make what is missing.
    """

    def __init__(self, url: str, what: str, *schema: LiteralString) -> None:
        self._url = url
        self._what = what
        self._schema = schema
        self._pool: AsyncConnectionPool[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection.

        Raises:
            StoreUnavailable: There is none, or what was done with it failed.
        """
        try:
            pool = await self._ready()
            async with pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout, OSError) as exc:
            raise StoreUnavailable(f"{self._what} database: {str(exc).strip() or type(exc).__name__}") from exc

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.close()

    async def _ready(self) -> AsyncConnectionPool[Any]:
        async with self._opening:
            if self._pool is None:
                pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=CONNECTIONS,
                    timeout=TIMEOUT_S,
                    open=False,
                    kwargs={"autocommit": True, "connect_timeout": int(TIMEOUT_S)},
                    check=AsyncConnectionPool.check_connection,
                )
                try:
                    await pool.open(wait=True, timeout=TIMEOUT_S)
                    async with pool.connection() as connection, connection.transaction():
                        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                        for statement in self._schema:
                            await connection.execute(statement)
                except BaseException:
                    await pool.close()
                    raise
                self._pool = pool
            return self._pool
