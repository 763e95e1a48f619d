"""Read AsyncActors and Limits, and the ConfigMaps and Secrets beside them, from YAML files.

A path is a file or a folder (its ``.yaml``, ``.yml`` and ``.json`` files, not below, as ``kubectl apply -f`` does).
Objects of other kinds are left out with a note. Errors name the file, the document's number and the path in it.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from asya_manifest.actor import API_VERSION, KIND, AsyncActor, parse_actor
from asya_manifest.errors import InvalidActor, InvalidLimit, ManifestError, UnreadableManifest
from asya_manifest.limit import LIMIT_KIND, LimitSpec, parse_limit

SUFFIXES: Final = (".yaml", ".yml", ".json")
CLOSE: Final = 0.6
CLOSER: Final = 0.85
"""How near a kind must be to one of ours to be taken for a slip: nearer where its API is somebody else's."""
_SLIPS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML lets through from Python for texts that look like a date, a number or a character and are none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object was read.

    Attributes:
        file: The file.
        document: Number of the YAML document in it, from 1.
    """

    file: Path
    document: int

    def __str__(self) -> str:
        return f"{self.file} (document {self.document})"


@dataclass(frozen=True, slots=True)
class DeclaredActor:
    """An AsyncActor and where it stands."""

    actor: AsyncActor
    origin: Origin


@dataclass(frozen=True, slots=True)
class Manifests:
    """Everything read.

    Attributes:
        actors: In reading order; names are unique.
        config_maps: Content by object name and key, as bytes.
        secrets: The same for Secrets, decoded.
        limits: Limits by name.
        notes: What was left out, a sentence each.
    """

    actors: tuple[DeclaredActor, ...] = ()
    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    limits: Mapping[str, LimitSpec] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_manifests(paths: Sequence[Path]) -> Manifests:
    """Read every object of the files and folders.

    Raises:
        UnreadableManifest: A path does not exist, or a text is no YAML or no Kubernetes object.
        ManifestError: An AsyncActor breaks a rule, or two have one name.
    """
    reading = _Reading()
    for file in list_files(paths):
        for origin, document in _documents(file):
            try:
                reading.add(origin, document)
            except RecursionError as exc:
                raise UnreadableManifest(
                    f"{origin}: is nested too deeply, or an alias refers to what it is in"
                ) from exc
    return Manifests(
        tuple(reading.actors.values()), reading.config_maps, reading.secrets, reading.limits, tuple(reading.notes)
    )


def list_files(paths: Sequence[Path]) -> list[Path]:
    """Name the files that the paths stand for, each once.

    Raises:
        UnreadableManifest: A path does not exist.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found = [entry for entry in sorted(path.iterdir()) if entry.suffix in SUFFIXES and entry.is_file()]
            files.update(dict.fromkeys(found))
        elif path.exists():
            files[path] = None
        else:
            raise UnreadableManifest(f"{path}: no such file or folder")
    return list(files)


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.actors: dict[str, DeclaredActor] = {}
        self.config_maps: dict[str, Mapping[str, bytes]] = {}
        self.secrets: dict[str, Mapping[str, bytes]] = {}
        self.limits: dict[str, LimitSpec] = {}
        self.notes: list[str] = []

    def add(self, origin: Origin, document: Mapping[str, Any]) -> None:
        kind, version = document.get("kind"), document.get("apiVersion")
        if kind in ("List", f"{KIND}List"):
            for item in _items(document, origin):
                self.add(origin, _object(item, origin))
        elif kind in (KIND, LIMIT_KIND):
            if version != API_VERSION:
                raise ManifestError(f"{origin}: apiVersion {version!r} of {kind} is not known; use {API_VERSION}")
            if kind == KIND:
                self._add_actor(origin, document)
            else:
                self._add_limit(origin, document)
        elif kind == "ConfigMap":
            self.config_maps[_name(document, origin)] = _content(document, {"data": False, "binaryData": True}, origin)
        elif kind == "Secret":
            self.secrets[_name(document, origin)] = _content(document, {"data": True, "stringData": False}, origin)
        elif meant := _meant(str(kind or ""), str(version or "")):
            raise UnreadableManifest(f"{origin}: kind {kind!r} is not known; did you mean {meant!r}?")
        else:
            self.notes.append(f"{origin}: {kind or 'an object without kind'} is not used here")

    def _add_limit(self, origin: Origin, document: Mapping[str, Any]) -> None:
        try:
            limit = parse_limit(document)
        except InvalidLimit as exc:
            raise ManifestError(f"{origin}: {exc}") from exc
        if limit.name in self.limits:
            raise ManifestError(f"{origin}: Limit {limit.name!r} is defined twice")
        self.limits[limit.name] = limit.spec

    def _add_actor(self, origin: Origin, document: Mapping[str, Any]) -> None:
        try:
            actor = parse_actor(document)
        except InvalidActor as exc:
            raise ManifestError(f"{origin}: {exc}") from exc
        if (earlier := self.actors.get(actor.name)) is not None:
            # Queues are named by the actor alone, so also in two namespaces it would be one queue for two actors.
            raise ManifestError(f"{origin}: AsyncActor {actor.name!r} is defined in {earlier.origin} too")
        self.actors[actor.name] = DeclaredActor(actor, origin)


