"""Parses command line words into a tool's arguments, by its JSON schema. Pure.

``--page scan.png``, ``--page=scan.png``, ``--verbose``, ``--tag a --tag b``; hyphens and underscores in names stand for one
another. A parameter that the schema does not know is guessed at as Asya 0.1.1 does.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from asya_cli.exit_codes import BadRequest

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_STRUCTURES: Final = ("{", "[")

Schemas = Mapping[str, Mapping[str, Any]]


def read_arguments(words: Sequence[str], json_text: str | None, schemas: Schemas) -> dict[str, Any]:
    """Read a call's arguments.

    Args:
        words: ``--name=value``, ``--name value``, ``--flag``; one word without ``--`` before all others is a JSON object.
        json_text: A JSON object with further arguments; words go before it.
        schemas: JSON schema of every parameter, by name.

    Raises:
        BadRequest: A word cannot be read, or does not fit its parameter.
    """
    rest = list(words)
    found: dict[str, Any] = {} if json_text is None else read_object(json_text, "--json-args")
    if rest and not rest[0].startswith("--"):
        found |= read_object(rest.pop(0), "the arguments")
    given: dict[str, Any] = {}
    for name, text in _pairs(rest, schemas):
        schema = schemas.get(name, {})
        value = _value(name, text, schema)
        if schema.get("type") == "array":
            given[name] = [*given.get(name, []), *value]
        elif name in given:
            raise BadRequest(f"--{name} is given twice")
        else:
            given[name] = value
    return found | given


def read_object(text: str, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        BadRequest: It is none.
    """
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise BadRequest(f"{what}: {text!r} is not JSON: {exc}", 'quote it for the shell: \'{"who": "you"}\'') from None
    if not isinstance(found, dict):
        raise BadRequest(f"{what}: must be a JSON object")
    return found


def _pairs(words: Sequence[str], schemas: Schemas) -> Iterator[tuple[str, str | None]]:
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("--") or word == "--":
            raise BadRequest(f"{word!r} is no --parameter", "write --name value, or one JSON object before all else")
        spelled, equals, text = word[2:].partition("=")
        name = _known_name(spelled, schemas)
        if equals:
            yield name, text
            continue
        following = words[place] if place < len(words) else None
        is_flag = schemas.get(name, {}).get("type") == "boolean"
        takes = following is not None and not following.startswith("--")
        if takes and (not is_flag or str(following).lower() in _TRUE | _FALSE):
            place += 1
            yield name, following
        else:
            yield name, None


def _known_name(spelled: str, schemas: Schemas) -> str:
    """The parameter's own spelling."""
    if spelled in schemas:
        return spelled
    same = [name for name in schemas if name.replace("-", "_") == spelled.replace("-", "_")]
    return same[0] if len(same) == 1 else spelled


def _value(name: str, text: str | None, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    kind = schema.get("type")
    if text is None:
        if kind not in (None, "boolean"):
            raise BadRequest(f"--{name} needs a value: {_article(kind)}")
        return True
    match kind:
        case "string":
            return text
        case "boolean":
            if text.lower() not in _TRUE | _FALSE:
                raise _misfit(name, text, kind)
            return text.lower() in _TRUE
        case "integer" | "number":
            return _number(name, text, kind)
        case "object":
            return read_object(text, f"--{name}")
        case "array":
            return _items(name, text, schema)
        case _:
            return guess(text)


def _number(name: str, text: str, kind: str) -> int | float:
    try:
        number: object = json.loads(text)
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise _misfit(name, text, kind)
    if kind == "integer" and isinstance(number, float):
        if not number.is_integer():
            raise _misfit(name, text, kind)
        return int(number)
    return number


def _items(name: str, text: str, schema: Mapping[str, Any]) -> list[Any]:
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            raise _misfit(name, text, "array") from None
        if isinstance(found, list):
            return found
    items = schema.get("items")
    return [_value(name, text, items if isinstance(items, dict) else {})]


def guess(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Guess what a text without a schema means: true, false, null, a number, JSON in brackets, else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text == "null" or text.startswith(_STRUCTURES) or (text and text[-1].isdecimal()):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _misfit(name: str, text: str, kind: str) -> BadRequest:
    return BadRequest(f"--{name}: {text!r} is not {_article(kind)}")


def _article(kind: str) -> str:
    return {"integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a JSON list"}.get(
        kind, f"a {kind}"
    )
