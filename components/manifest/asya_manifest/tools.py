"""Tools as Asya 0.1.1's YAML describes them, read strictly: pure, from texts to checked values.

Texts of several files are united: a tool's name is unique over all of them, a template is used in the file that defines it,
and the last file with ``defaults`` wins. An unknown key is an error that names its place.

Plain values mean what Asya 0.1.1's reader (gopkg.in/yaml.v3) makes of them: ``on``, ``no`` and dates are text, but for
flags the old words of YAML 1.1 count too; defaults and options of a string are the text as it is written.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

import yaml

from asya_protocol.errors import AsyaError, Fault

T = TypeVar("T")
TYPES: Final = ("string", "number", "integer", "boolean", "object", "array")
DEFAULT_TIMEOUT_S: Final = 300
LONGEST_TIMEOUT_S: Final = 2**31 - 1
"""What the database's int holds; 68 years."""
_FLAGS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_TOOL: Final = frozenset({"name", "description", "parameters", "route", "progress", "timeout", "metadata"})
_PARAMETER: Final = frozenset({"type", "description", "required", "default", "options", "properties", "items"})


class InvalidTools(AsyaError):
    """A tool file breaks a rule; the text names the file and the place in it."""

    fault: ClassVar[Fault] = "user"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool.

    Attributes:
        type: One of ``TYPES``.
        description: In words.
        required: Whether a call must name it.
        default: What a call gets that does not name it; ``has_default`` says whether there is one. Null is none.
        has_default: As above.
        options: The only allowed values; empty allows all.
        properties: Of an object.
        items: Of an array.
    """

    type: str
    description: str = ""
    required: bool = False
    default: object = None
    has_default: bool = False
    options: tuple[object, ...] = ()
    properties: Mapping[str, "Parameter"] = field(default_factory=dict)
    items: "Parameter | None" = None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Tool:
    """One pipeline that can be called.

    Attributes:
        name: Unique.
        route: Actors in order, never empty.
        description: In words.
        parameters: By name, in the order of the file.
        progress: Whether answers name the stream.
        timeout_s: 0 is no limit.
        metadata: Told with every answer.
    """

    name: str
    route: tuple[str, ...]
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    progress: bool = False
    timeout_s: int = DEFAULT_TIMEOUT_S
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Defaults:
    progress: bool | None = None
    timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    tool: Tool
    progress: bool | None
    timeout_s: int | None


def parse_tools(texts: Sequence[tuple[str, str]]) -> dict[str, Tool]:
    """Read tools from the texts of files.

    Args:
        texts: Name and content of each file, in the order that counts.

    Returns:
        Tools by name, sorted.

    Raises:
        InvalidTools: A rule is broken.
    """
    drafts: dict[str, _Draft] = {}
    templates: dict[str, str] = {}
    defaults = _Defaults()
    for name, text in texts:
        found, own, file_templates = _file(name, text)
        defaults = own or defaults
        for template in file_templates:
            if template in templates:
                raise InvalidTools(f"{name}: duplicate route template across configs: {_quoted(template)}")
            templates[template] = name
        for draft in found:
            if draft.tool.name in drafts:
                raise InvalidTools(f"{name}: duplicate tool name across configs: {_quoted(draft.tool.name)}")
            drafts[draft.tool.name] = draft
    return {name: _complete(drafts[name], defaults) for name in sorted(drafts)}


def _complete(draft: _Draft, defaults: _Defaults) -> Tool:
    progress = draft.progress if draft.progress is not None else bool(defaults.progress)
    timeout_s = draft.timeout_s if draft.timeout_s is not None else defaults.timeout_s
    tool = draft.tool
    return Tool(
        name=tool.name,
        route=tool.route,
        description=tool.description,
        parameters=tool.parameters,
        progress=progress,
        timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s,
        metadata=tool.metadata,
    )


def _file(name: str, text: str) -> tuple[list[_Draft], _Defaults | None, Mapping[str, tuple[str, ...]]]:
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - descends from SafeLoader
    except yaml.YAMLError as exc:
        raise InvalidTools(f"{name}: not YAML: {exc}") from exc
    except Exception as exc:  # PyYAML's constructors raise what they run into: ValueError, KeyError, TypeError, ...
        raise InvalidTools(f"{name}: not YAML: {type(exc).__name__}: {exc}") from exc
    if document is None:
        raise InvalidTools(f"{name}: no tools defined")
    config = _mapping(document, name, frozenset({"tools", "routes", "defaults"}))
    templates = {
        key: _actors(value, f"{name}: routes.{key}")
        for key, value in _mapping(config.get("routes") or {}, f"{name}: routes").items()
    }
    entries = config.get("tools") or []
    if not isinstance(entries, list):
        raise InvalidTools(f"{name}: tools must be a list")
    if not entries:
        raise InvalidTools(f"{name}: no tools defined")
    try:
        drafts = [_tool(entry, f"{name}: tools[{place}]", templates) for place, entry in enumerate(entries)]
    except RecursionError:  # an alias may name what it is in
        raise InvalidTools(f"{name}: values nest without end") from None
    for double in _doubles(draft.tool.name for draft in drafts):
        raise InvalidTools(f"{name}: duplicate tool name: {_quoted(double)}")
    return drafts, _defaults(config.get("defaults"), f"{name}: defaults"), templates


def _tool(entry: object, where: str, templates: Mapping[str, tuple[str, ...]]) -> _Draft:
    spec = _mapping(entry, where, _TOOL)
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidTools(f"{where}: tool name is required")
    where = f"{where} ({name})"
    metadata = _mapping(spec.get("metadata") or {}, f"{where}.metadata")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise InvalidTools(f"{where}.metadata.{key}: must be a string; quote it")
    parameters = _mapping(spec.get("parameters") or {}, f"{where}.parameters")
    tool = Tool(
        name=name,
        route=_route(spec.get("route"), where, templates),
        description=_text(spec, "description", where),
        parameters={key: _parameter(value, f"{where}.parameters.{key}") for key, value in parameters.items()},
        metadata=metadata,
    )
    return _Draft(tool, _flag(spec, "progress", where), _timeout(spec, where))


def _route(value: object, where: str, templates: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if isinstance(value, str) and value:
        if value not in templates:
            raise InvalidTools(f"{where}: route template {_quoted(value)} not found")
        return templates[value]
    if not value:
        raise InvalidTools(f"{where}: route has no actors or template")
    return _actors(value, f"{where}.route")


def _actors(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(actor, str) and actor for actor in value):
        raise InvalidTools(f"{where}: must be a list of actor names")
    if not value:
        raise InvalidTools(f"{where}: route has no actors or template")
    return tuple(value)


def _parameter(value: object, where: str) -> Parameter:
    spec = _mapping(value, where, _PARAMETER)
    kind = spec.get("type")
    if kind not in TYPES:
        raise InvalidTools(f'{where}: invalid type "{kind or ""}" (must be {", ".join(TYPES[:-1])}, or {TYPES[-1]})')
    options = spec.get("options") or []
    if not isinstance(options, list):
        raise InvalidTools(f"{where}.options: must be a list")
    properties = _mapping(spec.get("properties") or {}, f"{where}.properties")
    default = spec.get("default")
    if kind == "boolean" and isinstance(default, str):
        default = _FLAGS.get(default, default)
    return Parameter(
        type=kind,
        description=_text(spec, "description", where),
        required=bool(_flag(spec, "required", where)),
        default=_json(default, f"{where}.default"),
        has_default=default is not None,
        options=tuple(_json(options, f"{where}.options")),
        properties={key: _parameter(inner, f"{where}.properties.{key}") for key, inner in properties.items()},
        items=_parameter(spec["items"], f"{where}.items") if spec.get("items") else None,
    )


def _defaults(value: object, where: str) -> _Defaults | None:
    if value is None:
        return None
    spec = _mapping(value, where, frozenset({"progress", "timeout"}))
    return _Defaults(_flag(spec, "progress", where), _timeout(spec, where))


def _timeout(spec: Mapping[str, Any], where: str) -> int | None:
    value = spec.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTools(f"{where}.timeout: must be a whole number of seconds")
    if value < 0:
        raise InvalidTools(f"{where}: timeout cannot be negative")
    if value > LONGEST_TIMEOUT_S:
        raise InvalidTools(f"{where}: timeout is over {LONGEST_TIMEOUT_S} seconds (0 is no limit)")
    return value


def _json(value: T, where: str) -> T:
    """Refuse what no schema and no envelope can carry."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise InvalidTools(f"{where}: is not JSON: {exc}") from None
    return value