def _meant(kind: str, version: str) -> str:
    """The kind that a slip of the pen most probably meant; empty where it is another one, as a Service is."""
    import difflib

    near_enough = CLOSE if version.partition("/")[0] == API_VERSION.partition("/")[0] else CLOSER
    known = {each.lower(): each for each in (KIND, LIMIT_KIND, "ConfigMap", "Secret")}
    near = difflib.get_close_matches(kind.lower(), known, n=1, cutoff=near_enough)
    return known[near[0]] if near else ""


class _Loader(yaml.SafeLoader):
    """Says where it stands what only Python complains about: ``2026-02-30``, or a number of too many digits."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - PyYAML's
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except _SLIPS as exc:
            text = str(exc) if isinstance(exc, ValueError) else "value does not fit its tag"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from exc


def _documents(file: Path) -> Iterator[tuple[Origin, Mapping[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8")
        documents = list(yaml.load_all(text, _Loader))
    except (OSError, yaml.YAMLError, RecursionError, *_SLIPS) as exc:
        raise UnreadableManifest(f"{file}: cannot be read as YAML: {exc}") from exc
    for number, document in enumerate(documents, start=1):
        if document is not None:
            yield Origin(file, number), _object(document, Origin(file, number))


def _object(document: object, origin: Origin) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise UnreadableManifest(f"{origin}: is no Kubernetes object (a mapping with apiVersion, kind and metadata)")
    return document


def _items(document: Mapping[str, Any], origin: Origin) -> Sequence[Any]:
    items = document.get("items") or []
    if not isinstance(items, list):
        raise UnreadableManifest(f"{origin}: items: must be a list of objects")
    return items


def _name(document: Mapping[str, Any], origin: Origin) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise UnreadableManifest(f"{origin}: metadata.name: required field is missing")
    return name


def _content(document: Mapping[str, Any], sections: Mapping[str, bool], origin: Origin) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret, from sections of plain text or, where true, of base64."""
    found = {}
    for section, encoded in sections.items():
        content = document.get(section) or {}
        if not isinstance(content, Mapping):
            raise UnreadableManifest(f"{origin}: {section}: must be a mapping of names to strings")
        for key, value in content.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise UnreadableManifest(f"{origin}: {section}.{key}: must be a string, write it in quotes")
            try:
                text = value.encode()
                found[key] = base64.b64decode(b"".join(text.split()), validate=True) if encoded else text
            except UnicodeEncodeError as exc:
                raise UnreadableManifest(f"{origin}: {section}: holds half a surrogate pair: {exc}") from exc
            except binascii.Error as exc:
                raise UnreadableManifest(f"{origin}: {section}: is not base64: {exc}") from exc
    return found
