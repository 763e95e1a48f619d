"""Opens the store of limits' states that a URL names."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from asya_store.limits.memory import MemoryLimits
from asya_store.limits.port import LimitStates

MEMORY: Final = "memory:"
SQLITE: Final = "sqlite://"
_POSTGRES: Final = ("postgresql://", "postgres://")


def open_limits(url: str) -> LimitStates:
    """Open the store that a URL names; nothing is connected yet.

    Args:
        url: ``memory:``, ``sqlite:///path/to/file`` or ``postgresql://user:password@host/database``.

    Raises:
        ValueError: It names none of them.
    """
    check_limits_url(url)
    if url == MEMORY:
        return MemoryLimits()
    if url.startswith(SQLITE):
        from asya_store.limits.sqlite import SqliteLimits

        return SqliteLimits(Path(unquote(url.removeprefix(SQLITE))))
    from asya_store.limits.postgres import PostgresLimits

    return PostgresLimits(url)


def check_limits_url(url: str) -> str:
    """Check that a URL names a store, and return it; the text does not repeat it, for it may hold a password.

    Raises:
        ValueError: It does not.
    """
    is_file = url.startswith(f"{SQLITE}/") and len(url) > len(f"{SQLITE}/")
    if url != MEMORY and not is_file and not url.startswith(_POSTGRES):
        raise ValueError(f"must be {MEMORY} or start with {SQLITE}/ or {_POSTGRES[0]}")
    return url
