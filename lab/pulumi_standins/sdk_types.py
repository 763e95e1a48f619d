"""The names and types of a plugin's inputs, read from the type information that its Python SDK carries.

The SDKs are generated from the plugins' schemas. Their Args classes know every input's wire name, type, nesting and
whether it is required; not which inputs exclude one another, nor their ranges.
"""

import functools
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulumi import _types  # private, but what the SDKs' own serialiser goes by

from lab.pulumi_standins.wire import UNKNOWN, Properties

Problem = tuple[str, str]
"""The path of an input, and what is wrong with it."""


def problems(token: str, inputs: Properties, package: str) -> list[Problem]:
    """What the SDK ``package`` would not accept among the inputs of the resource type ``token``."""
    if token not in _registry(package):
        return [("", f"{package} knows no resource {token}")]
    arguments = _arguments(token, package)
    return list(_of_object("", inputs, arguments)) if arguments else [("", f"{package} has no Args class for {token}")]


@functools.cache
def outputs(token: str, package: str) -> frozenset[str]:
    """The wire names of all outputs of a resource type."""
    module, name = _registry(package)[token]
    return frozenset(_types.resource_pulumi_to_py_names(getattr(importlib.import_module(module), name)))


@functools.cache
def _registry(package: str) -> dict[str, tuple[str, str]]:
    """Token to module and class: every generated SDK embeds this for its own use."""
    source = Path(str(importlib.import_module(package).__file__)).read_text(encoding="utf-8")
    found = re.search(r'resource_modules="""\s*(\[.*?\n\])', source, re.DOTALL)
    assert found, f"{package} no longer embeds its registry"
    return {t: (m["fqn"], name) for m in json.loads(found[1]) for t, name in m["classes"].items()}


@functools.cache
def _arguments(token: str, package: str) -> Any:
    # From the resource's own module: a nested input type of the same name shadows the package's attribute, and the
    # resource's class is then called XInitArgs.
    fqn, name = _registry(package)[token]
    module = sys.modules[getattr(importlib.import_module(fqn), name).__module__]
    return getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args", None)


@functools.cache
def _shape(arguments: Any) -> dict[str, tuple[Any, bool]]:
    names = _types.input_type_py_to_pulumi_names(arguments)
    signature = inspect.signature(arguments.__init__).parameters
    required = {names[k] for k, p in signature.items() if k in names and p.default is inspect.Parameter.empty}
    return {wire: (kind, wire in required) for wire, kind in _types.input_type_types(arguments).items()}


def _of_object(path: str, value: Properties, arguments: Any) -> Iterator[Problem]:
    shape = _shape(arguments)
    for name in sorted(value.keys() - shape.keys() - {"__defaults"}):
        yield f"{path}.{name}".strip("."), "unknown property"
    for name, (kind, required) in shape.items():
        inner = f"{path}.{name}".strip(".")
        if value.get(name) is not None:
            yield from _of_value(inner, value[name], kind)
        elif required:
            yield inner, "required"


def _of_value(path: str, value: Any, kind: Any) -> Iterator[Problem]:
    if value is None or value == UNKNOWN:
        return
    kind = _types.unwrap_type(kind)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if inspect.isclass(kind) and _types.is_input_type(kind):
        yield from _of_object(path, value, kind) if isinstance(value, dict) else [(path, "an object is wanted")]
    elif "Sequence" in str(origin) or origin is list:
        if not isinstance(value, list):
            yield path, "a list is wanted"
            return
        for number, inner in enumerate(value):
            yield from _of_value(f"{path}[{number}]", inner, parts[0])
    elif "Mapping" in str(origin) or origin is dict:
        if not isinstance(value, dict):
            yield path, "a map is wanted"
            return
        for name, inner in value.items():
            yield from _of_value(f"{path}.{name}", inner, parts[1])
    elif not _is_scalar(value, kind):
        yield path, f"{kind.__name__} is wanted, not {type(value).__name__}"


def _is_scalar(value: Any, kind: Any) -> bool:
    if kind is str:
        return isinstance(value, str)
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return True
