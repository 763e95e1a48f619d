"""Kubernetes' own OpenAPI document, and the schemas in CustomResourceDefinitions, as checks of an object.

The document is the one that the API server of that version publishes (``api/openapi-spec/swagger.json`` of its Go module).
Checked: that a field exists, its type, what is required, enums, bounds and patterns. Not checked: CEL rules, and what an API
server only knows from its other objects.
"""

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from lab.pulumi_standins.wire import UNKNOWN, Properties

DOCUMENT_VARIABLE: Final = "STANDIN_OPENAPI"
_GVK: Final = "x-kubernetes-group-version-kind"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_EITHER: Final = "x-kubernetes-int-or-string"
_FREE: Final = "x-kubernetes-preserve-unknown-fields"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_TYPES: Final[dict[str, Any]] = {"string": str, "boolean": bool, "array": list, "object": dict}
_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


class Schemas:
    """The schemas of one API server: Kubernetes' own kinds, and those of ``definitions`` (CRD objects).

    Args:
        definitions: What has been added to it.
        document: Path of its OpenAPI document; without one what ``DOCUMENT_VARIABLE`` names.
    """

    def __init__(self, definitions: Iterable[Properties] = (), document: str | None = None) -> None:
        document = document or os.environ[DOCUMENT_VARIABLE]
        self._own = _own_kinds(document)
        self._named = _document(document)
        self._custom = {
            (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): version["schema"][
                "openAPIV3Schema"
            ]
            for crd in definitions
            for version in crd["spec"]["versions"]
        }

    def knows(self, thing: Properties) -> bool:
        """Whether there is such a kind."""
        return _key(thing) in self._own or _key(thing) in self._custom

    def problems(self, thing: Properties) -> list[str]:
        """What the API server would refuse."""
        key = _key(thing)
        custom = self._custom.get(key)
        if custom is None:
            found = list(_of(thing, {"$ref": self._own[key]}, "", self._named))
        else:
            found = list(_of(thing["metadata"], {"$ref": _META}, "metadata", self._named))
            rest = {name: value for name, value in thing.items() if name not in {"apiVersion", "kind", "metadata"}}
            allowed = {
                k: v for k, v in custom.get("properties", {}).items() if k not in {"apiVersion", "kind", "metadata"}
            }
            found += _of(rest, {**custom, "properties": allowed}, "", self._named)
        name = str(thing["metadata"].get("name", ""))
        if not _NAME.match(name) and "rbac" not in key[0]:
            found.append(f"metadata.name: {name!r} is no DNS name")
        return found


def _key(thing: Properties) -> tuple[str, str]:
    return str(thing["apiVersion"]).removeprefix("core/"), str(thing["kind"])


@functools.cache
def _document(path: str) -> dict[str, Any]:
    return dict(json.loads(Path(path).read_text(encoding="utf-8"))["definitions"])


@functools.cache
def _own_kinds(path: str) -> dict[tuple[str, str], str]:
    found = {}
    for name, definition in _document(path).items():
        for gvk in definition.get(_GVK, []):
            version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            if f".{gvk['kind']}" in name:  # DeleteOptions and the like claim every group.
                found[version, gvk["kind"]] = name
    return found


def _of(value: Any, schema: dict[str, Any], path: str, named: dict[str, Any]) -> Iterator[str]:
    reference = schema.get("$ref", "").removeprefix("#/definitions/")
    if reference:
        if reference == _QUANTITY:
            if not isinstance(value, str | int | float):
                yield f"{path}: a quantity is wanted"
            return
        schema = named[reference]
    if value is None or value == UNKNOWN:
        return
    if schema.get(_EITHER) or schema.get("format") == "int-or-string":
        if not isinstance(value, str | int) or isinstance(value, bool):
            yield f"{path}: a number or a string is wanted"
        return
    kind = schema.get("type")
    if kind is not None and not _is_a(value, kind):
        yield f"{path}: {kind} is wanted, not {type(value).__name__}"
        return
    yield from _bounds(value, schema, path)
    if isinstance(value, dict):
        yield from _of_object(value, schema, path, named)
    elif isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            yield from _of(inner, schema["items"], f"{path}[{number}]", named)


def _of_object(value: Properties, schema: dict[str, Any], path: str, named: dict[str, Any]) -> Iterator[str]:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    open_ended = bool(schema.get(_FREE)) or not properties
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}: required".lstrip(".")
    for name, inner in value.items():
        where = f"{path}.{name}".lstrip(".")
        if name in properties:
            yield from _of(inner, properties[name], where, named)
        elif isinstance(rest, dict):
            yield from _of(inner, rest, where, named)
        elif not open_ended and rest is not True:
            yield f"{where}: unknown field"


def _bounds(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield f"{path}: {value} is less than {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield f"{path}: {value} is more than {schema['maximum']}"


def _is_a(value: Any, kind: str) -> bool:
    if kind in {"integer", "number"}:
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])
