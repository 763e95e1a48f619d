"""Builds tools once per machine, in a cache folder named after their pinned versions.

A build happens in a folder beside the final one and is renamed into place when it is complete: a build that was cut off
leaves nothing that looks finished. A lock file makes a second build of the same wait for the first. One that fails is tried
again: most often a download broke off, and the package managers keep what they have.
"""

import fcntl
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

PAUSES_S: Final = (5.0, 30.0)
"""Before the second and the third try."""

GO: Final = Path(__file__).with_name("go.py")
"""Decides what every build of a Go module makes."""


def cache_root() -> Path:
    """The folder for what outlives a checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asya"


def pinned_folder(name: str, makers: Iterable[Path]) -> Path:
    """The folder of a build, named by a hash of the files that decide what is in it."""
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in makers))
    return cache_root() / f"{name}-{mark.hexdigest()[:12]}"


def built_once(done: Path, make: Callable[[Path, Path], None]) -> Path:
    """Return ``done``, making it if need be.

    Args:
        done: The final folder.
        make: Called with an empty folder to fill, and a scratch folder that is thrown away.
    """
    if done.is_dir():
        return done
    done.parent.mkdir(parents=True, exist_ok=True)
    with (done.parent / f"{done.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.is_dir():  # Somebody else built the same in the meantime.
            return done
        for pause_s in PAUSES_S:
            try:
                _build(done, make)
            except Exception as exc:  # noqa: BLE001 - whatever a build fails with
                print(f"{done.name}: {exc}\n{done.name}: trying again in {pause_s:g} s", file=sys.stderr, flush=True)
                time.sleep(pause_s)
            else:
                return done
        _build(done, make)
    return done


def _build(done: Path, make: Callable[[Path, Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{done.name}.", dir=done.parent) as temporary:
        half, scratch = Path(temporary) / "half", Path(temporary) / "scratch"
        half.mkdir()
        scratch.mkdir()
        make(half, scratch)
        half.rename(done)
