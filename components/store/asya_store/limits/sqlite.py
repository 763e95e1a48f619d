"""States of limits in one SQLite file: shared by the processes of one machine, such as a local mesh."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from asya_protocol.errors import StoreUnavailable
from asya_store.limits.port import SWEEP_EVERY, Change, T
from asya_store.limits.rule import Place
from asya_store.limits.table import IDLE_S, State

BUSY_S: Final = 10.0
"""How long one process waits for the others; a change takes far less than a millisecond."""
TABLE: Final = """
CREATE TABLE IF NOT EXISTS asya_limits (
    name TEXT NOT NULL, key TEXT NOT NULL, state BLOB NOT NULL, paused INTEGER NOT NULL, touched REAL NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID"""
READ: Final = "SELECT state FROM asya_limits WHERE name = ? AND key = ?"
WRITE: Final = "INSERT OR REPLACE INTO asya_limits VALUES (?, ?, ?, ?, ?)"
SWEEP: Final = "DELETE FROM asya_limits WHERE NOT paused AND touched < ?"
ALL: Final = "SELECT name, key, state FROM asya_limits"
_STATE: Final = msgspec.json.Decoder(State)


class SqliteLimits:
    """One table; every change is a transaction that locks the file."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._changes = 0

    async def change(self, places: Sequence[Place], change: Change[T], *, watched: Sequence[Place] = ()) -> T:
        """Read and write."""
        return await asyncio.to_thread(self._change, places, change, watched)

    async def read(self) -> tuple[Mapping[Place, State], float]:
        """All of them."""
        return await asyncio.to_thread(self._read)

    async def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _change(self, places: Sequence[Place], change: Change[T], watched: Sequence[Place]) -> T:
        with self._lock, _Named(self._file):
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                now_s = self._clock()
                known = {}
                for place in {*places, *watched}:
                    if (row := database.execute(READ, place).fetchone()) is not None:
                        known[place] = _STATE.decode(row[0])
                written, result = change(known, now_s)
                for place, state in written.items():
                    paused = int(state.paused_s != 0)
                    database.execute(WRITE, (*place, msgspec.json.encode(state), paused, now_s))
                self._changes += 1
                if self._changes % SWEEP_EVERY == 0:
                    database.execute(SWEEP, (now_s - IDLE_S,))
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
            return result

    def _read(self) -> tuple[Mapping[Place, State], float]:
        with self._lock, _Named(self._file):
            rows = self._open().execute(ALL).fetchall()
            return {(name, key): _STATE.decode(state) for name, key, state in rows}, self._clock()

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                database.execute("PRAGMA journal_mode=WAL")
                # A machine that loses its power loses a few counts, which a minute makes good.
                database.execute("PRAGMA synchronous=OFF")
                database.execute(TABLE)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database


class _Named:
    """Says of which file an error of SQLite's is."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, sqlite3.Error | OSError | msgspec.DecodeError):
            raise StoreUnavailable(f"limits in {self._file}: {exc}") from exc
