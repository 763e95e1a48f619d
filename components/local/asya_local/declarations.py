"""From a request to the plans of all actors: reads the manifests, adds the crew, detects changed files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asya_local.crew import crew_actors
from asya_local.errors import MeshError
from asya_local.gateway_process import check_tools
from asya_local.handler_environment import DOTENV, inheritable
from asya_local.plan import ActorPlan, MeshSettings, plan_actor
from asya_local.state import Request, StateFolder
from asya_manifest.errors import ManifestError
from asya_manifest.files import Manifests, list_files, read_manifests

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a request asks for, worked out.

    Attributes:
        plans: By actor name.
        notes: What was left out or is different on this machine.
    """

    plans: Mapping[str, ActorPlan]
    notes: tuple[str, ...]


def declare(
    request: Request,
    state: StateFolder,
    environ: Mapping[str, str],
    *,
    transport_env: Mapping[str, str],
    store_env: Mapping[str, str],
    gateway_env: Mapping[str, str] | None = None,
) -> Declarations:
    """Work out the plans of every actor that a request asks for.

    Args:
        request: What the user asked for.
        state: The mesh's folder.
        environ: What processes inherit; our own variables in it belong to whoever started the mesh and are left out.
        transport_env: Leads sidecars to the broker.
        store_env: Leads the crew and the sidecars to the object store.
        gateway_env: Leads the sidecars to the gateway, where there is one.

    Raises:
        ManifestError: A manifest cannot be used; names the file and the place.
        InvalidTools: A tool file cannot be used; names the file and the place.
        MeshError: There is no actor in the manifests.
    """
    manifests = read_manifests(_manifest_files(request))
    if not manifests.actors:
        raise MeshError(f"no AsyncActor in {', '.join(request.manifests)}; a mesh needs at least one")
    settings = MeshSettings(
        home=state.home,
        mesh_id=state.mesh_id,
        transport=request.transport,
        transport_env={name: value for name, value in transport_env.items() if name != "ASYA_TRANSPORT"},
        base_env=inheritable(environ),
        handler_env=request.environ or inheritable(environ),
        source=Path(request.source) if request.source else None,
        max_replicas=request.max_replicas,
        store_env=store_env,
        gateway_env=gateway_env or {},
        python=request.python,
        activated=request.activated,
    )
    own = {declared.actor.name for declared in manifests.actors}
    crew = [declared for declared in crew_actors(request.transport, store_env) if declared.actor.name not in own]
    plans = [plan_actor(declared, manifests, settings) for declared in (*manifests.actors, *crew)]
    own_notes = (f"{plan.name}: {note}" for plan in plans for note in plan.notes)
    notes = (*manifests.notes, *own_notes, *_transport_notes(manifests, request), *check_tools(request, own))
    return Declarations({plan.name: plan for plan in plans}, notes)


def signature(request: Request) -> Signature:
    """What changes when a manifest, a tool file or ``.env`` is written, added or removed."""
    found = []
    try:
        files = list_files([Path(path) for path in (*request.manifests, *request.tools)])
        folders = {*(file.parent for file in files), *((Path(request.source),) if request.source else ())}
        for path in (*files, *sorted(folder / DOTENV for folder in folders if (folder / DOTENV).is_file())):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    except (ManifestError, OSError):
        return ()
    return tuple(found)


def _manifest_files(request: Request) -> list[Path]:
    """The files of manifests; tools in the same folder are the gateway's."""
    tools = set(request.tools)
    return [path for path in list_files([Path(path) for path in request.manifests]) if str(path) not in tools]


def merge_environment(transport_env: Mapping[str, str], store_env: Mapping[str, str]) -> dict[str, str]:
    """What a client needs: the way to the broker and to the store."""
    return {**transport_env, **store_env}


def _transport_notes(manifests: Manifests, request: Request) -> list[str]:
    others = sorted({d.actor.spec.transport for d in manifests.actors} - {request.transport})
    return [f"actors that ask for transport {', '.join(others)} run on {request.transport} here"] if others else []
