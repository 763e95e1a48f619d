"""The mesh without Kubernetes, as resources: manifests in a folder that the local mesh follows.

Dynamic providers, run by the engine beside the program. ``LocalMesh`` stands for the mesh: its end is the mesh's end.
``LocalActor`` is a manifest in the mesh's folder; it brings the mesh up if nobody has, and waits until its actor can take
envelopes. Whether they are really there is looked at in every preview (files of this machine, no network), so that a mesh
which was taken down by hand, or by a reboot, comes back with the next ``pulumi up``.
"""

import secrets
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pulumi
import yaml
from pulumi import dynamic

from asya_infra.actor_status import DONE, ActorFailed

FOLDER: Final = "stack"
"""Below the mesh's home: one manifest per actor."""
TOOLS_FOLDER: Final = "stack-tools"
"""Below the mesh's home: one file per tool of its gateway."""
LOOK_S: Final = 0.25
SILENT_S: Final = 600.0
"""LocalStack may have to be installed and started first."""
_one_at_a_time = threading.Lock()
"""The engine makes and deletes many actors at once; the mesh is brought up and taken down by one."""
OWNER: Final = ".owner"
"""Suffix of the file beside a manifest that names the resource which wrote it last. A resource that moves in its program, below
another component, is made under its new name before it is deleted under the old one, which must then leave it alone."""


def manifest_path(home: str, name: str, folder: str = FOLDER) -> Path:
    """Where an actor's or another object's manifest, or a tool, is kept."""
    return Path(home) / folder / f"{name}.yaml"


