"""What a limit allows, and what an envelope asks of it, as values. Pure.

A sidecar is told its rules as JSON, in the spelling of manifests: ``[{"name": "openai", "requestsPerMinute": 60, "key":
"headers.tenant", "cost": "payload.maxTokens"}]``.
"""

import re
from typing import Final, Literal

import msgspec

from asya_protocol.key_segment import segment

EVERYBODY: Final = "*"
"""The place whose pause holds for all keys of a limit."""
MAX_KEY_CHARS: Final = 256
_KEYED: Final = "="
_ENCODED: Final = "~"
"""Begins a key that is not kept as it came."""
_TAKEN: Final = re.compile("[^\0-\x1f\ud800-\udfff]*")


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """One limit as one actor meets it.

    Attributes:
        name: The limit's name; what it counts is shared by all who use the name.
        requests_per_minute: Handler calls that may begin within any minute; ``None`` for any number.
        tokens_per_minute: The same for what calls cost, in whatever unit ``cost`` and ``spent`` are.
        concurrency: Calls under way at once.
        key: Where an envelope says whose limit it is (``headers.tenant``, ``payload.model``); empty for one of all.
        cost: Where it says what it will cost, or a number; empty for nothing.
        spent: Where the handler's output says what it did cost; empty where it does not.
        when_away: Whether calls run (``open``) or wait (``closed``) while the state cannot be reached.
    """

    name: str
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None
    key: str = ""
    cost: str | float = ""
    spent: str = ""
    when_away: Literal["open", "closed"] = "closed"


class Ask(msgspec.Struct, frozen=True):
    """What one call asks of one limit: its key, and what it expects to cost."""

    rule: Rule
    key: str = ""
    cost: float = 0.0

    @property
    def place(self) -> "Place":
        """Where its state is."""
        return place_of(self.rule.name, self.key)


Place = tuple[str, str]
"""Name of a limit, and ``EVERYBODY`` or a key with a sign before it."""


def place_of(name: str, key: str | None) -> Place:
    """Name the place of a key, or with ``None`` that of everybody: a text that every store takes and indexes."""
    if key is None:
        return (name, EVERYBODY)
    plain = len(key) <= MAX_KEY_CHARS and not key.startswith(_ENCODED) and _TAKEN.fullmatch(key)
    return (name, f"{_KEYED}{key}" if plain else f"{_KEYED}{_ENCODED}{segment(key)}")


def key_of(place: Place) -> str | None:
    """The key of a place, for people; ``None`` of everybody's."""
    return None if place[1] == EVERYBODY else place[1].removeprefix(_KEYED)


_RULES: Final = msgspec.json.Decoder(tuple[Rule, ...])


def read_rules(text: str) -> tuple[Rule, ...]:
    """Read an actor's rules.

    Raises:
        ValueError: It is no list of rules; says where.
    """
    try:
        rules = _RULES.decode(text)
    except msgspec.DecodeError as exc:
        raise ValueError(f"is no list of limits: {exc}") from None
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise ValueError("names a limit twice")
    return rules


def write_rules(rules: tuple[Rule, ...]) -> str:
    """Write what ``read_rules`` reads."""
    return msgspec.json.encode(rules).decode()
