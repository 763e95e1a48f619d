"""Log files: truncated while processes write to them, read from their end in the order of time, and followed.

Processes hold their log open, so a full one is copied aside and cut to zero (they append, so they go on at the start).
Lines written between copy and cut are lost; a log that nobody could cut would fill the disk, which loses more.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from asya_local.log_lines import LogLine, mentions, newest, read_lines

MAX_BYTES: Final = 10 * 1024 * 1024
"""Per file; with the older half kept beside it a process has at most 20 MiB."""
LONGEST_TRACEBACK: Final = 200
"""So many lines before the newest are looked at for the head of a traceback."""
_FOLLOW_S: Final = 0.2
_BLOCK: Final = 64 * 1024


def rotate(folder: Path, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Cut every log that has grown over the limit, keeping its last ``max_bytes`` in ``NAME.1``; return those cut."""
    cut: list[Path] = []
    for path in folder.rglob("*.log"):
        size = path.stat().st_size
        if size <= max_bytes:
            continue
        with path.open("r+b") as log, path.with_suffix(".log.1").open("wb") as older:
            log.seek(size - max_bytes)
            while block := log.read(_BLOCK):
                older.write(block)
                if older.tell() > 2 * max_bytes:
                    break  # it is written faster than it is copied; enough is kept
            log.truncate(0)
        cut.append(path)
    return cut


def tail(path: Path, lines: int) -> list[str]:
    """The newest lines of a log."""
    if lines <= 0 or not path.exists():
        return []
    with path.open("rb") as log:
        position = log.seek(0, 2)
        data = b""
        while position > 0 and data.count(b"\n") <= lines:
            step = min(_BLOCK, position)
            position = log.seek(position - step)
            data = log.read(step) + data
            log.seek(position)
    return data.decode("utf-8", "replace").splitlines()[-lines:]


class Follower:
    """Reads what is added to a folder's logs, new files included."""

    def __init__(self, paths: list[Path]) -> None:
        self._open: dict[Path, tuple[IO[bytes], bytes]] = {}
        for path in paths:
            self._add(path, at_end=True)

    def poll(self, paths: list[Path]) -> Iterator[tuple[Path, str]]:
        """Yield whole lines added since the last poll."""
        for path in paths:
            if path not in self._open and path.exists():
                self._add(path, at_end=False)
        for path, (log, begun) in list(self._open.items()):
            was_cut = path.exists() and path.stat().st_size < log.tell()
            if was_cut:
                log.seek(0)
            *whole, rest = ((b"" if was_cut else begun) + log.read()).split(b"\n")
            self._open[path] = (log, rest)
            for line in whole:
                yield path, line.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the files."""
        for log, _ in self._open.values():
            log.close()

    def _add(self, path: Path, *, at_end: bool) -> None:
        log = path.open("rb")
        log.seek(0, 2 if at_end else 0)
        self._open[path] = (log, b"")


def read_logs(folder: Path, actor: str | None, *, follow: bool, lines: int) -> Iterator[LogLine]:
    """Read the newest lines of an actor's logs, or of all, by time; following goes on until the caller stops asking.

    Args:
        folder: Folder of all logs.
        actor: Whose; ``None`` is everyone's.
        follow: Go on with what is added.
        lines: Newest lines of each log to begin with.
    """
    paths = _paths(folder, actor)
    # Made now, not when the first line is asked for: what is written in between belongs to the caller.
    return _read(folder, actor, paths, Follower(paths) if follow else None, lines)


def read_logs_of(folder: Path, envelope_id: str) -> list[LogLine]:
    """Find every line of every log, the older halves too, that is about an envelope, in the order of time."""
    found: list[LogLine] = []
    for path in sorted(folder.rglob("*.log*")):
        about = [line for line in _whole(path) if mentions(envelope_id, line)]
        found += read_lines(_source(folder, path), about, 0.0)
    return sorted(found, key=lambda line: line.at_s)


def _read(
    folder: Path, actor: str | None, paths: list[Path], follower: Follower | None, lines: int
) -> Iterator[LogLine]:
    try:
        first: list[LogLine] = []
        for path in paths:
            shown = newest(tail(path, lines + LONGEST_TRACEBACK), lines)
            first += read_lines(_source(folder, path), shown, path.stat().st_mtime if path.exists() else 0.0)
        yield from sorted(first, key=lambda line: line.at_s)
        while follower is not None:
            added = (
                line
                for path, text in follower.poll(_paths(folder, actor))
                for line in read_lines(_source(folder, path), [text], time.time())
            )
            yield from sorted(added, key=lambda line: line.at_s)
            time.sleep(_FOLLOW_S)
    finally:
        if follower is not None:
            follower.close()


def _whole(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as log:
            for line in log:
                yield line.rstrip("\n")
    except OSError:
        return  # it was rotated away this moment


def _source(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix().partition(".log")[0]


def _paths(folder: Path, actor: str | None) -> list[Path]:
    if actor is None:
        return sorted(folder.rglob("*.log"))
    return sorted((folder / actor).glob("*.log")) if "/" not in actor and actor not in (".", "..") else []
