"""Choosing dead letters by what they say: ``id=abc*``, ``reason~timeout``, ``payload.user.id=42``. No I/O.

A condition is ``FIELD OPERATOR VALUE`` without spaces around the operator; nothing in it is ever executed.

* ``=`` and ``!=`` compare the whole text with a pattern in which ``*``, ``?`` and ``[...]`` stand for others;
  ``~`` and ``!~`` search it for a regular expression. The value is everything behind the operator, spaces too.
* A path goes into objects by name and into lists by number; a name with dots or operators is put in double quotes:
  ``headers."x.tenant"=blue``.
* Strings are compared as they are, other JSON values as they are written (``42``, ``true``, ``null``).
* What is absent equals nothing: ``=`` and ``~`` do not hold, ``!=`` and ``!~`` do.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import ClassVar, Final

import msgspec

from asya_protocol.errors import AsyaError, Fault
from asya_transport.dead_letters.letter import DeadLetter

_STRING: Final = msgspec.json.Decoder(str)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OPERATOR: Final = re.compile(r"!=|!~|=|~")
_NAME: Final = re.compile(r'"(?P<quoted>[^"]*)"|(?P<plain>[^.="!~\s]+)')


class FilterError(AsyaError):
    """A condition cannot be read; the text shows where."""

    fault: ClassVar[Fault] = "user"

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{text!r}, character {position + 1}: {problem}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        path: Field, then names into it.
        pattern: What its text is searched for.
        negated: Whether the condition holds when the pattern is not found.
    """

    path: tuple[str, ...]
    pattern: re.Pattern[str]
    negated: bool

    def holds(self, letter: DeadLetter) -> bool:
        """Whether it holds for a dead letter."""
        text = _read(letter, self.path)
        return (text is not None and self.pattern.search(text) is not None) is not self.negated


def matches(conditions: Sequence[Condition], letter: DeadLetter) -> bool:
    """Whether all conditions hold; ``None`` at all is true."""
    return all(condition.holds(letter) for condition in conditions)


def same_id(envelope_id: str) -> Condition:
    """Make the condition that an id is just this text."""
    return Condition(("id",), re.compile(rf"\A{re.escape(envelope_id)}\Z"), negated=False)


def parse_condition(text: str) -> Condition:
    """Read one condition.

    Raises:
        FilterError: It is none; names the place.
    """
    path, position = _parse_path(text)
    operator = _OPERATOR.match(text, position)
    if operator is None:
        found = f"not {text[position]!r}" if position < len(text) else "but it ends"
        raise FilterError(text, position, f"here must be one of = != ~ !~, {found}")
    value = text[operator.end() :]
    if not operator[0].endswith("~"):
        return Condition(path, re.compile(rf"\A{translate(value)}"), operator[0] == "!=")
    try:
        return Condition(path, re.compile(value), operator[0] == "!~")
    except re.error as exc:
        raise FilterError(text, operator.end() + (exc.pos or 0), f"no regular expression: {exc.msg}") from exc


def _parse_path(text: str) -> tuple[tuple[str, ...], int]:
    path: list[str] = []
    position = 0
    while True:
        name = _NAME.match(text, position)
        if name is None:
            unclosed = text[position : position + 1] == '"'
            raise FilterError(text, position, "this quote is never closed" if unclosed else "here must be a name")
        path.append(name["plain"] if name["quoted"] is None else name["quoted"])
        if len(path) == 1 and path[0] not in _TEXTS and path[0] not in _TREES:
            raise FilterError(text, position, f"there is no field {path[0]!r}, only {', '.join(FIELDS)}")
        position = name.end()
        if text[position : position + 1] != ".":
            break
        if path[0] in _TEXTS:
            raise FilterError(text, position, f"{path[0]!r} has no parts; paths go into {', '.join(_TREES)}")
        position += 1
    if path == ["attributes"]:
        raise FilterError(text, position, "here must be the name of an attribute: attributes.NAME")
    return tuple(path), position


def _read(letter: DeadLetter, path: tuple[str, ...]) -> str | None:
    field, *rest = path
    if field in _TEXTS:
        return _TEXTS[field](letter)
    if field == "attributes":
        return letter.attributes.get(".".join(rest))
    raw = (letter.document or {}).get(field)
    for name in rest:
        raw = None if raw is None else _step(raw, name)
    return None if raw is None else _text(raw)


def _step(raw: msgspec.Raw, name: str) -> msgspec.Raw | None:
    try:
        if bytes(memoryview(raw)[:1]) == b"[":
            members = _LIST.decode(raw)
            return members[int(name)] if name.isdecimal() and int(name) < len(members) else None
        return _OBJECT.decode(raw).get(name)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _text(raw: msgspec.Raw) -> str | None:
    written = bytes(raw)
    try:
        return _STRING.decode(written) if written.startswith(b'"') else written.decode()
    except (msgspec.DecodeError, UnicodeError):
        return None


def _number(count: int | None) -> str | None:
    return None if count is None else str(count)


_TEXTS: Final[dict[str, Callable[[DeadLetter], str | None]]] = {
    "id": lambda letter: letter.id,
    "parent": lambda letter: letter.envelope.parent_id if letter.envelope is not None else None,
    "actor": lambda letter: letter.actor,
    "reason": lambda letter: letter.reason,
    "source": lambda letter: letter.source,
    "attempts": lambda letter: _number(letter.attempts),
    "deliveries": lambda letter: _number(letter.deliveries),
    "size": lambda letter: str(len(letter.body)),
    "problem": lambda letter: letter.problem or None,
    "body": lambda letter: letter.body.decode(errors="replace"),
}
"""Fields that are one text, and how it is read."""
_TREES: Final = ("payload", "headers", "route", "attributes")
"""Fields that paths go into."""
FIELDS: Final = (*_TEXTS, *_TREES)
