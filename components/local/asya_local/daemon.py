"""The supervisor's process as commands see it: start it, wait for it, stop it, and end what a killed one left behind."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from asya_local import log_files
from asya_local.errors import MeshError
from asya_local.processes import ProcessRecord, end_all, own_python, record_of
from asya_local.state import MeshRecord, Request, StateFolder

Progress = Callable[[str], None]

_POLL_S: Final = 0.1
_SAY_EVERY_S: Final = 2.0
_BROKER_GRACE_S: Final = 10.0


class SupervisorGone(MeshError):
    """The supervisor ended while it was waited for."""


def spawn(state: StateFolder) -> ProcessRecord:
    """Start the daemon; by its plain pid, since no object of this process should stand for one that outlives it."""
    argv = [*own_python(), "-m", "asya_local", str(state.home)]
    with state.supervisor_log.open("ab") as log:
        pid = os.posix_spawn(
            sys.executable,
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
        )
    # It is our own child and not yet collected, so the pid is surely its own.
    return record_of(pid, "supervisor") or ProcessRecord(pid, time.time(), "supervisor")


def wait(
    state: StateFolder, supervisor: ProcessRecord, request_id: str, limit_s: float, progress: Progress
) -> MeshRecord:
    """Wait until the supervisor follows a request.

    Raises:
        SupervisorGone: It ended meanwhile.
        MeshError: It cannot follow, or not in time.
    """
    deadline, said = time.monotonic() + limit_s, ""
    while True:
        record = state.read_mesh()
        ours = record is not None and record.supervisor.pid == supervisor.pid
        if ours and record is not None:
            if record.error and record.request_id == request_id:
                raise MeshError(f"{record.error}\n{_tail(state)}")
            if record.request_id == request_id and record.ready:
                return record
            if record.stage != said:
                said = record.stage
                progress(said)
        if not supervisor.alive:
            raise SupervisorGone(f"the supervisor ended before the mesh was up; its log ends with:\n{_tail(state)}")
        if time.monotonic() > deadline:
            raise MeshError(f"the mesh was not up within {limit_s:g} s; its log ends with:\n{_tail(state)}")
        time.sleep(_POLL_S)


def stop(supervisor: ProcessRecord, limit_s: float, progress: Progress) -> None:
    """Ask it to take its mesh down, and wait until it has ended or the limit is over."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(supervisor.pid, signal.SIGTERM)
    if not _ends_within(supervisor, limit_s + _BROKER_GRACE_S, progress):
        progress("the supervisor did not end in time; ending its processes one by one")


def _ends_within(supervisor: ProcessRecord, limit_s: float, progress: Progress) -> bool:
    begun = time.monotonic()
    say_at = begun + _SAY_EVERY_S
    while supervisor.alive and time.monotonic() < begun + limit_s:
        if time.monotonic() > say_at:
            progress(f"waiting for work to finish ({time.monotonic() - begun:.0f} of at most {limit_s:.0f} s)")
            say_at += _SAY_EVERY_S
        time.sleep(_POLL_S)
    return not supervisor.alive


def clean(state: StateFolder, progress: Progress, *, keep_broker_of: Request | None) -> int:
    """End what a mesh has left behind; a broker that the next supervisor will take over lives on with its envelopes.

    Returns:
        How many processes were ended.
    """
    record, previous = state.read_mesh(), state.read_request()
    broker = record.broker if record is not None else None
    same_broker = previous is not None and keep_broker_of is not None and previous.broker == keep_broker_of.broker
    kept = broker if broker is not None and same_broker and broker.process.alive else None
    records = state.read_processes()
    if record is not None:
        records.append(record.supervisor)
    if broker is not None and kept is None:
        records.append(broker.process)
    ended = end_all(records, state.mesh_id, spare=[kept.process.pid] if kept is not None else [])
    if ended:
        progress(f"ended {ended} process{'es' if ended > 1 else ''} of a mesh whose supervisor was gone")
    if kept is not None:
        progress(f"taking over its broker (pid {kept.process.pid}) and the envelopes in it")
        return ended
    state.forget()
    for leftover in state.run_dir.glob("*/*"):
        leftover.unlink(missing_ok=True)
    return ended


def _tail(state: StateFolder) -> str:
    return "\n".join(log_files.tail(state.supervisor_log, 15))


def silent(_: str) -> None:
    """Discard progress messages."""
