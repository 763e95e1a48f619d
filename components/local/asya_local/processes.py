"""Starts processes in groups of their own, records them by pid and start time, and ends those that are left.

A pid alone names whoever has it now; with its start it names one process for ever. Wall times move when the clock is set,
and then every process would seem to be another one, so the start is counted in ticks since boot. A process group is ended as
a whole, so that what a handler started goes with it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

import psutil

from asya_process.command import dying_with_parent

MARKER: Final = "ASYA_LOCAL_MESH"
"""Environment variable of every process of a mesh, with the mesh's id: finds what no record names."""
PROC: Final = Path("/proc")
"""Linux has it; elsewhere start times are compared by the wall clock."""
_START_FIELD: Final = 22 - 3
"""Place of the start time, in ticks since boot, among what follows the program's name (proc_pid_stat(5), field 22)."""
_START_TOLERANCE_S: Final = 1.0
"""psutil derives wall times from the boot time, which moves with the clock; no pid is reused that soon."""
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process, for ever.

    Attributes:
        pid: Its pid, which is its process group too.
        created_s: Unix time of its start.
        role: ``sidecar``, ``runtime``, ``broker`` or ``supervisor``.
        actor: Whose it is; empty for brokers and the supervisor.
        start: Boot and tick of its start, ``<boot id>/<ticks>``, which no step of the wall clock moves; empty where the
            machine does not tell, and in records of earlier versions: those are compared by ``created_s``.
    """

    pid: int
    created_s: float
    role: str
    actor: str = ""
    start: str = ""

    def process(self) -> psutil.Process | None:
        """The living process, or ``None``; a zombie is dead."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.pid)
            if self._names(found) and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None

    def _names(self, found: psutil.Process) -> bool:
        start = _start_of(self.pid) if self.start else ""
        return start == self.start if start else abs(found.create_time() - self.created_s) < _START_TOLERANCE_S

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        reap(self.pid)
        return self.process() is not None


def own_python() -> tuple[str, ...]:
    """The interpreter for our own processes: modules in the current folder or on the user's PYTHONPATH are not ours.

    Where we have ourselves been found on PYTHONPATH it has to stay.
    """
    found = Path(__file__).resolve()
    folders = [Path(folder).resolve() for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return (sys.executable, "-P") if any(map(found.is_relative_to, folders)) else (sys.executable, "-P", "-E")


def record_of(pid: int, role: str, actor: str = "") -> ProcessRecord | None:
    """Make the record of a running process; ``None`` when it has ended already."""
    with contextlib.suppress(psutil.Error):
        return ProcessRecord(pid, psutil.Process(pid).create_time(), role, actor, _start_of(pid))
    return None


def _start_of(pid: int) -> str:
    """Boot and tick of a process's start; empty when it has ended or the machine does not tell."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name before is in parentheses and may hold anything, further parentheses and spaces too.
        after_name = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot}/{int(after_name[_START_FIELD])}"
    except (OSError, ValueError, IndexError):
        return ""


def reap(pid: int) -> None:
    """Collect a dead child of ours; nothing to do when it lives or is not ours."""
    with contextlib.suppress(ChildProcessError, OSError):
        os.waitpid(pid, os.WNOHANG)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to start.

    Attributes:
        role: ``sidecar``, ``runtime`` or ``broker``.
        actor: Whose it is.
        argv: Program and arguments.
        env: The whole environment.
        cwd: Working folder.
        log: File that stdout and stderr are added to.
        with_parent: Signal that it gets when its parent dies; ``None`` lets it live on.
    """

    role: str
    actor: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    with_parent: signal.Signals | None = signal.SIGKILL


class RunningProcess(Protocol):
    """A started process, as those who supervise it see it."""

    @property
    def pid(self) -> int:
        """Its pid."""

    def poll(self) -> int | None:
        """Its exit code (negative: the signal that ended it), ``None`` while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill_group(self) -> None:
        """End it and everything in its process group at once."""


class Launcher(Protocol):
    """Starts processes."""

    def launch(self, spec: ProcessSpec) -> RunningProcess:
        """Start one.

        Raises:
            OSError: It cannot be started.
        """


class OsLauncher:
    """Starts real processes, each in a session of its own."""

    def launch(self, spec: ProcessSpec) -> "OsProcess":
        """Start one; its log says so."""
        argv = list(spec.argv)
        if spec.with_parent is not None:
            argv = dying_with_parent(argv, spec.with_parent)
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        with spec.log.open("ab") as log:
            return OsProcess(_popen(argv, spec, log))


def _popen(argv: list[str], spec: ProcessSpec, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv,
        env=dict(spec.env),
        cwd=spec.cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class OsProcess:
    """A child process."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    @property
    def pid(self) -> int:
        """Its pid, and its process group's id."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Its exit code, ``None`` while it runs."""
        return self._popen.poll()

    def terminate(self) -> None:
        """Send SIGTERM to it alone; what it started is its own to end."""
        self._popen.terminate()

    def kill_group(self) -> None:
        """Send SIGKILL to its whole group; also after its own end, for what it left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)


def end_all(records: Iterable[ProcessRecord], mesh_id: str, *, spare: Iterable[int] = (), grace_s: float = 5.0) -> int:
    """End every recorded process that still runs, and whatever else carries the mesh's marker.

    Args:
        records: From the state folder.
        mesh_id: The mesh's marker value.
        spare: Pids to leave alone.
        grace_s: Seconds from SIGTERM to SIGKILL.

    Returns:
        How many processes were ended.
    """
    spared = {*spare, os.getpid()}
    recorded = [process for record in records if record.pid not in spared and (process := record.process())]
    ended = _end(recorded, grace_s)
    return ended + _end(marked(mesh_id, spared), grace_s)


def end_recorded(record: ProcessRecord, grace_s: float = 5.0) -> bool:
    """End one recorded process; whether it still ran."""
    process = record.process()
    return process is not None and _end([process], grace_s) > 0


def marked(mesh_id: str, spared: Iterable[int] = ()) -> list[psutil.Process]:
    """Find the processes whose environment carries the mesh's marker."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in set(spared) and process.environ().get(MARKER) == mesh_id:
                found.append(process)
    return found


def _end(processes: list[psutil.Process], grace_s: float) -> int:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = _wait(processes, grace_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _wait(alive, grace_s)
    return len(processes)


def _wait(processes: list[psutil.Process], limit_s: float) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Like ``psutil.wait_procs``, but a zombie that only its parent can collect counts as ended."""
    deadline = time.monotonic() + limit_s
    alive = list(processes)
    while alive and time.monotonic() < deadline:
        alive = [process for process in alive if _lives(process)]
        if alive:
            time.sleep(_POLL_S)
    return [process for process in processes if process not in alive], alive


def _lives(process: psutil.Process) -> bool:
    reap(process.pid)
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
