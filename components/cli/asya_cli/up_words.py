"""The command that starts the mesh of this folder, for who needs one and has none: it names the file that is there."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

USUAL: Final = ("actors.yaml", "actor.yaml")
"""As ``asya init --pipeline`` and ``asya init`` write it."""
SUFFIXES: Final = (".yaml", ".yml", ".json")
OURS: Final = "AsyncActor"
LARGEST_BYTES: Final = 1_000_000


def up_words(folder: Path | None = None) -> str:
    """Write the command for a folder, the current one otherwise; where that holds no manifest, how to begin."""
    found = choose(_texts(folder or Path()))
    if found is None:
        return "asya local up -f FILE, in the folder of a manifest; asya init NAME makes one"
    return f"asya local up -f {found}"


def choose(texts: Mapping[str, str]) -> str | None:
    """Choose the manifest among files by name: one of the usual names, else the first that declares an actor. Pure."""
    usual = next((name for name in USUAL if name in texts), None)
    return usual or next((name for name in sorted(texts) if OURS in texts[name]), None)


def _texts(folder: Path) -> Mapping[str, str]:
    return {path.name: _text(path) for path in _candidates(folder)}


def _candidates(folder: Path) -> Iterable[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file()]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return ""
