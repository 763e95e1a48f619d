"""The mesh's state folder: which process writes which file, and how to read one that is being written.

``request.json``    written by ``up``: what the user asks for
``mesh.json``       written by the supervisor: who it is, how to reach its broker and store, how far it has come
``processes.json``  written by the supervisor: every process that it started
``status.json``     written by the supervisor every second
``left.json``       written by the supervisor at its end: what went with its broker, for the ``down`` that waits
``unloadable.json`` written by ``up``: the handlers that it could not load
``mesh-id``         the mesh's marker, for the folder's life
``gateway-token``, ``gateway-tokens``, ``gateway-port``, ``gateway.db``   the gateway's, for the folder's life
``limits.db``       what limits have counted, written by the sidecars
``logs/``, ``volumes/``, ``results/``, ``run/``   logs, mounted files, results without S3, sockets

Every file is replaced as a whole, so a reader never sees half of one. Files may hold credentials: only the owner reads them.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from asya_local.errors import MeshError
from asya_local.mesh_status import MeshStatus
from asya_local.processes import ProcessRecord

_T = TypeVar("_T")

MAX_RUN_DIR_BYTES: Final = 60
"""A Unix socket path has 107 bytes on Linux (103 on macOS); a replica's folder and file name take up to 45 of them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for.

    Attributes:
        id: New for each ``up``; the supervisor repeats it once it has followed.
        manifests: Absolute paths.
        transport: The broker's kind.
        source: Folder of handlers' code, or ``None``.
        endpoint: SQS and S3 endpoint that already runs, or ``None``.
        rabbitmq_url: Broker for rabbitmq.
        rabbitmq_management_url: Its management API.
        max_replicas: Cap per actor.
        store: Environment of an object store that the user named; empty lets the mesh choose.
        localstack_python: Interpreter that holds LocalStack, when the mesh starts it.
        reload: Whether edited code is loaded anew.
        gateway: Whether the mesh has a gateway.
        gateway_port: Where it listens; ``None`` takes the last one or any.
        tools: Tool files or folders of them, absolute.
        python: Interpreter of all handlers, or ``None``.
        activated: Folder of the environment that was activated where ``up`` was called, or ``None``.
        environ: The environment there, as far as handlers inherit it.
    """

    id: str
    manifests: list[str]
    transport: str
    source: str | None
    endpoint: str | None
    rabbitmq_url: str | None
    rabbitmq_management_url: str | None
    max_replicas: int
    store: dict[str, str] = field(default_factory=dict)
    localstack_python: str | None = None
    reload: bool = True
    gateway: bool = True
    gateway_port: int | None = None
    tools: list[str] = field(default_factory=list)
    python: str | None = None
    activated: str | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def broker(self) -> tuple[object, ...]:
        """What two requests must share to be about one mesh."""
        return (self.transport, self.endpoint, self.rabbitmq_url)


@dataclass(frozen=True, slots=True)
class Unloadable:
    """What an ``up`` found out about handlers.

    Attributes:
        request_id: Of that ``up``.
        causes: By actor, why its handler cannot be loaded; whoever is not in it can be, or is not looked at.
    """

    request_id: str
    causes: dict[str, str]


@dataclass(frozen=True, slots=True)
class BrokerRecord:
    """A broker process of the mesh; it outlives a supervisor that was killed, and the next one takes it over."""

    process: ProcessRecord
    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class MeshRecord:
    """What the supervisor says about itself.

    Attributes:
        supervisor: Its process.
        transport: The broker's kind.
        request_id: The latest request that it follows.
        stage: What it is doing, while it is not ready.
        ready: Whether queues exist and replicas are kept running.
        error: Why it could not start, else empty.
        environment: What a client needs to reach broker and store.
        manifests: What it follows.
        notes: What was left out of the manifests.
        stop_limit_s: Seconds within which it ends once asked to.
        broker: Its broker's process, ``None`` when that is somebody else's.
        gateway_url: Where its gateway is; empty where it has none.
    """

    supervisor: ProcessRecord
    transport: str
    request_id: str = ""
    stage: str = "starting"
    ready: bool = False
    error: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    manifests: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stop_limit_s: float = 60.0
    broker: BrokerRecord | None = None
    gateway_url: str = ""


@dataclass(frozen=True, slots=True)
class GatewayTokens:
    """What the gateway of the mesh lets in.

    Attributes:
        owner: May do everything; for whoever may read the mesh's folder.
        report: May report, for sidecars.
    """

    owner: str
    report: str


IGNORED: Final = "*\n"
"""Keeps the whole folder out of git."""


class StateFolder:
    """Reads and writes the mesh's folder."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()

    @property
    def logs(self) -> Path:
        """Folder of all logs."""
        return self.home / "logs"

    @property
    def supervisor_log(self) -> Path:
        """The supervisor's own log."""
        return self.logs / "supervisor.log"

    @property
    def mesh_id(self) -> str:
        """The mesh's marker, made when first asked for."""
        path = self.home / "mesh-id"
        with contextlib.suppress(OSError):
            if text := path.read_text(encoding="utf-8").strip():
                return text
        fresh = uuid.uuid4().hex
        self._write("mesh-id", fresh)
        return fresh

    @property
    def run_dir(self) -> Path:
        """Folder for sockets: below the mesh's folder, or in the temporary folder when that is too deep."""
        here = self.home / "run"
        if len(os.fsencode(here)) <= MAX_RUN_DIR_BYTES:
            return here
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"asya-{digest}"

    @property
    def gateway_token_file(self) -> Path:
        """The owner's token alone, for people and for the command line."""
        return self.home / "gateway-token"

    @property
    def gateway_tokens_file(self) -> Path:
        """All tokens, as the gateway reads them."""
        return self.home / "gateway-tokens"

    def gateway_tokens(self) -> GatewayTokens:
        """The gateway's tokens, made when first asked for; only the owner of the folder can read them."""
        with contextlib.suppress(OSError):
            lines = self.gateway_tokens_file.read_text(encoding="utf-8").split()
            if len(lines) == 2 and self.gateway_token_file.is_file():
                return GatewayTokens(lines[0], lines[1].partition("|")[0])
        made = GatewayTokens(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        self._write(self.gateway_tokens_file.name, f"{made.owner}\n{made.report}|report\n")
        self._write(self.gateway_token_file.name, f"{made.owner}\n")
        return made

    def make_run_dir(self) -> Path:
        """Make the folder for sockets, ours alone.

        Raises:
            MeshError: Somebody else has put something there.
        """
        folder = self.run_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise MeshError(f"{folder} belongs to somebody else; remove it, or choose a shorter --home")
        return folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other ``up`` and ``down`` commands out.

        Raises:
            MeshError: One is at work, or the folder is somebody else's.
        """
        self._refuse_strangers()
        self._make_home()
        (self.home / ".gitignore").write_text(IGNORED, encoding="utf-8")
        _ = self.mesh_id  # from now on the folder is ours
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MeshError(f"another command is at work on the mesh in {self.home}; try again shortly") from None
            yield

    def read_request(self) -> Request | None:
        """The latest request."""
        return self._read("request.json", Request)

    def write_request(self, request: Request) -> None:
        """Ask for something."""
        self._write_json("request.json", request)

    def read_mesh(self) -> MeshRecord | None:
        """What the supervisor said last, dead or alive."""
        return self._read("mesh.json", MeshRecord)

    def write_mesh(self, record: MeshRecord) -> None:
        """Say how far the supervisor is."""
        self._write_json("mesh.json", record)

    def read_processes(self) -> list[ProcessRecord]:
        """Every process that the supervisor started and that may still run."""
        return (self._read("processes.json", dict[str, list[ProcessRecord]]) or {}).get("processes", [])

    def write_processes(self, records: list[ProcessRecord]) -> None:
        """Remember the processes."""
        self._write_json("processes.json", {"processes": records})

    def read_status(self) -> MeshStatus | None:
        """How the mesh was at its last beat."""
        return self._read("status.json", MeshStatus)

    def write_status(self, status: MeshStatus) -> None:
        """Say how the mesh is."""
        self._write_json("status.json", status)

    def write_left(self, left: dict[str, int]) -> None:
        """Say how many envelopes each actor's queue held when its broker ended."""
        self._write_json("left.json", left)

    def take_left(self) -> dict[str, int]:
        """What the supervisor left behind at its end; told once."""
        left = self._read("left.json", dict[str, int]) or {}
        (self.home / "left.json").unlink(missing_ok=True)
        return left

    def read_unloadable(self) -> Unloadable | None:
        """What the latest ``up`` found out about handlers."""
        return self._read("unloadable.json", Unloadable)

    def write_unloadable(self, found: Unloadable) -> None:
        """Say which handlers cannot be loaded."""
        self._write_json("unloadable.json", found)

    def forget(self) -> None:
        """Remove what only a running mesh has; logs, results and the request stay."""
        for name in ("mesh.json", "processes.json", "status.json", "unloadable.json"):
            (self.home / name).unlink(missing_ok=True)

    def _read(self, name: str, kind: type[_T]) -> _T | None:
        try:
            return msgspec.json.decode((self.home / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise MeshError(f"{self.home / name} cannot be read ({exc}); remove it and run: asya local down") from exc

    def _write_json(self, name: str, value: object) -> None:
        self._write(name, msgspec.json.format(msgspec.json.encode(value), indent=1).decode())

    def _refuse_strangers(self) -> None:
        """Keep out of a folder that holds something and never was a mesh's: git would ignore it all, and others not read it."""
        found = sorted(path.name for path in self.home.glob("*")) if self.home.is_dir() else []
        cure = "take another for the mesh: asya local up --home .asya-mesh, or ASYA_HOME=.asya-mesh for all commands"
        config = next((name for name in found if name.startswith("config") and name.endswith(".yaml")), None)
        if config is not None and "mesh.json" not in found:
            raise MeshError(
                f"{self.home} holds {config}: it is the project folder of asya-lab, the tool of Asya 1.x; {cure}"
            )
        strangers = [name for name in found if name != "lock" and not name.startswith(".mesh-id.")]
        if strangers and "mesh-id" not in found and not self._is_begun(strangers):
            raise MeshError(f"{self.home} is no mesh's folder: it holds {', '.join(strangers[:3])}; {cure}")

    def _is_begun(self, found: list[str]) -> bool:
        """Whether a command that was killed at once left what is there."""
        return found == [".gitignore"] and (self.home / ".gitignore").read_text(encoding="utf-8") == IGNORED

    def _make_home(self) -> None:
        """Make the folder, or an older one, the owner's alone: logs, databases and mounted Secrets lie below it."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.home.stat().st_mode & 0o077:
            self.home.chmod(0o700)

    def _write(self, name: str, text: str) -> None:
        self._make_home()
        target = self.home / name
        # One name per process: up and the supervisor never write the same file, and a crash leaves at most this one.
        temporary = self.home / f".{name}.{os.getpid()}"
        temporary.touch(mode=0o600)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
