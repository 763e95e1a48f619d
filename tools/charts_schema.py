"""The schema of a chart's values, read off their defaults: a name that has no default is refused, and so is another type.

A map or a list whose default is empty takes anything; what `tools.charts_tables` says of a path is added to it.
"""

from collections.abc import Mapping
from typing import Any, Final

from tools.charts_tables import SCHEMAS
from tools.charts_template import Tree

_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def values_schema(chart: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one chart's values."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_of(values, SCHEMAS[chart], "")}


def actor_schema(values: Mapping[str, Any], definition: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the chart asya-actor, whose values are the fields of an AsyncActor's spec.

    What a field may hold beyond its type and names is left to the API server.
    """
    (version,) = definition["spec"]["versions"]
    spec = _of_definition(version["schema"]["openAPIV3Schema"]["properties"]["spec"])["properties"]
    name = {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"}
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    actor = {"name": name, "namespace": {"type": "string"}, "labels": texts, "annotations": texts, **spec}
    whole = values_schema("asya-actor", values)
    one = {"type": "object", "properties": actor, "additionalProperties": False, "required": ["name"]}
    whole["properties"] |= {**actor, "actors": {"type": "array", "items": one}}
    whole["properties"]["default"] = {"type": "object", "properties": spec, "additionalProperties": False}
    return whole


def _of_definition(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: schema[key] for key in ("type", "description", "enum") if key in schema}
    if "properties" in schema:
        kept["properties"] = {name: _of_definition(inner) for name, inner in schema["properties"].items()}
        kept["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _of_definition(schema["additionalProperties"])
    if "items" in schema:
        kept["items"] = _of_definition(schema["items"])
    return kept


def _of(value: Tree, more: Mapping[str, Mapping[str, Any]], path: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if value is not None:
        schema["type"] = [_TYPES[type(value)], "null"] if path else _TYPES[type(value)]
    if isinstance(value, dict) and (value or not path):
        children = {name: _of(inner, more, f"{path}/{name}".lstrip("/")) for name, inner in value.items()}
        # Helm itself puts the values that all charts share there.
        schema |= {"properties": children if path else {**children, "global": {"type": "object"}}}
        schema |= {"additionalProperties": False}
    return {**schema, **more.get(path, {})}
