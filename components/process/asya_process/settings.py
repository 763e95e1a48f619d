"""A setting, said once: a dataclass field that knows its variable, how its text is read and its default; words below it.

``read`` fills such a dataclass from the environment, and docs/settings.md is made from the same fields. What several
settings must be together is checked by the room that has them. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from asya_protocol.durations import parse_duration
from asya_protocol.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")
_N = TypeVar("_N", int, float)
_S = TypeVar("_S", bound="DataclassInstance")
_Text = TypeVar("_Text", bound=str)

_KEY: Final = "asya-setting"
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_LEVELS: Final = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "WARNING": "WARNING", "ERROR": "ERROR"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is said about one setting; see ``setting`` and ``required``."""

    variables: tuple[str, ...]
    parse: Callable[[str], object]
    default: str | None = None
    keeps_empty: bool = False
    required_as: str | None = None


def setting(
    variable: str,
    parse: Callable[[str], _T],
    default: str | None,
    *,
    instead: tuple[str, ...] = (),
    secret: bool = False,
    keeps_empty: bool = False,
) -> _T:
    """Make a dataclass field that is read from a variable.

    Args:
        variable: Its name.
        parse: Makes the value of the text; ``None`` stands for the default, ``ValueError`` says what is wrong with it.
        default: As one would write it; ``None`` leaves the field at ``None``.
        instead: Variables to read where the first is unset.
        secret: The value is kept out of the dataclass's ``repr``.
        keeps_empty: An empty value counts; else it equals unset.
    """
    said = Setting((variable, *instead), parse, default, keeps_empty)
    found: Any = field(default=None if default is None else parse(default), repr=not secret, metadata={_KEY: said})
    return found  # type: ignore[no-any-return]  # a field stands for its value, as with dataclasses.field


def required(variable: str, words: str, parse: Callable[[str], str] = str) -> str:
    """Make a dataclass field without a default; ``words`` say to whoever does not set its variable what it is."""
    found: Any = field(metadata={_KEY: Setting((variable,), parse, required_as=words)})
    return found  # type: ignore[no-any-return]  # as above


def settings_of(kind: "type[DataclassInstance]") -> dict[str, Setting]:
    """List a dataclass's settings by field."""
    return {each.name: each.metadata[_KEY] for each in fields(kind) if _KEY in each.metadata}


def read(kind: type[_S], environ: Mapping[str, str], **given: object) -> _S:
    """Fill a dataclass from the environment.

    Args:
        kind: Its fields are settings, given, or have a default.
        environ: The environment; an empty value equals unset.
        given: Fields that do not come from there.

    Raises:
        SettingsError: A required variable is missing, or a value cannot be used; names the variable.
    """
    for name, said in settings_of(kind).items():
        if name not in given and (value := _value(said, environ)) is not None:
            given[name] = value
    return kind(**given)


def _value(said: Setting, environ: Mapping[str, str]) -> object:
    """Read one setting; ``None`` stands for its default."""
    for variable in said.variables:
        text = environ.get(variable)
        if text or (text is not None and said.keeps_empty):
            try:
                return said.parse(text)
            except ValueError as exc:
                raise SettingsError(variable, str(exc)) from None
    if said.required_as is not None:
        raise SettingsError(said.variables[0], f"is required: {said.required_as}")
    return None


def whole(low: int, high: int) -> Callable[[str], int]:
    """Read a whole number within bounds."""
    return _within(int, "a whole number", low, high)


def number(low: float, high: float) -> Callable[[str], float]:
    """Read a number within bounds."""
    return _within(float, "a number", low, high)


def _within(kind: Callable[[str], _N], what: str, low: _N, high: _N) -> Callable[[str], _N]:
    def parse(text: str) -> _N:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {what}") from None
        if not low <= value <= high:
            raise ValueError(f"{value} is outside {low} to {high}")
        return value

    return parse


def longer_than_zero(text: str) -> float:
    """Read a duration that is one."""
    if (value_s := parse_duration(text)) <= 0:
        raise ValueError("must be more than 0s")
    return value_s


def zero_is_unset(parse: Callable[[str], object]) -> Callable[[str], Any]:
    """Let ``0`` stand for the default."""
    return lambda text: parse(text) or None


def choice(*allowed: _Text) -> Callable[[str], _Text]:
    """Read one of some words, in upper or lower case."""

    def parse(text: str) -> _Text:
        for word in allowed:
            if text.lower() == word:
                return word
        either = f"neither {' nor '.join(allowed)}" if len(allowed) == 2 else f"not one of {', '.join(allowed)}"
        raise ValueError(f"{text.lower()!r} is {either}")

    return parse


def flag(text: str) -> bool:
    """Read true or false."""
    if (word := text.lower()) in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{word!r} is neither true (true, 1, yes, on) nor false (false, 0, no, off)")


def is_on(text: str) -> bool:
    """Read true; whatever else is false, as in Asya 0.1.1."""
    return text.lower() in _TRUE


def log_level(text: str) -> str:
    """Read the lowest level to log, as ``logging`` names it."""
    if (level := text.upper()) not in _LEVELS:
        raise ValueError(f"{level!r} is not one of {', '.join(_LEVELS)}")
    return _LEVELS[level]


def words(text: str) -> frozenset[str]:
    """Read words separated by commas."""
    return frozenset(word.strip() for word in text.split(",")) - {""}


def starts_with(*schemes: str) -> Callable[[str], str]:
    """Read a URL of some schemes; a complaint does not repeat it, for it may hold a password."""

    def parse(text: str) -> str:
        if not text.startswith(schemes):
            raise ValueError(f"must start with {' or '.join(schemes)}")
        return text

    return parse