class _Meshes(dynamic.ResourceProvider):
    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        from asya_local import mesh

        home = Path(props["home"])
        mesh.claim(home)
        folder, owner = home / FOLDER, _owned(props["home"])
        folder.mkdir(exist_ok=True)
        (folder / OWNER).write_text(owner, encoding="utf-8")
        return dynamic.CreateResult(id_=owner, outs=props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        replaces = [key for key in ("home", "transport", "endpoint") if _olds.get(key) != _news.get(key)]
        return dynamic.DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        from asya_local import mesh

        mark = Path(_props["home"], FOLDER, OWNER)
        with _one_at_a_time:
            if _is_anothers(mark, _id):
                return  # another resource has it by now, as when a component of the program was moved
            mesh.down(Path(_props["home"]), _say)
            mark.unlink(missing_ok=True)


class _Actors(dynamic.ResourceProvider):
    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        owner = _owned(f"{props['home']}/{props['actor']}")
        return dynamic.CreateResult(id_=owner, outs={**props, "status": _put(props, owner)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(outs={**_news, "status": _put(_news)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        replaces = [key for key in ("home", "actor") if _olds.get(key) != _news.get(key)]
        changed = any(_olds.get(key) != _news.get(key) for key in ("manifest", "transport", "endpoint"))
        return dynamic.DiffResult(
            changes=bool(replaces) or changed or _missing(_news), replaces=replaces, delete_before_replace=True
        )

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        from asya_local import mesh

        path = manifest_path(_props["home"], _props["actor"])
        with _one_at_a_time:
            if not _remove(path, _id):
                return
            if path.parent.is_dir() and not any(_is_actor(other) for other in path.parent.glob("*.yaml")):
                mesh.down(Path(_props["home"]), _say)  # a mesh follows at least one actor


def _is_actor(path: Path) -> bool:
    return "kind: AsyncActor" in path.read_text(encoding="utf-8")


class _Objects(dynamic.ResourceProvider):
    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        owner = _owned(str(_file(props)))
        _write(_file(props), props["text"], owner)
        return dynamic.CreateResult(id_=owner, outs=props)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        _write(_file(_news), _news["text"])
        return dynamic.UpdateResult(outs=_news)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        replaces = [key for key in ("home", "folder", "object") if _olds.get(key) != _news.get(key)]
        return dynamic.DiffResult(
            changes=bool(replaces) or _olds.get("text") != _news.get("text") or not _file(_news).is_file(),
            replaces=replaces,
            delete_before_replace=True,
        )

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        _remove(_file(_props), _id)


def _owned(what: str) -> str:
    """An id that tells this resource from an earlier one of the same thing."""
    return f"{what}#{secrets.token_hex(4)}"


def _is_anothers(mark: Path, owner: str) -> bool:
    """Whether a mark names another resource; what an earlier version made has none."""
    return mark.is_file() and mark.read_text(encoding="utf-8") != owner


def _remove(path: Path, owner: str) -> bool:
    """Remove a file unless another resource has written it since; whether it is gone."""
    mark = path.with_suffix(OWNER)
    if _is_anothers(mark, owner):
        return False
    path.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)
    return True


def _file(props: Mapping[str, Any]) -> Path:
    return manifest_path(props["home"], props["object"], props["folder"])


def _missing(props: Mapping[str, Any]) -> bool:
    from asya_local import mesh

    return not manifest_path(props["home"], props["actor"]).is_file() or mesh.find(Path(props["home"])) is None


def _put(props: Mapping[str, Any], owner: str = "") -> str:
    """Write the manifest, bring the mesh up, wait for the actor; its status."""
    _write(manifest_path(props["home"], props["actor"]), props["manifest"], owner)
    _up(props)
    return _await(Path(props["home"]), props["actor"], float(props["wait_s"]))


def _write(path: Path, text: str, owner: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if owner:
        path.with_suffix(OWNER).write_text(owner, encoding="utf-8")
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)  # it may be a Secret
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _up(props: Mapping[str, Any]) -> None:
    from asya_local import mesh

    home = Path(props["home"])
    with _one_at_a_time:
        if mesh.find(home) is None:
            options = mesh.UpOptions(
                manifests=(home / FOLDER,),
                transport=props["transport"],
                home=home,
                endpoint=props["endpoint"] or None,
                tools=(home / TOOLS_FOLDER,),
            )
            (home / TOOLS_FOLDER).mkdir(exist_ok=True)
            mesh.up(options, _say)


def _await(home: Path, actor: str, limit_s: float) -> str:
    from asya_local import mesh

    deadline = time.monotonic() + limit_s
    while True:
        seen = mesh.status(home)
        found = next((one for one in seen.actors if one.name == actor), None)
        if found is not None and (limit_s <= 0 or found.status in DONE):
            return str(found.status)
        if time.monotonic() >= deadline:
            why = seen.message if found is None else f"{found.status}: {found.message or 'see its log'}"
            raise ActorFailed(
                f"actor {actor} of the local mesh was not ready within {limit_s:g} s: {why or 'the mesh does not list it'}; "
                f"see: asya local logs {actor}"
            )
        time.sleep(LOOK_S)


def _say(text: str) -> None:
    print(f"local mesh: {text}", file=sys.stderr, flush=True)


class LocalMesh(dynamic.Resource):
    """A local mesh; deleting it takes the mesh down.

    Args:
        name: Of the resource.
        home: Its folder, absolute.
        transport: ``sqs``, ``rabbitmq`` or ``memory``.
        endpoint: SQS and S3 endpoint that already runs; empty starts LocalStack.
        opts: Options.
    """

    home: pulumi.Output[str]

    def __init__(
        self, name: str, *, home: str, transport: str, endpoint: str = "", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(_Meshes(), name, {"home": home, "transport": transport, "endpoint": endpoint}, opts)


class LocalActor(dynamic.Resource):
    """An actor of a local mesh.

    Args:
        name: Of the resource.
        mesh: What it was made with: ``home``, ``transport``, ``endpoint``.
        actor: Its name.
        manifest: The AsyncActor, as it would be applied to a cluster.
        wait_s: How long it may take to run or nap; 0 only waits until the mesh lists it.
        opts: With the mesh.
    """

    status: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        mesh: Mapping[str, str],
        actor: str,
        manifest: Mapping[str, Any],
        wait_s: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        text = pulumi.Output.from_input(dict(manifest)).apply(lambda known: yaml.safe_dump(known, sort_keys=True))
        props = {**mesh, "actor": actor, "manifest": text, "wait_s": wait_s, "status": None}
        super().__init__(_Actors(), name, props, opts)


class LocalObject(dynamic.Resource):
    """A file that a local mesh follows: a ConfigMap or Secret that actors refer to, a tool.

    Args:
        name: Of the resource.
        home: Of the mesh.
        folder: Below it.
        object_name: Distinct within the folder.
        text: YAML.
        opts: With the mesh.
    """

    def __init__(
        self,
        name: str,
        *,
        home: str,
        folder: str,
        object_name: str,
        text: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"home": home, "folder": folder, "object": object_name, "text": text}
        super().__init__(_Objects(), name, props, opts)
