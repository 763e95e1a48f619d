"""The plan of one actor: its processes' programs, environments and folders, and its scaling bounds.

Made from an AsyncActor and the mesh's settings; equal manifests give equal plans, and a changed digest means that running
replicas are out of date. Looks up programs on this machine, starts nothing.
"""

import hashlib
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asya_local.container import SOCKET_DIR, SOCKET_DIR_MARK, FilePlan, container_env, plan_files, resolve_env
from asya_local.errors import MeshError
from asya_local.gpu import bound_by_gpus, gpus_asked, gpus_here
from asya_local.handler_environment import read_dotenv
from asya_local.interpreter import Interpreter, choose_python
from asya_local.limit_states import limits_url
from asya_local.processes import MARKER, ProcessSpec, own_python
from asya_manifest.actor import AsyncActor
from asya_manifest.environment import asked_grace_s, build_runtime_env, build_sidecar_env
from asya_manifest.errors import ManifestError
from asya_manifest.files import DeclaredActor, Manifests
from asya_manifest.labels import ANNOTATION_SOURCE
from asya_manifest.pod import EnvVar
from asya_process.command import runtime_file
from asya_protocol.names import QueueNames
from asya_transport.port import QueueSpec

BROKER_DELIVERIES_FACTOR: Final = 4
"""The broker's own limit stands well behind the sidecar's: it counts every receive, drains too."""
OBSERVED_RUNTIME: Final = str(Path(__file__).with_name("observed_runtime.py"))
SIDECAR_ENV: Final = {"ASYA_METRICS_ADDR": "127.0.0.1:0", "ASYA_LOG_CAUSES": "true"}
"""A sidecar listens for its supervisor alone, and its log, which `asya why` reads, is the owner's alone."""
LOADED_FILES_NAME: Final = "loaded-files"
_AWS_IDENTITY: Final = frozenset({"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"})


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What all actors of a mesh share.

    Attributes:
        home: The mesh's folder.
        mesh_id: Marks the mesh's processes.
        transport: Its broker's kind.
        transport_env: Environment that leads sidecars to the broker.
        base_env: Environment that our own processes inherit.
        handler_env: Environment that handlers inherit.
        source: Folder of handlers' code that goes before annotations; ``None`` leaves it to them.
        max_replicas: Cap per actor on this machine.
        store_env: Environment that leads sidecars to the object store.
        gateway_env: Environment that leads sidecars to the gateway; empty where there is none.
        python: Interpreter that goes before all others, or ``None``.
        activated: Folder of the activated environment, or ``None``.
    """

    home: Path
    mesh_id: str
    transport: str
    transport_env: Mapping[str, str]
    base_env: Mapping[str, str]
    source: Path | None
    max_replicas: int
    store_env: Mapping[str, str] = field(default_factory=dict)
    gateway_env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    activated: str | None = None
    handler_env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """Bounds and pace of one actor's scaling.

    Attributes:
        fixed: Replica count while scaling is off, else ``None``.
        declared_max: Upper bound as declared; ``maximum`` may be lower because of this machine's cap.
    """

    fixed: int | None
    minimum: int
    maximum: int
    declared_max: int
    polling_s: float
    cooldown_s: float
    queue_length: int
    concurrency: int
    """Envelopes that one replica works on at the same time."""


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """Everything that one actor's replicas need; programs and environments lack only the replica's socket folder.

    Attributes:
        python: The interpreter of the runtime, and who chose it.
        edited: Whether the handler's code is somebody's here, who may edit it.
        digest: Changes with everything that needs a new replica.
        content_digest: Changes with the mounted files, which need a new runtime only.
    """

    actor: AsyncActor
    scaling: ScalingPlan
    queue_spec: QueueSpec
    sidecar_env: Mapping[str, str]
    runtime_env: Mapping[str, str]
    runtime_argv: tuple[str, ...]
    cwd: Path
    python: Interpreter
    edited: bool
    files: FilePlan
    files_root: Path
    notes: tuple[str, ...]
    digest: str
    content_digest: str

    @property
    def name(self) -> str:
        """The actor's name."""
        return self.actor.name

    @property
    def queue(self) -> str:
        """Its queue; a local mesh has no prefix of its own."""
        return QueueNames().queue(self.name)

    @property
    def grace_s(self) -> float:
        """Seconds from SIGTERM to SIGKILL."""
        return asked_grace_s(self.actor)

    def handler_env(self, folder: Path) -> dict[str, str]:
        """The environment of the runtime whose socket is in a folder."""
        known = {name: value.replace(SOCKET_DIR_MARK, str(folder)) for name, value in self.runtime_env.items()}
        return {**known, SOCKET_DIR: str(folder)}

    def sidecar_spec(self, folder: Path, logs: Path, number: int) -> ProcessSpec:
        """The sidecar of one replica."""
        return ProcessSpec(
            role="sidecar",
            actor=self.name,
            argv=(*own_python(), "-m", "asya_sidecar"),
            env={**self.sidecar_env, SOCKET_DIR: str(folder), **SIDECAR_ENV},
            cwd=self.files_root,
            log=logs / self.name / f"{number}-sidecar.log",
            # Asked, not killed: it gives back what it holds, and its drain is bounded.
            with_parent=signal.SIGTERM,
        )

    def runtime_spec(self, folder: Path, logs: Path, number: int) -> ProcessSpec:
        """The runtime of one replica."""
        python, *runtime = self.runtime_argv
        observed = (OBSERVED_RUNTIME, str(folder / LOADED_FILES_NAME)) if self.edited else ()
        return ProcessSpec(
            role="runtime",
            actor=self.name,
            argv=(python, *observed, *runtime),
            env=self.handler_env(folder),
            cwd=self.cwd,
            log=logs / self.name / f"{number}-runtime.log",
        )


