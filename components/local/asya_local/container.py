"""What a container would give a handler, for a process on this machine: environment and mounted files.

Literal values, references to ConfigMaps and Secrets of the same manifests, ``$(NAME)`` expansion, and volumes made of
ConfigMaps and Secrets. Container paths that lead to mounted files are mapped into the folder where they really are.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from asya_local.errors import MeshError
from asya_manifest.files import Manifests
from asya_manifest.pod import Container, EnvFrom, EnvVar, KeyToPath, PodTemplate, SourceRef, Volume, VolumeMount

DEFAULT_MODE: Final = 0o644
SOCKET_DIR: Final = "ASYA_SOCKET_DIR"
SOCKET_DIR_MARK: Final = "\0socket\0"
"""Stands in values for the folder of a replica's socket, which is known once there is a replica; no variable can hold it."""
_REFERENCE: Final = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")
_EMPTY_KINDS: Final = frozenset({"emptyDir", "persistentVolumeClaim", "ephemeral"})
"""Kinds of volumes that start out empty; here each is a folder that stays until the mesh's folder is removed."""


@dataclass(frozen=True, slots=True)
class MountedFile:
    """One file that a container would find.

    Attributes:
        path: Absolute path inside the container.
        content: Its bytes.
        mode: Permission bits.
    """

    path: PurePosixPath
    content: bytes
    mode: int = DEFAULT_MODE


@dataclass(frozen=True, slots=True)
class FilePlan:
    """All mounts of a container.

    Attributes:
        files: Files to write.
        scratch: Folders of volumes that start out empty; what is written there stays.
        mounts: Mount paths, as the manifest has them.
        notes: What cannot be had on this machine, a sentence each.
    """

    files: tuple[MountedFile, ...] = ()
    scratch: tuple[PurePosixPath, ...] = ()
    mounts: tuple[PurePosixPath, ...] = ()
    notes: tuple[str, ...] = ()


def resolve_env(
    entries: Iterable[EnvVar], sources: Iterable[EnvFrom], manifests: Manifests, fields: Mapping[str, str]
) -> dict[str, str]:
    """Turn a container's environment into plain values.

    Args:
        entries: ``env``; a later entry of the same name wins.
        sources: ``envFrom``; entries win over these.
        manifests: Where ConfigMaps and Secrets are looked up.
        fields: Values of pod fields by path, e.g. ``metadata.name``.

    Raises:
        MeshError: A reference leads nowhere, or is of a kind that has no meaning here; names the variable.
    """
    values: dict[str, str] = {}
    mesh = {SOCKET_DIR: SOCKET_DIR_MARK}
    for source in sources:
        values.update(_whole_source(source, manifests))
    for entry in entries:
        value = _entry_value(entry, manifests, fields)
        if value is not None:
            values[entry.name] = _expand(value, {**mesh, **values})
    return values


def plan_files(template: PodTemplate, manifests: Manifests) -> FilePlan:
    """Work out which files the runtime container's mounts bring.

    Raises:
        MeshError: A ConfigMap, a Secret or a key is not in the manifests.
    """
    volumes = {volume.name: volume for volume in template.spec.volumes}
    files: list[MountedFile] = []
    scratch: list[PurePosixPath] = []
    mounts: list[PurePosixPath] = []
    notes: list[str] = []
    for mount in template.runtime.volume_mounts:
        where = PurePosixPath(mount.mount_path)
        volume = volumes.get(mount.name)
        if volume is None:  # a StatefulSet's claim, empty at first like the kinds below
            mounts.append(where)
            scratch.append(where)
            continue
        content = _volume_content(volume, manifests)
        if content is None and volume.kind not in _EMPTY_KINDS:
            notes.append(f"volume {volume.name!r} ({volume.kind}) has no meaning here; {where} is left out")
            continue
        mounts.append(where)
        if content is None:
            scratch.append(where)
        else:
            files += _mounted(mount, where, content, _mode(volume))
    return FilePlan(tuple(files), tuple(scratch), tuple(mounts), tuple(notes))


def map_paths(value: str, mounts: Sequence[PurePosixPath], root: Path) -> str:
    """Lead absolute container paths in an environment value to where the mounted files are.

    A path at, below or above a mount is mapped; a list of absolute paths joined by ``:`` is mapped one by one. ``/`` alone
    is above everything and stays.
    """
    parts = value.split(":")
    if not all(part.startswith("/") for part in parts if part):
        return value
    return ":".join(_map_path(part, mounts, root) for part in parts)


def _map_path(text: str, mounts: Sequence[PurePosixPath], root: Path) -> str:
    path = PurePosixPath(text) if text else None
    if path is None or path == PurePosixPath("/"):
        return text
    related = any(path.is_relative_to(mount) or mount.is_relative_to(path) for mount in mounts)
    return str(root / path.relative_to("/")) if related else text


def _whole_source(source: EnvFrom, manifests: Manifests) -> dict[str, str]:
    found: dict[str, str] = {}
    for ref, objects, kind in (
        (source.config_map_ref, manifests.config_maps, "ConfigMap"),
        (source.secret_ref, manifests.secrets, "Secret"),
    ):
        if ref is not None:
            content = _lookup(objects, ref, f"envFrom: {kind}")
            found.update({f"{source.prefix}{key}": _text(value, key) for key, value in content.items()})
    return found


