"""``pulumi.Config`` with choices and bounds: a value that cannot be used is an error that names the key and the cure."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import pulumi
from pulumi.config import ConfigTypeError
from pulumi.runtime.config import get_config

from asya_infra.errors import ConfigError

NAMESPACE = "asya"
T = TypeVar("T", bound=str)


class ConfigReader(pulumi.Config):
    """The settings of a stack."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        super().__init__(namespace)

    def refuse(self, key: str, problem: str, example: object = "") -> ConfigError:
        """Make the error of a key; with an example it names the command that sets one."""
        return ConfigError(self.full_key(key), f"{problem}; {self.cure(key, example)}" if example != "" else problem)

    def cure(self, key: str, value: object) -> str:
        """The command that sets a key."""
        return f"pulumi config set {self.full_key(key)} {value}"

    def text(self, key: str, default: str = "") -> str:
        """A text; empty equals unset."""
        return self.get(key) or default

    def choice(self, key: str, allowed: Sequence[T], default: T) -> T:
        """One word of a few."""
        value = self.text(key, default)
        if value not in allowed:
            raise self.refuse(key, f"{value!r} is not one of {', '.join(allowed)}", default)
        return cast(T, value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return self.choice(key, ("true", "false"), "true" if default else "false") == "true"

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number."""
        try:
            number = self.get_int(key, default)
        except ConfigTypeError:
            number = low - 1
        if not low <= number <= high:
            raise self.refuse(key, f"{self.get(key)!r} is not a whole number from {low} to {high}", default)
        return number

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of texts."""
        found = self.structure(key, list(default))
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.refuse(
                key, 'must be a list of texts, e.g. ["a", "b"] or one `- a` a line in Pulumi.<stack>.yaml'
            )
        return tuple(found)

    def mapping(self, key: str) -> dict[str, str]:
        """Texts by name."""
        found = self.structure(key, {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise self.refuse(key, "must map names to texts, e.g. {team: search}")
        return dict(found)

    def structure(self, key: str, default: Any) -> Any:  # noqa: ANN401 - JSON before it is checked
        """Whatever JSON there is; ``None`` where it is none."""
        try:
            return self.get_object(key, default) if self.get(key) else default
        except ConfigTypeError:
            return None

    def plain(self, key: str) -> str:
        """A secret's own text, only to judge it before anything is made."""
        return get_config(self.full_key(key)) or ""