def plan_actor(declared: DeclaredActor, manifests: Manifests, settings: MeshSettings) -> ActorPlan:
    """Work out what should run for an actor.

    Raises:
        ManifestError: The manifest asks for something that is not to be had here; names the actor and the place.
    """
    actor = declared.actor
    try:
        return _plan(declared, manifests, settings)
    except MeshError as exc:
        raise ManifestError(f"{declared.origin}: AsyncActor {actor.name!r}: {exc}") from exc


def _plan(declared: DeclaredActor, manifests: Manifests, settings: MeshSettings) -> ActorPlan:
    actor = declared.actor
    template = actor.spec.workload.template
    root = settings.home / "volumes" / actor.name
    fields = {"metadata.name": actor.name, "metadata.namespace": actor.metadata.namespace or "default"}
    files = plan_files(template, manifests)
    own_env = container_env(template.runtime, manifests, fields, files, root)
    source, first = _source(declared, settings)
    own_code = declared.origin.file.is_file()  # the built-in crew has none that anybody here could edit
    inherited = (
        {**read_dotenv(source), **(settings.handler_env or settings.base_env)} if own_code else settings.base_env
    )
    runtime_env = {
        "PYTHONUNBUFFERED": "1",
        "ASYA_LOG_FORMAT": "milliseconds",  # its lines are shown among those of others, in the order of time
        **inherited,
        **{entry.name: entry.value or "" for entry in build_runtime_env(actor)},
        **own_env,
        "PYTHONPATH": _python_path(source, inherited, own_env, first=first),
        MARKER: settings.mesh_id,
    }
    transport_env = [EnvVar(name=name, value=value) for name, value in settings.transport_env.items()]
    store_env = [EnvVar(name=name, value=value) for name, value in settings.store_env.items()]
    if actor.spec.limits:
        store_env.append(EnvVar(name="ASYA_LIMITS_URL", value=limits_url(settings.home)))
    entries = build_sidecar_env(
        actor,
        transport=settings.transport,
        transport_env=transport_env,
        handed_on=store_env,
        limits=manifests.limits,
    )
    # Credentials of the mesh's broker must not be mixed with parts of the user's own.
    ours = {**settings.transport_env, **settings.store_env}
    mixed = _AWS_IDENTITY if "AWS_ACCESS_KEY_ID" in ours else frozenset()
    sidecar_env = {
        **{name: value for name, value in settings.base_env.items() if name not in mixed},
        **resolve_env(entries, (), manifests, fields),
        **settings.gateway_env,
        MARKER: settings.mesh_id,
    }
    if own_code:
        python = choose_python(settings.python, actor.spec.workload.python_executable, settings.activated, source)
        argv: tuple[str, ...] = (python.path, _runtime_file())
    else:  # the built-in crew: nobody's packages but ours
        python = Interpreter(sys.executable, "Asya's own")
        argv = (*own_python(), _runtime_file())
    cap, gpu_note = bound_by_gpus(gpus_asked(template), gpus_here(runtime_env), settings.max_replicas)
    environments = (sorted(runtime_env.items()), sorted(sidecar_env.items()))
    parts = (argv, source, *environments, files.scratch, files.mounts, actor.spec.timeout)
    return ActorPlan(
        actor=actor,
        scaling=_scaling(actor, cap),
        queue_spec=QueueSpec(max_deliveries=max(20, BROKER_DELIVERIES_FACTOR * actor.spec.delivery.max_deliveries)),
        sidecar_env=sidecar_env,
        runtime_env=runtime_env,
        runtime_argv=argv,
        cwd=source,
        python=python,
        edited=own_code,
        files=files,
        files_root=root,
        notes=(*files.notes, *filter(None, (python.note, gpu_note))),
        digest=_digest(parts),
        content_digest=_digest(files.files),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def _runtime_file() -> str:
    found = runtime_file()
    if found is None:
        raise MeshError("asya_runtime is not installed beside asya_local; run: make setup")
    return found


def _source(declared: DeclaredActor, settings: MeshSettings) -> tuple[Path, bool]:
    """The folder of the handler's code, and whether the user named it (then its modules go first)."""
    if not declared.origin.file.is_file():  # the built-in crew: installed beside this package
        return settings.home, False
    annotation = declared.actor.metadata.annotations.get(ANNOTATION_SOURCE)
    folder = declared.origin.file.parent
    if settings.source is not None:
        return settings.source, True
    if annotation is None:
        return _absolute(folder), False
    source = _absolute(folder / annotation)
    if not source.is_dir():
        raise MeshError(f"metadata.annotations.{ANNOTATION_SOURCE}: {source} is no folder")
    return source, True


def _absolute(folder: Path) -> Path:
    """Links stay what they are: one that is turned to another folder is an edit of the code behind it."""
    return folder.resolve() if ".." in folder.parts else folder.absolute()


def _python_path(source: Path, base_env: Mapping[str, str], own_env: Mapping[str, str], *, first: bool) -> str:
    """Join the module folders: a named source first; the manifest's folder, which is only a default, after the actor's own."""
    own, inherited = own_env.get("PYTHONPATH", ""), base_env.get("PYTHONPATH", "")
    parts = [str(source), own, inherited] if first else [own, str(source), inherited]
    return ":".join(part for part in parts if part)


def _scaling(actor: AsyncActor, cap: int) -> ScalingPlan:
    scaling = actor.spec.scaling
    fixed = None if scaling.enabled else min(actor.spec.workload.replicas, cap)
    declared_max = scaling.max_replicas if scaling.enabled else actor.spec.workload.replicas
    maximum = min(declared_max, cap)
    return ScalingPlan(
        fixed=fixed,
        minimum=fixed if fixed is not None else min(scaling.min_replicas, maximum),
        maximum=maximum,
        declared_max=declared_max,
        polling_s=scaling.polling_interval,
        cooldown_s=scaling.cooldown_period,
        queue_length=scaling.queue_length,
        concurrency=actor.at_once,
    )
