"""Tools as Asya 0.1.1's YAML describes them, read strictly into checked values.

A path is one file, or a folder: every ``*.yaml`` and ``*.yml`` in it, by name and not below. A folder may be empty: a gateway
is often there before its first tool. Texts of several files are united: a tool's name is unique over all of them, a template
is used in the file that defines it, and the last file with ``defaults`` wins. An unknown key is an error that names its place.

Plain values mean what Asya 0.1.1's reader (gopkg.in/yaml.v3) makes of them: ``on``, ``no`` and dates are text, but for
flags the old words of YAML 1.1 count too; defaults and options of a string are the text as it is written.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import yaml

from asya_manifest.callback import Callback, read_callback
from asya_protocol.durations import parse_duration
from asya_protocol.errors import AsyaError, Fault

T = TypeVar("T")
Texts = Sequence[tuple[str, str]]
"""Name and content of each file."""
_Routes = Mapping[str, tuple[str, ...]]
TYPES: Final = ("string", "number", "integer", "boolean", "object", "array")
_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str, "number": (int, float), "integer": (int, float), "boolean": bool, "object": dict, "array": list,
}  # fmt: skip
"""What JSON's types are here; a bool is no number, and an integer may be written as 1.0."""
DEFAULT_TIMEOUT_S: Final = 300
LONGEST_TIMEOUT_S: Final = 2**31 - 1
"""What the database's int holds; 68 years."""
_FLAGS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_TOOL: Final = frozenset({
    "name", "title", "description", "parameters", "route", "progress", "timeout", "wait", "metadata", "annotations",
    "outputSchema", "callback",
})  # fmt: skip
ANNOTATIONS: Final = ("readOnly", "destructive", "idempotent", "openWorld")
"""What a tool may say of itself, for whoever asks a person before a call."""
TOOL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What MCP (2025-11-25: 1 to 128 of A-Z a-z 0-9 _ - .), OpenAI (64, no dot), Anthropic (64, no dot) and Gemini (64, begins with
a letter or _) all accept: a tool of any other name is one that some model cannot call."""
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
        default: What a call gets that does not name it.
        has_default: Whether there is one; a default of null is none.
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
        metadata: Part of every answer.
        title: For people; empty where the name serves.
        wait_s: Seconds for which an MCP call that says nothing of waiting is held back to tell the result; ``None`` leaves it
            to the gateway.
        annotations: By the names of ``ANNOTATIONS``, those that are said.
        output_schema: JSON schema of the result, an object; ``None`` promises nothing.
        callback: Where the ends of its calls are told; ``None`` for nowhere.
    """

    name: str
    route: tuple[str, ...]
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    progress: bool = False
    timeout_s: int = DEFAULT_TIMEOUT_S
    metadata: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    wait_s: float | None = None
    annotations: Mapping[str, bool] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None
    callback: Callback | None = None


@dataclass(frozen=True, slots=True)
class _Defaults:
    progress: bool | None = None
    timeout_s: int | None = None
    wait_s: float | None = None


def read_tools(path: Path | None) -> dict[str, Tool]:
    """Read the tools that a path stands for; none without a path.

    Raises:
        InvalidTools: The path cannot be read, or a file breaks a rule.
    """
    return parse_tools(read_texts(path))


