"""The local mesh's API: bring it up, find it, read its status and logs, take it down.

``up`` starts a daemon (``python -m asya_local``) in a session of its own, or hands a running one its new wishes. All that
the two share is files in one folder (``state.py``), so any later command finds the mesh again.
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from asya_local import daemon
from asya_local.daemon import Progress
from asya_local.errors import MeshError
from asya_local.log_files import read_logs, read_logs_of
from asya_local.log_lines import LogLine
from asya_local.mesh_status import ActorState, ActorStatus, MeshStatus
from asya_local.state import MeshRecord, Request, StateFolder
from asya_protocol import names
from asya_protocol.nearest import nearest

__all__ = [
    "ActorState",
    "ActorStatus",
    "MeshError",
    "MeshInfo",
    "MeshStatus",
    "Progress",
    "UpOptions",
    "claim",
    "down",
    "find",
    "find_unloadable",
    "gateway_words",
    "has_logs",
    "known_actors",
    "logs",
    "status",
    "up",
    "wrong_route",
]

START_LIMIT_S: Final = 240.0
"""LocalStack on a busy machine with two cores is what takes longest; installing it is not part of this."""
FOLLOW_LIMIT_S: Final = 90.0
GATEWAY_LIMIT_S: Final = 2.0


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
        python: Interpreter of all handlers; ``None`` leaves it to manifests and environments.
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
    python: str | None = None


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


def up(options: UpOptions, progress: Progress) -> MeshInfo:
    """Bring a mesh up and wait until its queues exist, or make the running one follow the options.

    Raises:
        ManifestError: A manifest cannot be used; names the file and the place.
        MeshError: It cannot be brought up; says why, with the end of its log.
        SettingsError: A variable cannot be used.
    """
    # Here, not above: reading manifests takes longer to import than all that the other commands do.
    from asya_local.declarations import declare

    state = StateFolder(options.home)
    with state.locked():
        running = _living(state)
        request = _request(options)
        declare(request, state, os.environ, transport_env={}, store_env={})  # a bad manifest is said here and now
        if running is not None:
            try:
                return _hand_over(state, request, running, progress)
            except daemon.SupervisorGone:
                # It was about to end, or was killed a moment ago: then this is a start like any other.
                progress("that supervisor has ended; starting a new one")
        daemon.clean(state, progress, keep_broker_of=request)
        return _start(state, _with_localstack(request, progress), progress)


def find(home: Path) -> MeshInfo | None:
    """Find the running mesh of a folder; ``None`` while it starts or stops, too."""
    record = _living(StateFolder(home))
    return _info(StateFolder(home), record) if record is not None and record.ready else None


def status(home: Path) -> MeshStatus:
    """Look at the mesh of a folder; ``running`` says whether there is one."""
    state = StateFolder(home)
    found = state.read_status() if _living(state) is not None else None
    return found or MeshStatus(False, "", 0.0, [])


def known_actors(home: Path) -> set[str]:
    """Name the actors of the mesh of a folder that a route may have."""
    return {actor.name for actor in status(home).actors} - names.RESERVED_ACTORS


def wrong_route(actors: Iterable[str], known: set[str]) -> str:
    """Say which actor of a route there is not, and the nearest that is there; empty where all are. Pure."""
    absent = next((actor for actor in actors if actor not in known), None)
    if absent is None:
        return ""
    return (
        f"this mesh has no actor {absent!r}, only {', '.join(sorted(known)) or 'none at all'}{nearest(absent, known)}"
    )


def find_unloadable(home: Path) -> dict[str, str]:
    """Say of the mesh of a folder which actors' handlers cannot be loaded, and why; takes seconds."""
    from asya_local import handler_check

    return handler_check.find_unloadable(StateFolder(home), lambda: status(home))


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
            daemon.stop(record.supervisor, record.stop_limit_s, progress)
            _say_left(state, record, progress)
        cleaned = daemon.clean(state, progress if record is None else daemon.silent, keep_broker_of=None)
        return record is not None or cleaned > 0


def claim(home: Path) -> None:
    """Make a folder a mesh's, for who puts something into it before ``up`` does.

    Raises:
        MeshError: It is somebody else's, or another command is at work on it.
    """
    with StateFolder(home).locked():
        pass


def logs(home: Path, actor: str | None = None, follow: bool = False, lines: int = 100) -> Iterator[LogLine]:
    """Read the newest lines of an actor's logs, or of all, in the order of time; following goes on until the caller stops.

    Args:
        home: The mesh's folder.
        actor: Whose; ``None`` is everyone's, the supervisor's too.
        follow: Go on with what is added.
        lines: Newest lines of each log to begin with.
    """
    return read_logs(StateFolder(home).logs, actor, follow=follow, lines=lines)


def logs_of(home: Path, envelope_id: str) -> list[LogLine]:
    """Find all that the processes of a mesh said about an envelope, in the order of time."""
    return read_logs_of(StateFolder(home).logs, envelope_id)


def gateway_words(info: MeshInfo) -> str:
    """What the gateway of a mesh says of itself where not all is well, such as tool files that are broken; else empty."""
    from http.client import HTTPConnection, HTTPException  # lean: this is asked by what people type all day

    connection = HTTPConnection(info.gateway_url.removeprefix("http://"), timeout=GATEWAY_LIMIT_S)
    try:
        connection.request("GET", "/ready")
        told = connection.getresponse().read().decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as exc:
        told = f"no answer: {exc or type(exc).__name__}"
    finally:
        connection.close()
    return "" if told == "OK" else f"the gateway says: {told} (asya local logs gateway)"


def has_logs(home: Path) -> bool:
    """Whether a mesh, running or ended, has left logs in a folder."""
    return any(StateFolder(home).logs.glob("*"))


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
    from asya_local.gateway_process import find_tool_files
    from asya_local.handler_environment import lasting
    from asya_local.interpreter import activated_environment
    from asya_local.settings import read_local_settings

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
        python=options.python,
        activated=activated_environment(os.environ),
        environ=lasting(os.environ),
    )


def _with_localstack(request: Request, progress: Progress) -> Request:
    if request.transport != "sqs" or request.endpoint is not None:
        return request
    from asya_local import localstack

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
    record = daemon.wait(state, running.supervisor, request.id, FOLLOW_LIMIT_S, progress)
    return _info(state, record)


def _start(state: StateFolder, request: Request, progress: Progress) -> MeshInfo:
    state.logs.mkdir(parents=True, exist_ok=True)
    state.write_request(request)
    progress("starting the supervisor")
    supervisor = daemon.spawn(state)
    try:
        record = daemon.wait(state, supervisor, request.id, START_LIMIT_S, progress)
    except BaseException:
        # Also when the person gives up: half a mesh is of no use to anyone.
        daemon.stop(supervisor, 0.0, daemon.silent)
        daemon.clean(state, daemon.silent, keep_broker_of=request)
        raise
    return _info(state, record, found=False)


def _say_left(state: StateFolder, record: MeshRecord, progress: Progress) -> None:
    left = state.take_left()
    if record.broker is None or not left:
        return
    total = sum(left.values())
    where = ", ".join(f"{count} for {actor}" for actor, count in sorted(left.items()))
    progress(
        f"{total} envelope{'s' if total > 1 else ''} still waited, {where}, and went with the {record.broker.kind} broker"
    )
