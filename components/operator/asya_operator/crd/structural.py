"""From pydantic's JSON schema to a structural schema: references written out, choices dissolved, defaults at the leaves.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
says what the API server takes. Pure.
"""

from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

DURATION_PATTERN: Final = r"^\s*(([0-9]+(\.[0-9]*)?|\.[0-9]+)|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(h|ms|us|µs|ns|m|s))+)\s*$"
_KEPT: Final = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems")
_BOUNDS: Final = frozenset({"ge", "gt", "le"})
"""Bounds that stand behind a conversion appear in pydantic's schema by these names; only durations have one."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, by the names that manifests use."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _Converter(whole.get("$defs", {})).convert(whole)


class _Converter:
    """Converts one document's schemas; ``definitions`` is where references lead."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, node: Schema) -> Schema:
        """Convert a node with everything below it."""
        node = self._resolved(node)
        result: Schema = {"description": _plain(node["description"])} if "description" in node else {}
        if not _BOUNDS.isdisjoint(node):
            return _duration(node) | result
        result = {"type": node["type"], **result}
        result |= {key: _whole(node[key]) for key in _KEPT if key in node}
        if node.get("default") is not None:
            result["default"] = _whole(node["default"])
        if node["type"] == "object":
            result |= self._object(node)
        if node["type"] == "array":
            result["items"] = self.convert(node["items"])
        return result

    def _object(self, node: Schema) -> Schema:
        result: Schema = {}
        extra = node.get("additionalProperties", False)
        if "required" in node:
            result["required"] = list(node["required"])
        if "properties" in node:
            result["properties"] = {name: self.convert(field) for name, field in node["properties"].items()}
        if extra is True:
            result["x-kubernetes-preserve-unknown-fields"] = True
            for field in result.get("properties", {}).values():
                field.pop("default", None)  # Kubernetes' own objects: what their author left out stays out
        elif extra:
            result["additionalProperties"] = self.convert(extra)
        return result

    def _resolved(self, node: Schema) -> Schema:
        """Follow a reference, and take of ``X or nothing`` the X: in a manifest a null is as good as absent."""
        if "$ref" in node:
            target = self._definitions[node["$ref"].rpartition("/")[2]]
            return self._resolved({**target, **{key: node[key] for key in node if key != "$ref"}})
        if "anyOf" in node:
            choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1:
                raise ValueError(f"a structural schema cannot say {node['anyOf']}")
            outer = {key: node[key] for key in node if key not in ("anyOf", "title")}
            return self._resolved({**choices[0], **outer})
        return node


def _duration(node: Schema) -> Schema:
    """Whole seconds or words; a bound of numbers holds for numbers, the operator checks it for words."""
    result: Schema = {"x-kubernetes-int-or-string": True, "pattern": DURATION_PATTERN, "maxLength": 64}
    if "ge" in node or "gt" in node:
        result["minimum"] = _whole(node.get("ge", node.get("gt")))
    if "gt" in node:
        result["exclusiveMinimum"] = True
    if "le" in node:
        result["maximum"] = _whole(node["le"])
    if node.get("default") is not None:
        result["default"] = _whole(node["default"])
    return result


def _whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(text: str) -> str:
    """A docstring as one line without markup."""
    return " ".join(text.replace("``", "'").split())
