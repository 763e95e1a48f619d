"""The control group of a cluster: every process in it belongs to the cluster.

Both layouts are known: one tree for all controllers (version 2), and a tree per controller (version 1, also where a unified
one lies beside them).
"""

import os
import signal
import time
from pathlib import Path
from typing import Final

from lab.cluster.place import Place

_MOUNT: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = ("cpu", "cpuset", "memory", "pids", "hugetlb")


def create(place: Place) -> Path:
    """Create the group and return the file that a process writes its id into to become part of the cluster."""
    if _unified():
        known = (_MOUNT / "cgroup.controllers").read_text(encoding="utf-8").split()
        wanted = " ".join(f"+{name}" for name in _CONTROLLERS if name in known)
        (_MOUNT / "cgroup.subtree_control").write_text(wanted, encoding="utf-8")
    for root in _roots():
        (root / place.mark).mkdir(exist_ok=True)
    parts = _membership(place) / "parts"
    parts.mkdir(exist_ok=True)
    return parts / "cgroup.procs"


def members(place: Place) -> set[int]:
    """The ids of all processes of the cluster, those inside its containers too."""
    found: set[int] = set()
    for listing in _membership(place).rglob("cgroup.procs"):
        try:
            found.update(int(line) for line in listing.read_text(encoding="utf-8").split())
        except OSError:  # The group went away while it was being read.
            continue
    return found - {0}


def end(place: Place, patience_s: float = 120.0) -> set[int]:
    """Kill every member and remove the group; return those that would not die in time."""
    ends = time.monotonic() + patience_s
    while (left := members(place)) and time.monotonic() < ends:
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
    for root in _roots():
        top = root / place.mark
        for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            _remove(group)
        _remove(top)
    return left


def _remove(group: Path) -> None:
    for _ in range(20):  # The kernel lets go of a group a moment after its last process.
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return


def _unified() -> bool:
    return (_MOUNT / "cgroup.controllers").exists()


def _roots() -> list[Path]:
    if _unified():
        return [_MOUNT]
    return [path for path in _MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]


def _membership(place: Place) -> Path:
    """The tree that is asked who belongs to the cluster; in version 1, one that takes a process without further ado."""
    return (_MOUNT if _unified() else _MOUNT / "pids") / place.mark
