"""Notices edits below the folders of handlers' code, by looking at modification times.

Looking is level-based like everything else here: what counts is how files are, not which events came, so a half-written file
is seen again once it is whole. It needs no library and none of the kernel's watches, which run out on laptops, and its cost is
bounded: after each look the watch rests ``REST`` times as long as the look took (50 files: 0.4 % of a core; 4,000: under 4 %,
and an edit is then seen within about half a second).

Left out: hidden folders, ``__pycache__``, ``node_modules``, virtual environments, folders of other meshes, links to folders,
and every file that is neither code nor configuration. A new data file is no edit, since handlers write those too.
"""

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

CODE: Final = ".py"
DATA: Final = (".json", ".yaml", ".yml")
LOOK_S: Final = 0.25
"""Seconds between looks, when looking is quick."""
REST: Final = 24
MAX_FILES: Final = 20_000
"""More than anybody edits: such a folder is a home folder or a data set, and is not watched."""
_FOREIGN_FOLDERS: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_FOREIGN_MARKS: Final = frozenset({"pyvenv.cfg", "mesh-id"})
"""Files that say what a folder is: a virtual environment, the state of a mesh."""

Stamp = tuple[int, int, int]
"""Modification time in ns, size, inode: an editor that replaces the file in the same tick still changes the last."""


class SourceWatch:
    """Remembers how folders looked, and says what was edited since.

    Attributes:
        rest_s: Seconds to wait before the next look.
        too_large: Folders that hold too many files to be watched.
    """

    def __init__(self) -> None:
        self.rest_s = LOOK_S
        self.too_large: frozenset[Path] = frozenset()
        self._seen: dict[Path, dict[str, Stamp]] = {}

    def look(self, folders: Iterable[Path], apart: Collection[str] = ()) -> dict[Path, list[Path]]:
        """Compare with the previous look.

        Args:
            folders: What to look at; one that is new here is only remembered.
            apart: Paths of files that somebody else follows (manifests).

        Returns:
            Edited files by folder, only for folders where something was edited.
        """
        started_s = time.monotonic()
        seen: dict[Path, dict[str, Stamp]] = {}
        too_large: set[Path] = set()
        for folder in set(folders):
            files: dict[str, Stamp] = {}
            if _scan(str(folder), files):
                seen[folder] = {path: stamp for path, stamp in files.items() if path not in apart}
            else:
                too_large.add(folder)
        edited = {
            folder: [Path(path) for path in paths]
            for folder, files in seen.items()
            if folder in self._seen and (paths := _edits(self._seen[folder], files))
        }
        self._seen, self.too_large = seen, frozenset(too_large)
        self.rest_s = max(LOOK_S, REST * (time.monotonic() - started_s))
        return edited


def forget_bytecode(paths: Iterable[Path]) -> None:
    """Remove the compiled form of edited modules.

    Python takes it for current when the source's second and size are the same, which two quick edits often are.
    """
    for path in paths:
        if path.suffix == CODE:
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                with contextlib.suppress(OSError):
                    compiled.unlink()


def _edits(before: dict[str, Stamp], now: dict[str, Stamp]) -> list[str]:
    changed = [path for path, stamp in now.items() if before.get(path, stamp if path.endswith(DATA) else None) != stamp]
    return changed + [path for path in before if path not in now]


def _may_hold_code(entry: "os.DirEntry[str]") -> bool:
    return entry.name not in _FOREIGN_FOLDERS and entry.is_dir(follow_symlinks=False)


def _scan(folder: str, files: dict[str, Stamp]) -> bool:
    """Stamp every file of interest below a folder; false when there are too many."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # it may vanish while we look
        found = [entry for entry in entries if not entry.name.startswith(".")]
        if any(entry.name in _FOREIGN_MARKS for entry in found):
            return True
        for entry in found:
            if entry.name.endswith((CODE, *DATA)):
                with contextlib.suppress(OSError):
                    stat = entry.stat()
                    files[entry.path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            elif _may_hold_code(entry) and not _scan(entry.path, files):
                return False
        return len(files) <= MAX_FILES
    return True
