"""The choice between the stores; psycopg is imported only when it is chosen."""

from pathlib import Path
from typing import Final

from asya_gateway.store.port import EnvelopeStore

MEMORY: Final = "memory:"
SQLITE: Final = "sqlite:"
POSTGRES: Final = ("postgresql://", "postgres://")


def check_url(url: str) -> None:
    """Make sure that a URL names a store.

    Raises:
        ValueError: It does not; the text says what is allowed, and repeats nothing of the URL, which may hold a password.
    """
    if url != MEMORY and not (url.startswith(SQLITE) and len(url) > len(SQLITE)) and not url.startswith(POSTGRES):
        raise ValueError("must be memory:, sqlite:PATH, or start with postgresql://")


def open_envelope_store(url: str, min_connections: int = 2, max_connections: int = 10) -> EnvelopeStore:
    """Build the store that a URL names; it connects when opened.

    Raises:
        ValueError: It names none.
    """
    check_url(url)
    if url == MEMORY:
        from asya_gateway.store.memory import MemoryStore

        return MemoryStore()
    if url.startswith(SQLITE):
        from asya_gateway.store.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix(SQLITE)))
    from asya_gateway.store.postgres import PostgresStore

    return PostgresStore(url, min_connections, max_connections)
