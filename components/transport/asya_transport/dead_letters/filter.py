"""Filters for dead letters: ``id=abc*``, ``reason~timeout``, ``payload.user.id=42``. No I/O.

A condition is ``FIELD OPERATOR VALUE``, and the value everything behind the operator. ``=`` and ``!=`` compare with a
pattern in which ``*``, ``?`` and ``[...]`` stand for others; ``~`` and ``!~`` search for a regular expression. A path goes
into objects by name (in double quotes where it has dots or operators) and into lists by number: ``headers."x.tenant"=blue``.
Strings are compared as they are, other JSON values as they are written; what is absent equals and contains nothing.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import ClassVar, Final

import msgspec

from asya_protocol.errors import AsyaError, Fault
from asya_transport.dead_letters.letter import DeadLetter

TEXTS: Final = ("id", "parent", "actor", "reason", "source", "attempts", "deliveries", "size", "problem", "body")
"""Fields that are one text: attributes of a dead letter."""
TREES: Final = ("payload", "headers", "route", "attributes")
"""Fields that paths go into."""
FIELDS: Final = (*TEXTS, *TREES)
_CONTAINER: Final[msgspec.json.Decoder[dict[str, msgspec.Raw] | list[msgspec.Raw]]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw] | list[msgspec.Raw]
)
_NAME: Final = re.compile(r'"([^"]*)"|([^.="!~\s]+)')
_PATH: Final = re.compile(rf"(?:(?:{_NAME.pattern})\.)*(?:{_NAME.pattern})?")
_OPERATOR: Final = re.compile(r"(!?)([=~])")


class FilterError(AsyaError):
    """A condition cannot be read; the text shows where."""

    fault: ClassVar[Fault] = "user"

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{text!r}, character {position + 1}: {problem}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Condition:
    """Where to look, what for, and whether it must not be there."""

    path: tuple[str, ...]
    pattern: re.Pattern[str]
    negated: bool

    def holds(self, letter: DeadLetter) -> bool:
        """Whether it holds for a dead letter."""
        text = _read(letter, *self.path)
        return (text is not None and self.pattern.search(text) is not None) is not self.negated


def matches(conditions: Sequence[Condition], letter: DeadLetter) -> bool:
    """Whether all conditions hold; true without any."""
    return all(condition.holds(letter) for condition in conditions)


def same_id(envelope_id: str) -> Condition:
    """Make the condition that an id is just this text."""
    return Condition(("id",), re.compile(rf"\A{re.escape(envelope_id)}\Z"), negated=False)


def same_trace(trace_id: str) -> Condition:
    """Make the condition that it comes from one send, which an id that was sent twice does not tell."""
    return Condition(("headers", "traceparent"), re.compile(rf"\A..-{re.escape(trace_id)}-"), negated=False)


def parse_condition(text: str) -> Condition:
    """Read one condition, or raise FilterError that names the place."""
    found = _PATH.match(text)
    written = "" if found is None else found[0]
    path, end = tuple(quoted or plain for quoted, plain in _NAME.findall(written)), len(written)
    if path and path[0] not in FIELDS:
        raise FilterError(text, 0, f"there is no field {path[0]!r}, only {', '.join(FIELDS)}")
    if path and path[0] in TEXTS and "." in written:
        raise FilterError(text, written.index("."), f"{path[0]!r} has no parts; paths go into {', '.join(TREES)}")
    if not path or written.endswith("."):
        raise FilterError(text, end, "this quote is never closed" if text[end:][:1] == '"' else "here must be a name")
    if path == ("attributes",):
        raise FilterError(text, end, "here must be the name of an attribute: attributes.NAME")
    operator = _OPERATOR.match(text, end)
    if operator is None:
        what = f"not {text[end]!r}" if end < len(text) else "but it ends"
        raise FilterError(text, end, f"here must be one of = != ~ !~, {what}")
    value, negated = text[operator.end() :], bool(operator[1])
    try:
        return Condition(path, re.compile(rf"\A{translate(value)}" if operator[2] == "=" else value), negated)
    except re.error as exc:
        raise FilterError(text, operator.end() + (exc.pos or 0), f"no regular expression: {exc.msg}") from exc


def _read(letter: DeadLetter, field: str, *names: str) -> str | None:
    if field in TEXTS:
        value = getattr(letter, field)
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return None if value in (None, "") else text
    if field == "attributes":
        return letter.attributes.get(".".join(names))
    try:
        written = bytes(functools.reduce(_step, names, (letter.document or {})[field]))
        return msgspec.json.decode(written, type=str) if written.startswith(b'"') else written.decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError):
        return None


def _step(raw: msgspec.Raw, name: str) -> msgspec.Raw:
    members = _CONTAINER.decode(raw)
    by_name = members if isinstance(members, dict) else {str(index): each for index, each in enumerate(members)}
    return by_name[name]