def read_texts(path: Path | None) -> list[tuple[str, str]]:
    """Read the files that a path stands for.

    Raises:
        InvalidTools: It cannot be read.
    """
    if path is None:
        return []
    try:
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.is_file())
        return [(str(file), file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidTools(f"{path}: {exc}") from exc


def parse_tools(texts: Texts) -> dict[str, Tool]:
    """Read tools from the texts of files, in the order that counts.

    Returns:
        Tools by name, sorted.

    Raises:
        InvalidTools: A rule is broken.
    """
    files = read_documents(texts)
    given = [(name, config["defaults"]) for name, config in files if config.get("defaults") is not None]
    checked = [_read_defaults(value, f"{name}: defaults") for name, value in given]
    defaults = checked[-1] if checked else _Defaults()
    templates: set[str] = set()
    tools: dict[str, Tool] = {}
    for name, config in files:
        routes = _routes(name, config)
        for template in routes.keys() & templates:
            raise InvalidTools(f"{name}: duplicate route template across configs: {_quoted(template)}")
        templates |= routes.keys()
        found = _file(name, config, routes, defaults)
        for tool in found:
            if tool.name in tools:
                raise InvalidTools(f"{name}: duplicate tool name across configs: {_quoted(tool.name)}")
        tools |= {tool.name: tool for tool in found}
    return dict(sorted(tools.items()))


def read_documents(texts: Texts) -> list[tuple[str, dict[str, Any]]]:
    """Read the texts of files as YAML, by name.

    Raises:
        InvalidTools: One is none, or has a part that no tool file has.
    """
    return [(name, _document(name, text)) for name, text in texts]


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - descends from SafeLoader
    except yaml.YAMLError as exc:
        raise InvalidTools(f"{name}: not YAML: {exc}") from exc
    except Exception as exc:  # PyYAML's constructors raise what they run into: ValueError, KeyError, TypeError, ...
        raise InvalidTools(f"{name}: not YAML: {type(exc).__name__}: {exc}") from exc
    if document is None:
        raise InvalidTools(f"{name}: no tools defined")
    return _mapping(document, name, frozenset({"tools", "routes", "defaults", "schedules"}))


def _routes(name: str, config: Mapping[str, Any]) -> _Routes:
    given = _mapping(config.get("routes") or {}, f"{name}: routes")
    return {key: _actors(value, f"{name}: routes.{key}") for key, value in given.items()}


def _file(name: str, config: Mapping[str, Any], routes: _Routes, defaults: _Defaults) -> list[Tool]:
    entries = config.get("tools") or []
    if not isinstance(entries, list):
        raise InvalidTools(f"{name}: tools must be a list")
    if not entries and not config.get("schedules"):
        raise InvalidTools(f"{name}: no tools defined")
    try:
        tools = [_tool(entry, f"{name}: tools[{place}]", routes, defaults) for place, entry in enumerate(entries)]
    except RecursionError:  # an alias may name what it is in
        raise InvalidTools(f"{name}: values nest without end") from None
    if double := _first_double(tool.name for tool in tools):
        raise InvalidTools(f"{name}: duplicate tool name: {_quoted(double)}")
    return tools


def _tool(entry: object, where: str, routes: _Routes, defaults: _Defaults) -> Tool:
    spec = _mapping(entry, where, _TOOL)
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidTools(f"{where}: tool name is required")
    if not TOOL_NAME.fullmatch(name):
        raise InvalidTools(
            f"{where}: {_quoted(name[:80])} is no name that every model can call: "
            "1 to 64 letters, digits, _ and -, not a digit or - first"
        )
    where = f"{where} ({name})"
    metadata = _mapping(spec.get("metadata") or {}, f"{where}.metadata")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise InvalidTools(f"{where}.metadata.{key}: must be a string; quote it")
    parameters = _mapping(spec.get("parameters") or {}, f"{where}.parameters")
    annotations = _mapping(spec.get("annotations") or {}, f"{where}.annotations", frozenset(ANNOTATIONS))
    said = {key: _flag(annotations, key, f"{where}.annotations") for key in annotations}
    progress, timeout_s, wait_s = _flag(spec, "progress", where), _timeout(spec, where), _wait(spec, where)
    timeout_s = defaults.timeout_s if timeout_s is None else timeout_s
    return Tool(
        name=name,
        route=_route(spec.get("route"), where, routes),
        description=_text(spec, "description", where),
        parameters={key: _parameter(value, f"{where}.parameters.{key}") for key, value in parameters.items()},
        progress=bool(defaults.progress if progress is None else progress),
        timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s,
        metadata=metadata,
        title=_text(spec, "title", where),
        wait_s=defaults.wait_s if wait_s is None else wait_s,
        annotations={key: value for key, value in said.items() if value is not None},
        output_schema=_output_schema(spec, where),
        callback=_callback(spec, where),
    )


def _route(value: object, where: str, templates: _Routes) -> tuple[str, ...]:
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
    parameter = Parameter(
        type=kind,
        description=_text(spec, "description", where),
        required=bool(_flag(spec, "required", where)),
        default=_json(default, f"{where}.default"),
        has_default=default is not None,
        options=tuple(_json(options, f"{where}.options")),
        properties={key: _parameter(inner, f"{where}.properties.{key}") for key, inner in properties.items()},
        items=_parameter(spec["items"], f"{where}.items") if spec.get("items") else None,
    )
    if parameter.has_default:
        _check_fit(parameter, default, f"{where}.default")
    return parameter


def _check_fit(parameter: Parameter, value: object, where: str) -> None:
    """Refuse a default that every call would be refused for."""
    kind = parameter.type
    fits = isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits or (kind == "integer" and isinstance(value, float) and not value.is_integer()):
        raise InvalidTools(f"{where}: {json.dumps(value)} is not of type {kind}")
    if parameter.options and value not in parameter.options:
        raise InvalidTools(f"{where}: {json.dumps(value)} is not one of {json.dumps(parameter.options)}")
    if isinstance(value, list) and parameter.items is not None:
        for place, item in enumerate(value):
            _check_fit(parameter.items, item, f"{where}[{place}]")
    if isinstance(value, dict):
        for name, inner in parameter.properties.items():
            if value.get(name) is not None:
                _check_fit(inner, value[name], f"{where}.{name}")
            elif inner.required and not inner.has_default:
                raise InvalidTools(f"{where}.{name}: is missing")


def _read_defaults(value: object, where: str) -> _Defaults:
    spec = _mapping(value, where, frozenset({"progress", "timeout", "wait"}))
    return _Defaults(_flag(spec, "progress", where), _timeout(spec, where), _wait(spec, where))


def _wait(spec: Mapping[str, Any], where: str) -> float | None:
    value = spec.get("wait")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidTools(f"{where}.wait: must be a duration such as 60s")
    try:
        return parse_duration(value if isinstance(value, str) else f"{value}s")
    except ValueError as exc:
        raise InvalidTools(f"{where}.wait: {exc}") from None


def _callback(spec: Mapping[str, Any], where: str) -> Callback | None:
    if spec.get("callback") is None:
        return None
    try:
        return read_callback(spec["callback"])
    except ValueError as exc:
        raise InvalidTools(f"{where}.callback: {exc}") from None


def _output_schema(spec: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    if spec.get("outputSchema") is None:
        return None
    schema = _json(_mapping(spec["outputSchema"], f"{where}.outputSchema"), f"{where}.outputSchema")
    if schema.get("type") != "object":
        raise InvalidTools(f"{where}.outputSchema: type must be object, for MCP's structured results are objects")
    return schema


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


def _first_double(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


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
        if (double := _first_double(keys)) is not None:
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