def _entry_value(entry: EnvVar, manifests: Manifests, fields: Mapping[str, str]) -> str | None:
    origin = entry.value_from
    if origin is None:
        return entry.value or ""
    where = f"env {entry.name}"
    for ref, objects, kind in (
        (origin.config_map_key_ref, manifests.config_maps, "ConfigMap"),
        (origin.secret_key_ref, manifests.secrets, "Secret"),
    ):
        if ref is None:
            continue
        content = _lookup(objects, SourceRef(name=ref.name, optional=ref.optional), f"{where}: {kind}")
        if ref.key in content:
            return _text(content[ref.key], ref.key)
        if ref.optional:
            return None
        raise MeshError(f"{where}: {kind} {ref.name!r} has no key {ref.key!r}")
    if origin.field_ref is not None:
        if origin.field_ref.field_path in fields:
            return fields[origin.field_ref.field_path]
        known = ", ".join(sorted(fields))
        raise MeshError(f"{where}: field {origin.field_ref.field_path!r} has no meaning here; known are {known}")
    kinds = ", ".join(origin.model_extra or {}) or "nothing"
    raise MeshError(f"{where}: a value from {kinds} has no meaning here; give it a literal value")


def _lookup(objects: Mapping[str, Mapping[str, bytes]], ref: SourceRef, where: str) -> Mapping[str, bytes]:
    if ref.name in objects:
        return objects[ref.name]
    if ref.optional:
        return {}
    raise MeshError(f"{where} {ref.name!r} is in none of the manifests; add it to the same file or folder")


def _text(value: bytes, key: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MeshError(f"key {key!r} is binary and cannot be an environment variable") from exc


def _expand(value: str, known: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by earlier variables as Kubernetes does: ``$$`` is ``$``, unknown names stay as written."""
    replace: Callable[[re.Match[str]], str] = lambda match: (  # noqa: E731 - used once, right below
        "$" if match[1] == "$" else known.get(match[2], match[0])
    )
    return _REFERENCE.sub(replace, value)


def _volume_content(volume: Volume, manifests: Manifests) -> dict[str, bytes] | None:
    """Files of a volume by relative path; ``None`` when its kind brings no content."""
    where = f"volume {volume.name!r}"
    if volume.config_map is not None:
        source = SourceRef(name=volume.config_map.name, optional=volume.config_map.optional)
        content = _lookup(manifests.config_maps, source, f"{where}: ConfigMap")
        return _select(content, volume.config_map.items, f"{where}: ConfigMap {source.name!r}")
    if volume.secret is not None:
        source = SourceRef(name=volume.secret.secret_name, optional=volume.secret.optional)
        content = _lookup(manifests.secrets, source, f"{where}: Secret")
        return _select(content, volume.secret.items, f"{where}: Secret {source.name!r}")
    return None


def _select(content: Mapping[str, bytes], items: Sequence[KeyToPath] | None, where: str) -> dict[str, bytes]:
    if items is None:
        return dict(content)
    for item in items:
        if item.key not in content:
            raise MeshError(f"{where} has no key {item.key!r}")
        if PurePosixPath(item.path).is_absolute() or ".." in PurePosixPath(item.path).parts:
            raise MeshError(f"{where}: path {item.path!r} must be relative, without '..'")
    return {item.path: content[item.key] for item in items}


def _mode(volume: Volume) -> int:
    source = volume.config_map or volume.secret
    return source.default_mode if source is not None and source.default_mode is not None else DEFAULT_MODE


def _mounted(
    mount: VolumeMount, where: PurePosixPath, content: Mapping[str, bytes], mode: int
) -> Iterable[MountedFile]:
    """Files of one mount: with a subPath the file itself or the folder of that name, without it everything."""
    wanted = PurePosixPath(mount.sub_path) if mount.sub_path else None
    for name, body in content.items():
        path = PurePosixPath(name)
        if wanted is None:
            yield MountedFile(where / path, body, mode)
        elif path == wanted:
            yield MountedFile(where, body, mode)
        elif path.is_relative_to(wanted):
            yield MountedFile(where / path.relative_to(wanted), body, mode)


def container_env(
    container: Container, manifests: Manifests, fields: Mapping[str, str], plan: FilePlan, root: Path
) -> dict[str, str]:
    """The container's environment with paths mapped to the folder below which its mounts are laid out."""
    values = resolve_env(container.env, container.env_from, manifests, fields)
    return {name: map_paths(value, plan.mounts, root) for name, value in values.items()}


def lay_out(plan: FilePlan, root: Path) -> None:
    """Make the folder hold exactly the planned files; content of empty volumes stays.

    Raises:
        MeshError: They cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        wanted = {root / file.path.relative_to("/") for file in plan.files}
        scratch = {root / folder.relative_to("/") for folder in plan.scratch}
        for path in sorted(root.rglob("*"), reverse=True):
            if path in wanted or any(path.is_relative_to(folder) for folder in scratch):
                continue
            if path.is_dir() and not path.is_symlink():
                if not any(path in other.parents for other in wanted | scratch):
                    shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for folder in scratch:
            folder.mkdir(parents=True, exist_ok=True)
        for file in plan.files:
            _write(root, file.path, file.content, file.mode)
    except OSError as exc:
        raise MeshError(f"mounted files cannot be written below {root}: {exc}") from exc


def _write(root: Path, path: PurePosixPath, content: bytes, mode: int) -> None:
    target = root / path.relative_to("/")
    if target.is_file() and target.read_bytes() == content:
        target.chmod(mode)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)  # a Secret, perhaps: it has its mode before it can be seen under its name
    temporary.chmod(mode)
    temporary.replace(target)
