"""The tables of the SQLite store and their migrations; the file's ``user_version`` is the last one applied."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from asya_gateway.records.record import Record

PRAGMAS: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
"""
FIRST: Final = """
CREATE TABLE IF NOT EXISTS envelopes (
    id TEXT PRIMARY KEY, parent_id TEXT, final INTEGER NOT NULL, deadline REAL, updated_at REAL NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS envelopes_parent ON envelopes (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS envelopes_due ON envelopes (deadline) WHERE final = 0 AND deadline IS NOT NULL;
CREATE INDEX IF NOT EXISTS envelopes_done ON envelopes (updated_at) WHERE final = 1;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT NOT NULL, created_at REAL NOT NULL, envelope_id TEXT NOT NULL, PRIMARY KEY (owner, created_at, envelope_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_envelope ON owners (envelope_id);
CREATE TABLE IF NOT EXISTS events (
    envelope_id TEXT NOT NULL, seq INTEGER NOT NULL, document BLOB NOT NULL, PRIMARY KEY (envelope_id, seq)
) WITHOUT ROWID;
"""
LISTS: Final = """
ALTER TABLE envelopes ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE envelopes ADD COLUMN created_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN completed_us INTEGER;
ALTER TABLE events ADD COLUMN completed_by TEXT;
CREATE INDEX envelopes_by_creation ON envelopes (created_us, id);
CREATE INDEX envelopes_by_status ON envelopes (status, created_us, id);
CREATE INDEX events_completed ON events (completed_us) WHERE completed_by IS NOT NULL;
"""

KEYS: Final = """
CREATE TABLE call_keys (
    digest TEXT PRIMARY KEY, arguments TEXT NOT NULL, envelope_id TEXT NOT NULL, calls INTEGER NOT NULL,
    sending_until REAL, ends_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX call_keys_ends_at ON call_keys (ends_at);
"""

TOP: Final = """
CREATE INDEX envelopes_top ON envelopes (created_us, id) WHERE parent_id IS NULL;
CREATE INDEX envelopes_top_by_status ON envelopes (status, created_us, id) WHERE parent_id IS NULL;
"""
"""For lists and counts without what fan-outs made."""

CALLBACKS: Final = """
CREATE TABLE callbacks (
    id TEXT PRIMARY KEY, envelope_id TEXT NOT NULL, url TEXT NOT NULL, secret_ref TEXT NOT NULL, body TEXT NOT NULL,
    since REAL NOT NULL, due_at REAL, attempts INTEGER NOT NULL, told TEXT NOT NULL
);
CREATE INDEX callbacks_due_at ON callbacks (due_at);
"""
"""Without a turn, `due_at`, it is a dead letter."""


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970: exact, unlike a float, so that pages of a list meet."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def bring_up_to_date(database: sqlite3.Connection) -> None:
    """Run the missing steps, each in a transaction."""
    database.executescript(PRAGMAS)
    steps: tuple[tuple[str, Callable[[sqlite3.Connection], None]], ...] = (
        (FIRST, _nothing),
        (LISTS, _fill),
        (KEYS, _nothing),
        (TOP, _nothing),
        (CALLBACKS, _nothing),
    )
    for version, (script, fill) in enumerate(steps, 1):
        database.execute("BEGIN IMMEDIATE")
        try:
            (done,) = database.execute("PRAGMA user_version").fetchone()
            if version > done:
                for statement in filter(str.strip, script.split(";")):
                    database.execute(statement)
                fill(database)
                database.execute(f"PRAGMA user_version = {version:d}")
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")


def _nothing(_: sqlite3.Connection) -> None:
    """A step that is all SQL."""


def _fill(database: sqlite3.Connection) -> None:
    """Write the new columns from the documents."""
    decoder = msgspec.msgpack.Decoder(Record)
    for envelope_id, document in database.execute("SELECT id, document FROM envelopes").fetchall():
        record = decoder.decode(document)
        database.execute(
            "UPDATE envelopes SET status = ?, created_us = ? WHERE id = ?",
            (record.status.value, microseconds(record.created_at), envelope_id),
        )
