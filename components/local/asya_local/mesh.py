"""The mesh as its users see it: bring it up, find it, look at it, read its logs, take it down.

``up`` starts a daemon (``python -m asya_local``) in a session of its own, or hands a running one its new wishes. All that
the two share is files in one folder (``state.py``), so any later command finds the mesh again.
"""

import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from asya_local import localstack, log_files
from asya_local.declarations import declare
from asya_local.errors import MeshError
from asya_local.gateway_process import find_tool_files
from asya_local.mesh_status import ActorState, ActorStatus, MeshStatus
from asya_local.processes import ProcessRecord, end_all, record_of
from asya_local.settings import read_local_settings
from asya_local.state import MeshRecord, Request, StateFolder

__all__ = [
    "ActorState",
    "ActorStatus",
    "MeshError",
    "MeshInfo",
    "MeshStatus",
    "Progress",
    "UpOptions",
    "down",
    "find",
    "logs",
    "status",
    "up",
]

Progress = Callable[[str], None]

START_LIMIT_S: Final = 240.0
"""LocalStack on a busy machine with two cores is what takes longest; installing it is not part of this."""
FOLLOW_LIMIT_S: Final = 90.0
_POLL_S: Final = 0.1
_SAY_EVERY_S: Final = 2.0
_BROKER_GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What a mesh should be.

    Attributes:
        manifests: AsyncActor files or folders.
        transport: ``sqs``, ``rabbitmq`` or ``memory``.
        home: Folder of its state.
        source: Folder of handlers' code; ``None`` leaves it to the manifests.
        endpoint: SQS and S3 endpoint that already runs; none starts LocalStack.
        rabbitmq_url: Broker for ``rabbitmq``.
        rabbitmq_management_url: Its management API, to count in-flight envelopes.
        max_replicas: Cap per actor; ``None`` takes ``ASYA_LOCAL_MAX_REPLICAS`` or twice the CPUs.
        reload: Load edited code anew.
        gateway: Run a gateway.
        gateway_port: Where it listens; ``None`` takes the mesh's last one, or any that is free.
        tools: Its tool files or folders of them; empty takes ``tools.yaml`` beside the manifests.
    """

    manifests: tuple[Path, ...]
    transport: str = "sqs"
    home: Path = Path(".asya")
    source: Path | None = None
    endpoint: str | None = None
    rabbitmq_url: str | None = None
    rabbitmq_management_url: str | None = None
    max_replicas: int | None = None
    reload: bool = True
    gateway: bool = True
    gateway_port: int | None = None
    tools: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshInfo:
    """A running mesh.

    Attributes:
        home: Its folder.
        pid: Its supervisor.
        transport: Its broker's kind.
        manifests: What it follows.
        notes: What is different from a cluster, or was left out.
        found: Whether it ran already before this ``up``.
        gateway_url: Where its gateway and the console are; empty where it has none.
    """

    home: Path
    pid: int
    transport: str
    manifests: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    found: bool = True
    gateway_url: str = ""
    _environment: dict[str, str] = field(default_factory=dict, repr=False)

    def environment(self) -> dict[str, str]:
        """What a client needs to reach the broker and the store (``ASYA_*``, ``AWS_*``)."""
        return dict(self._environment)

    @property
    def gateway_token_file(self) -> Path:
        """File that holds the token for its gateway."""
        return StateFolder(self.home).gateway_token_file


class _SupervisorGone(MeshError):
    """The supervisor ended while it was waited for."""


def up(options: UpOptions, progress: Progress) -> MeshInfo:
    """Bring a mesh up and wait until its queues exist, or make the running one follow the options.

    Raises:
        ManifestError: A manifest cannot be used; names the file and the place.
        MeshError: It cannot be brought up; says why, with the end of its log.
        SettingsError: A variable cannot be used.
    """
    state = StateFolder(options.home)
    with state.locked():
        running = _living(state)
        request = _request(options)
        declare(request, state, os.environ, transport_env={}, store_env={})  # a bad manifest is said here and now
        if running is not None:
            try:
                return _hand_over(state, request, running, progress)
            except _SupervisorGone:
                # It was about to end, or was killed a moment ago: then this is a start like any other.
                progress("that supervisor has ended; starting a new one")
        _clean(state, progress, keep_broker_of=request)
        return _start(state, _with_localstack(request, progress), progress)


def find(home: Path) -> MeshInfo | None:
    """Find the running mesh of a folder; ``None`` while it starts or stops, too."""
    record = _living(StateFolder(home))
    return _info(StateFolder(home), record) if record is not None and record.ready else None


def status(home: Path) -> MeshStatus:
    """Look at the mesh of a folder; ``running`` says whether there is one."""
    state = StateFolder(home)
    document = state.read_status() if _living(state) is not None else None
    return MeshStatus.from_json(document) if document else MeshStatus(False, "", 0.0, [])


def down(home: Path, progress: Progress) -> bool:
    """Take the mesh of a folder down: let work finish, then leave no process, also of one whose supervisor was killed.

    Returns:
        Whether anything was running.

    Raises:
        MeshError: Another command is at work on it.
    """
    state = StateFolder(home)
    if not state.home.is_dir():
        return False
    with state.locked():
        record = _living(state)
        if record is not None:
            _say_unfinished(state, record, progress)
            _stop(record, progress)
        cleaned = _clean(state, progress if record is None else _silent, keep_broker_of=None)
        return record is not None or cleaned > 0


def logs(home: Path, actor: str | None = None, follow: bool = False, lines: int = 100) -> Iterator[str]:
    """Read the newest lines of an actor's logs, or of all; following goes on until the caller stops asking.

    Args:
        home: The mesh's folder.
        actor: Whose; ``None`` is everyone's, the supervisor's too.
        follow: Go on with what is added.
        lines: Newest lines of each log to begin with.
    """
    folder = StateFolder(home).logs
    paths = _log_paths(folder, actor)
    # Made now, not when the first line is asked for: what is written in between belongs to the caller.
    return _read_logs(folder, actor, paths, log_files.Follower(paths) if follow else None, lines)


def _read_logs(
    folder: Path, actor: str | None, paths: list[Path], follower: log_files.Follower | None, lines: int
) -> Iterator[str]:
    try:
        for path in paths:
            for line in log_files.tail(path, lines):
                yield _labelled(folder, path, line)
        while follower is not None:
            for path, line in follower.poll(_log_paths(folder, actor)):
                yield _labelled(folder, path, line)
            log_files.pause()
    finally:
        if follower is not None:
            follower.close()


def _living(state: StateFolder) -> MeshRecord | None:
    record = state.read_mesh()
    return record if record is not None and record.supervisor.alive else None


def _info(state: StateFolder, record: MeshRecord, *, found: bool = True) -> MeshInfo:
    return MeshInfo(
        home=state.home,
        pid=record.supervisor.pid,
        transport=record.transport,
        manifests=tuple(Path(path) for path in record.manifests),
        notes=tuple(record.notes),
        found=found,
        gateway_url=record.gateway_url,
        _environment=record.environment,
    )


def _request(options: UpOptions) -> Request:
    settings = read_local_settings(os.environ)
    if options.transport == "rabbitmq" and not options.rabbitmq_url:
        raise MeshError("--transport rabbitmq needs --rabbitmq-url amqp://user:password@host:port/vhost")
    if options.source is not None and not options.source.is_dir():
        raise MeshError(f"--source {options.source} is no folder")
    return Request(
        id=uuid.uuid4().hex,
        manifests=[str(path.absolute()) for path in options.manifests],
        transport=options.transport,
        source=str(options.source.absolute()) if options.source is not None else None,
        endpoint=options.endpoint.rstrip("/") if options.endpoint else None,
        rabbitmq_url=options.rabbitmq_url,
        rabbitmq_management_url=options.rabbitmq_management_url,
        max_replicas=options.max_replicas or settings.max_replicas,
        store=dict(settings.store),
        reload=options.reload,
        gateway=options.gateway,
        gateway_port=options.gateway_port,
        tools=[str(path.absolute()) for path in options.tools or find_tool_files(options.manifests)],
    )


def _with_localstack(request: Request, progress: Progress) -> Request:
    if request.transport != "sqs" or request.endpoint is not None:
        return request
    # Installed by the command, not by the daemon: a wait of minutes belongs in front of the person.
    return replace(request, localstack_python=str(localstack.ensure_installed(progress)))


def _hand_over(state: StateFolder, request: Request, running: MeshRecord, progress: Progress) -> MeshInfo:
    previous = state.read_request()
    if previous is not None and previous.broker != request.broker:
        raise MeshError(
            f"the mesh in {state.home} runs on {previous.transport} (pid {running.supervisor.pid}) and cannot change its "
            "broker; take it down first: asya local down"
        )
    progress(f"the mesh is already up (pid {running.supervisor.pid}); it follows the new manifests")
    python = previous.localstack_python if previous is not None else None
    state.write_request(replace(request, localstack_python=python))
    record = _wait(state, running.supervisor, request.id, FOLLOW_LIMIT_S, progress)
    return _info(state, record)


def _start(state: StateFolder, request: Request, progress: Progress) -> MeshInfo:
    state.logs.mkdir(parents=True, exist_ok=True)
    state.write_request(request)
    progress("starting the supervisor")
    supervisor = _spawn(state)
    try:
        record = _wait(state, supervisor, request.id, START_LIMIT_S, progress)
    except BaseException:
        # Also when the person gives up: half a mesh is of no use to anyone.
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor.pid, signal.SIGTERM)
        _await_end(supervisor, _BROKER_GRACE_S, _silent)
        _clean(state, _silent, keep_broker_of=request)
        raise
    return _info(state, record, found=False)


def _spawn(state: StateFolder) -> ProcessRecord:
    """Start the daemon; by its plain pid, since no object of this process should stand for one that outlives it."""
    argv = [sys.executable, "-m", "asya_local", str(state.home)]
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


def _wait(
    state: StateFolder, supervisor: ProcessRecord, request_id: str, limit_s: float, progress: Progress
) -> MeshRecord:
    """Wait until the supervisor follows a request."""
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
            raise _SupervisorGone(f"the supervisor ended before the mesh was up; its log ends with:\n{_tail(state)}")
        if time.monotonic() > deadline:
            raise MeshError(f"the mesh was not up within {limit_s:g} s; its log ends with:\n{_tail(state)}")
        time.sleep(_POLL_S)


def _stop(record: MeshRecord, progress: Progress) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.supervisor.pid, signal.SIGTERM)
    if not _await_end(record.supervisor, record.stop_limit_s + _BROKER_GRACE_S, progress):
        progress("the supervisor did not end in time; ending its processes one by one")


def _await_end(supervisor: ProcessRecord, limit_s: float, progress: Progress) -> bool:
    begun = time.monotonic()
    say_at = begun + _SAY_EVERY_S
    while supervisor.alive and time.monotonic() < begun + limit_s:
        if time.monotonic() > say_at:
            progress(f"waiting for work to finish ({time.monotonic() - begun:.0f} of at most {limit_s:.0f} s)")
            say_at += _SAY_EVERY_S
        time.sleep(_POLL_S)
    return not supervisor.alive


def _clean(state: StateFolder, progress: Progress, *, keep_broker_of: Request | None) -> int:
    """End what a mesh has left behind; a broker that the next supervisor will take over lives on with its envelopes.

    Returns:
        How many processes were ended.
    """
    record, previous = state.read_mesh(), state.read_request()
    broker = record.broker if record is not None else None
    keep = (
        broker is not None
        and keep_broker_of is not None
        and previous is not None
        and previous.broker == keep_broker_of.broker
        and broker.process.alive
    )
    records = state.read_processes()
    if record is not None:
        records.append(record.supervisor)
    if broker is not None and not keep:
        records.append(broker.process)
    spare = [broker.process.pid] if broker is not None and keep else []
    ended = end_all(records, state.mesh_id, spare=spare)
    if ended:
        progress(f"ended {ended} process{'es' if ended > 1 else ''} of a mesh whose supervisor was gone")
    if broker is not None and keep:
        progress(f"taking over its broker (pid {broker.process.pid}) and the envelopes in it")
        return ended
    state.forget()
    for leftover in state.run_dir.glob("*/*") if state.run_dir.is_dir() else ():
        leftover.unlink(missing_ok=True)
    return ended


def _say_unfinished(state: StateFolder, record: MeshRecord, progress: Progress) -> None:
    document = state.read_status()
    if record.broker is None or document is None:
        return
    actors = MeshStatus.from_json(document).actors
    waiting = sum(actor.queued for actor in actors)
    if waiting:
        progress(f"{waiting} envelopes still wait in queues; they go with the {record.broker.kind} broker")


def _log_paths(folder: Path, actor: str | None) -> list[Path]:
    if actor is None:
        return sorted(folder.rglob("*.log"))
    return sorted((folder / actor).glob("*.log")) if "/" not in actor and actor not in (".", "..") else []


def _labelled(folder: Path, path: Path, line: str) -> str:
    return f"{path.relative_to(folder).with_suffix('')} | {line}"


def _tail(state: StateFolder) -> str:
    return "\n".join(log_files.tail(state.supervisor_log, 15))


def _silent(_: str) -> None:
    """Report to nobody."""
