"""Reads a stack's configuration key by key; a value that cannot be used is an error that names the key and the cure."""

import json
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar, cast

import pulumi

from asya_infra.errors import ConfigError

NAMESPACE = "asya"
T = TypeVar("T", bound=str)


class Bag(Protocol):
    """What ``pulumi.Config`` offers and is used here."""

    def get(self, key: str) -> str | None:
        """The value as text."""

    def get_secret(self, key: str) -> pulumi.Output[str] | None:
        """The value as a secret."""


class ConfigReader:
    """The keys of one namespace.

    Args:
        bag: ``pulumi.Config("asya")``.
        namespace: Before the colon of a key.
    """

    def __init__(self, bag: Bag, namespace: str = NAMESPACE) -> None:
        self._bag = bag
        self._namespace = namespace

    def refuse(self, key: str, problem: str) -> ConfigError:
        """Make the error of a key."""
        return ConfigError(f"{self._namespace}:{key}", problem)

    def text(self, key: str, default: str = "") -> str:
        """A text; empty equals unset."""
        return self._bag.get(key) or default

    def need(self, key: str, why: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if not value:
            raise self.refuse(key, f"is not set; {why}: {self.cure(key, '...')}")
        return value

    def secret(self, key: str) -> pulumi.Output[str] | None:
        """A secret text."""
        return self._bag.get_secret(key)

    def choice(self, key: str, allowed: Sequence[T], default: T) -> T:
        """One word of a few."""
        value = self.text(key, default)
        if value not in allowed:
            raise self.refuse(key, f"{value!r} is not one of {', '.join(allowed)}; {self.cure(key, default)}")
        return cast(T, value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number."""
        value = self.text(key, str(default))
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise self.refuse(key, f"{value!r} is not a whole number from {low} to {high}; {self.cure(key, default)}")
        return number

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value: Literal["true", "false"] = self.choice(key, ("true", "false"), "true" if default else "false")
        return value == "true"

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of texts."""
        found = self._structure(key)
        if found is None:
            return tuple(default)
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.refuse(
                key, 'must be a list of texts, e.g. ["a", "b"] or one `- a` a line in Pulumi.<stack>.yaml'
            )
        return tuple(found)

    def mapping(self, key: str) -> dict[str, str]:
        """Texts by name."""
        found = self._structure(key)
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise self.refuse(key, "must map names to texts, e.g. {team: search}")
        return dict(found)

    def cure(self, key: str, value: object) -> str:
        """The command that sets a key."""
        return f"pulumi config set {self._namespace}:{key} {value}"

    def _structure(self, key: str) -> Any:  # noqa: ANN401 - JSON before it is checked
        text = self._bag.get(key)
        if not text:
            return None
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
