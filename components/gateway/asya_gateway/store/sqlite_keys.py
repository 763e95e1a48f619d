"""Keys of calls in SQLite: statements on the table ``call_keys``. All of them run in the store's thread and transaction."""

import sqlite3
from datetime import UTC, datetime

from asya_gateway.records.call_key import KEPT_S, CallKey, Claim


def repeat(database: sqlite3.Connection, key: CallKey, now_s: float) -> Claim | None:
    """Count one more call with a key; ``None`` where it is free."""
    statement = "UPDATE call_keys SET calls = calls + 1 WHERE digest = ? AND ends_at > ?"
    return read(database, key) if database.execute(statement, (key.digest, now_s)).rowcount else None


def take(database: sqlite3.Connection, key: CallKey, envelope_id: str, sending_s: float, now_s: float) -> None:
    """Take a key that is free."""
    row = (key.digest, key.arguments, envelope_id, 1, now_s + sending_s, now_s + KEPT_S)
    database.execute("INSERT OR REPLACE INTO call_keys VALUES (?, ?, ?, ?, ?, ?)", row)


def read(database: sqlite3.Connection, key: CallKey) -> Claim | None:
    """Read a key's row."""
    question = "SELECT envelope_id, arguments, calls, sending_until FROM call_keys WHERE digest = ?"
    row = database.execute(question, (key.digest,)).fetchone()
    if row is None:
        return None
    until = None if row[3] is None else datetime.fromtimestamp(row[3], UTC)
    return Claim(row[0], row[1], row[2], until)


def sent(database: sqlite3.Connection, key: CallKey) -> None:
    """Note that nobody has to send it any more."""
    database.execute("UPDATE call_keys SET sending_until = NULL WHERE digest = ?", (key.digest,))


def take_over(database: sqlite3.Connection, key: CallKey, sending_s: float, now_s: float) -> bool:
    """Take over the sending, where its time is up."""
    statement = "UPDATE call_keys SET sending_until = ? WHERE digest = ? AND sending_until <= ?"
    return bool(database.execute(statement, (now_s + sending_s, key.digest, now_s)).rowcount)


def forget(database: sqlite3.Connection, now_s: float) -> None:
    """Delete keys that are over."""
    database.execute("DELETE FROM call_keys WHERE ends_at <= ?", (now_s,))
