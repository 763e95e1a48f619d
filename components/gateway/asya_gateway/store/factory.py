"""Opens the store that a URL names; psycopg is imported only for Postgres."""

from pathlib import Path
from typing import Final

from asya_gateway.store.port import EnvelopeStore

MEMORY: Final = "memory:"
SQLITE: Final = "sqlite:"
POSTGRES: Final = ("postgresql://", "postgres://")


def check_database_url(url: str) -> str:
    """Check that a URL names a store, and return it.

    Raises:
        ValueError: It does not; the text says what is allowed, and repeats nothing of the URL, which may hold a password.
    """
    if url != MEMORY and not (url.startswith(SQLITE) and len(url) > len(SQLITE)) and not url.startswith(POSTGRES):
        raise ValueError("must be memory:, sqlite:PATH, or start with postgresql://")
    if url.startswith(POSTGRES):
        _check_postgres_url(url)
    return url


def _check_postgres_url(url: str) -> None:
    """Find errors that libpq would report in a text that repeats parts of the password."""
    from asya_gateway.store.postgres_schema import read_url

    wrong = "is not a URL as Postgres reads it; write special characters of the password as %40 (@), %2F (/), %23 (#), %3A (:)"
    try:
        parts = read_url(url)
    except ValueError:
        raise ValueError(wrong) from None
    if not all(port.isdecimal() for port in parts.get("port", "").split(",") if port):
        raise ValueError(wrong)


def open_envelope_store(url: str, min_connections: int = 2, max_connections: int = 10) -> EnvelopeStore:
    """Build the store that a URL names; it connects when opened.

    Raises:
        ValueError: It names none.
    """
    check_database_url(url)
    if url == MEMORY:
        from asya_gateway.store.memory import MemoryStore

        return MemoryStore()
    if url.startswith(SQLITE):
        from asya_gateway.store.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix(SQLITE)))
    from asya_gateway.store.postgres import PostgresStore

    return PostgresStore(url, min_connections, max_connections)