def _flag(spec: Mapping[str, Any], key: str, where: str) -> bool | None:
    value = spec.get(key)
    if isinstance(value, str):
        value = _FLAGS.get(value, value)
    if value is not None and not isinstance(value, bool):
        raise InvalidTools(f"{where}.{key}: must be true or false")
    return value


def _text(spec: Mapping[str, Any], key: str, where: str) -> str:
    value = spec.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidTools(f"{where}.{key}: must be a string; quote it")
    return value or ""


def _mapping(value: object, where: str, known: frozenset[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidTools(f"{where}: must be a mapping of names")
    for key in value:
        if known is not None and key not in known:
            raise InvalidTools(f"{where}: unknown key {_quoted(key)} (known: {', '.join(sorted(known))})")
    return value


def _doubles(names: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _quoted(name: str) -> str:
    return f'"{name}"'


_TAG: Final = "tag:yaml.org,2002:"


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML whose mappings name each key once and whose plain values are Asya 0.1.1's, see above."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's name and place
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in {f"{_TAG}bool", f"{_TAG}timestamp"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for double in _doubles(iter(keys)):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {_quoted(double)} is given twice", node.start_mark
            )
        self.flatten_mapping(node)
        _keep_text({key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)})
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(f"{_TAG}bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _keep_text(fields: Mapping[str, yaml.Node]) -> None:
    """Make the default and the options of a parameter that is a string be read as they are written."""
    kind, options = fields.get("type"), fields.get("options")
    if not isinstance(kind, yaml.ScalarNode) or kind.value != "string":
        return
    for node in (fields.get("default"), *(options.value if isinstance(options, yaml.SequenceNode) else ())):
        if isinstance(node, yaml.ScalarNode) and node.tag in {f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool"}:
            node.tag = f"{_TAG}str"
