"""Where the limits of a local mesh count: one file in its folder, for the mesh's life and the next one's."""

from pathlib import Path
from urllib.parse import quote


def limits_url(home: Path) -> str:
    """The URL of the file, as sidecars and commands take it."""
    return f"sqlite://{quote(str(home.absolute() / 'limits.db'))}"
