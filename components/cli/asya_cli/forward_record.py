"""Records running port-forwards by pid and start time, so that a later command ends its own and no other process.

One file per namespace and target, in ``$XDG_RUNTIME_DIR/asya`` or ``~/.cache/asya/forward``; whoever works on one holds its
lock.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from asya_local.processes import ProcessRecord, end_recorded


@dataclass(frozen=True, slots=True)
class Forward:
    """One port-forward.

    Attributes:
        process: The kubectl that does it.
        url: Where it listens.
    """

    process: ProcessRecord
    url: str


class ForwardRecord:
    """The record of one target's forward.

    Args:
        folder: Of all records.
        name: Of this one.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._stem = re.sub(r"[^A-Za-z0-9.-]", "_", name)
        self._folder = folder

    @property
    def log(self) -> Path:
        """What kubectl says: it outlives the command that started it."""
        return self._folder / f"{self._stem}.log"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands for the same target out; they wait."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / f"{self._stem}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self) -> Forward | None:
        """The forward that still runs; ``None`` when it has ended."""
        try:
            document = json.loads((self._folder / f"{self._stem}.json").read_text(encoding="utf-8"))
            found = Forward(ProcessRecord(**document["process"]), str(document["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.process.alive else None

    def write(self, forward: Forward) -> None:
        """Remember one."""
        path = self._folder / f"{self._stem}.json"
        path.write_text(json.dumps({"process": asdict(forward.process), "url": forward.url}), encoding="utf-8")

    def end(self, forward: Forward) -> None:
        """End a forward and forget it."""
        end_recorded(forward.process)
        (self._folder / f"{self._stem}.json").unlink(missing_ok=True)


def record_folder(environ: Mapping[str, str]) -> Path:
    """Where records are."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / "asya"
    return Path(environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "asya" / "forward"
