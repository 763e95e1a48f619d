"""A tool's arguments: their JSON schema, and the validation and completion of a call's. Pure.

Unknown arguments are passed on, as in Asya 0.1.1. A parameter given as ``null`` counts as absent: many clients send what is
left out so.

A check may be given a time, and its first error ends it: a list of a million wrong values is not read to its end to choose the
best of a million errors.
"""

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import jsonschema

from asya_manifest.tools import InvalidTools, Parameter, Tool

LONGEST_ECHO: Final = 200
"""Characters of a refusal's sentence about a value."""
_VALIDATORS: Final[dict[int, jsonschema.Draft202012Validator]] = {}
_LATE: Final[ContextVar[Callable[[], bool] | None]] = ContextVar("late", default=None)
"""Whether the check that is under way has had its time."""
_LOOK_EVERY: Final = 256
"""Items of a list between two looks at the clock."""


class InvalidArguments(Exception):
    """The arguments do not fit; the text tells the caller what to change."""


def input_schema(tool: Tool) -> dict[str, object]:
    """Write a tool's parameters as JSON schema."""
    return _object_schema(tool.parameters)


def complete(
    tool: Tool, arguments: Mapping[str, object] | None, *, late: Callable[[], bool] | None = None
) -> dict[str, object]:
    """Check arguments and fill in defaults.

    Args:
        tool: The tool that is called.
        arguments: By name.
        late: Asked now and then whether the check has had its time; ``None`` is without limit.

    Returns:
        What the first actor gets as its payload.

    Raises:
        InvalidArguments: One is missing or does not fit its parameter, or the check took too long.
    """
    filled = _fill(tool.parameters, dict(arguments or {}))
    for name, parameter in tool.parameters.items():
        if parameter.required and name not in filled:
            raise InvalidArguments(f"missing required parameter: {name}")
    with _limited(late):
        problem = next(_validator(tool).iter_errors(filled), None)
    if problem is not None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem.absolute_path)
        raise InvalidArguments(f"invalid parameter {place.lstrip('.')}: {_short(problem.message)}")
    return filled


def check_schemas(tools: Mapping[str, Tool]) -> None:
    """Check the schemas that tools promise of their results.

    Raises:
        InvalidTools: One is no JSON schema.
    """
    for tool in tools.values():
        try:
            jsonschema.Draft202012Validator.check_schema(tool.output_schema or {})
        except jsonschema.SchemaError as exc:
            raise InvalidTools(f"tool {tool.name}: outputSchema is no JSON schema: {_short(exc.message)}") from None


def output_problem(tool: Tool, result: object) -> str | None:
    """Say how a result breaks what its tool promises; ``None`` where it fits."""
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(tool.output_schema or {}).iter_errors(result)
    )
    return None if problem is None else f"{problem.json_path}: {_short(problem.message)}"


def _short(message: str) -> str:
    """Cut a sentence that repeats a large value: callers know what they sent, and logs and models read this."""
    return message if len(message) <= LONGEST_ECHO else f"{message[:110]} ... {message[-80:]}"


@contextmanager
def _limited(late: Callable[[], bool] | None) -> Iterator[None]:
    token = _LATE.set(late)
    try:
        yield
    finally:
        _LATE.reset(token)


def _check_items(
    validator: jsonschema.Draft202012Validator, items: Mapping[str, Any], instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    """Check the items of a list; those that need only be of a type are looked at without a validator for each."""
    if not isinstance(instance, list):
        return
    late = _LATE.get()
    plain = items["type"] if set(items) <= {"type", "description", "default"} else None
    for index, item in enumerate(instance):
        if late is not None and index % _LOOK_EVERY == 0 and late():
            raise InvalidArguments("arguments take too long to check; send fewer values")
        if plain is None or not validator.is_type(item, plain):
            yield from validator.descend(item, items, path=index)


_Validator: Final[type[jsonschema.Draft202012Validator]] = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # jsonschema has no types for it
    jsonschema.Draft202012Validator, {"items": _check_items}
)


def _validator(tool: Tool) -> jsonschema.Draft202012Validator:
    """Return a tool's validator, which is made once and lives as long as the tool."""
    found = _VALIDATORS.get(id(tool))
    if found is None:
        found = _VALIDATORS[id(tool)] = _Validator(input_schema(tool))
        weakref.finalize(tool, _VALIDATORS.pop, id(tool), None)
    return found


def _fill(parameters: Mapping[str, Parameter], values: dict[str, Any]) -> dict[str, Any]:
    for name, parameter in parameters.items():
        if values.get(name) is None:
            values.pop(name, None)
            if parameter.has_default:
                values[name] = copy.deepcopy(parameter.default)
        if name in values:
            values[name] = _fill_within(parameter, values[name])
    return values


def _fill_within(parameter: Parameter, value: object) -> object:
    if parameter.properties and isinstance(value, dict):
        return _fill(parameter.properties, dict(value))
    if parameter.items is not None and isinstance(value, list):
        return [_fill_within(parameter.items, item) for item in value]
    return value


def _object_schema(parameters: Mapping[str, Parameter]) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {name: _schema(parameter) for name, parameter in parameters.items()},
    }
    if required := [name for name, parameter in parameters.items() if parameter.required]:
        schema["required"] = required
    return schema


def _schema(parameter: Parameter) -> dict[str, object]:
    schema: dict[str, object] = {"type": parameter.type}
    if parameter.type == "object" and parameter.properties:
        schema = _object_schema(parameter.properties)
    if parameter.type == "array" and parameter.items is not None:
        schema["items"] = _schema(parameter.items)
    if parameter.description:
        schema["description"] = parameter.description
    if parameter.options:
        schema["enum"] = list(parameter.options)
    if parameter.has_default:
        schema["default"] = parameter.default
    return schema
