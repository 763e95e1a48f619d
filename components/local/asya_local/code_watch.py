"""Notices that code which a runtime has loaded was edited since, from the log that ``observed_runtime`` keeps.

What counts is how a file is, not which events came: a runtime is out of date while a file differs from what it loaded. So
links are followed, a half-written file is seen again once it is whole, and what the handler writes, or code that no actor
imports, changes nothing. The cost is bounded: a look rests ``REST`` times as long as it took.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.25
"""Seconds between looks, when looking is quick."""
REST: Final = 24


def find_edited(logs: Iterable[Path], apart: Path) -> tuple[dict[Path, list[Path]], float]:
    """Compare what runtimes have loaded with how it is now.

    Args:
        logs: Of runtimes.
        apart: Folder whose files somebody else follows (mounted files).

    Returns:
        Edited files by log, only for logs where something was edited, and the seconds to wait before the next look.
    """
    started_s = time.monotonic()
    edited = {log: files for log in logs if (files := [file for file in _stale(log) if not file.is_relative_to(apart)])}
    return edited, max(LOOK_S, REST * (time.monotonic() - started_s))


def _stale(log: Path) -> list[Path]:
    loaded: dict[str, list[int]] = {}
    written: set[str] = set()
    with (
        contextlib.suppress(OSError, ValueError),
        log.open(encoding="utf-8") as lines,
    ):  # its last line may be half written
        for line in lines:
            kind, name, *stamp = json.loads(line)
            if kind == "w":
                written.add(name)
            else:
                loaded[name] = stamp
    return [Path(name) for name, stamp in loaded.items() if name not in written and _stamp(name) != stamp]


def _stamp(name: str) -> list[int]:
    try:
        found = os.stat(name)  # noqa: PTH116 - thousands of them, four times a second
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def forget_bytecode(paths: Iterable[Path]) -> None:
    """Remove the compiled form of edited modules.

    Python takes it for current when the source's second and size are the same, which two quick edits often are.
    """
    for path in paths:
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            with contextlib.suppress(OSError):
                compiled.unlink()
