"""How a dataclass is filled from the environment."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from asya_process.settings import (
    choice,
    flag,
    is_on,
    log_level,
    longer_than_zero,
    number,
    read,
    required,
    setting,
    starts_with,
    whole,
    words,
    zero_is_unset,
)
from asya_protocol.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Some:
    """Of each kind one."""

    name: str = required("X_NAME", "who it is")
    most: int = setting("X_MOST", whole(1, 9), "5")
    region: str = setting("X_REGION", str, "here", instead=("X_PLACE",))
    wait_s: float = setting("X_WAIT", zero_is_unset(whole(0, 20)), "20")
    prefix: str = setting("X_PREFIX", str, "p/", keeps_empty=True)
    key: str | None = setting("X_KEY", str, None, secret=True)
    other: str = "as given"


def test_what_is_unset_or_empty_has_its_default() -> None:
    found = read(Some, {"X_NAME": "n", "X_MOST": "", "X_REGION": "", "X_WAIT": "0"})
    assert found == Some("n", 5, "here", 20, "p/", None, "as given")


def test_what_is_set_is_read() -> None:
    environ = {"X_NAME": "n", "X_MOST": "9", "X_PLACE": "there", "X_WAIT": "3", "X_PREFIX": "", "X_KEY": "hidden"}
    found = read(Some, environ, other="given")
    assert found == Some("n", 9, "there", 3, "", "hidden", "given")
    assert "hidden" not in repr(found)


def test_the_first_of_two_variables_counts() -> None:
    assert read(Some, {"X_NAME": "n", "X_REGION": "a", "X_PLACE": "b"}).region == "a"


@pytest.mark.parametrize(
    ("environ", "text"),
    [({}, "X_NAME: is required: who it is"), ({"X_NAME": "n", "X_MOST": "10"}, "X_MOST: 10 is outside 1 to 9")],
)
def test_a_problem_names_its_variable(environ: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(Some, environ)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (number(0, 1), "0.5", 0.5),
        (choice("a", "b"), "A", "a"),
        (flag, "On", True),
        (flag, "no", False),
        (is_on, "yes", True),
        (is_on, "whatever", False),
        (log_level, "warn", "WARNING"),
        (words, "a, b,,", frozenset({"a", "b"})),
        (longer_than_zero, "1m", 60.0),
        (starts_with("amqp://", "amqps://"), "amqps://h", "amqps://h"),
    ],
)
def test_texts_are_read(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "problem"),
    [
        (whole(1, 9), "many", "'many' is not a whole number"),
        (number(0, 1), "nan", "nan is outside 0 to 1"),
        (choice("a", "b"), "C", "'c' is neither a nor b"),
        (choice("a", "b", "c"), "d", "'d' is not one of a, b, c"),
        (flag, "maybe", "'maybe' is neither true (true, 1, yes, on) nor false (false, 0, no, off)"),
        (log_level, "loud", "'LOUD' is not one of DEBUG, INFO, WARN, WARNING, ERROR"),
        (longer_than_zero, "0s", "must be more than 0s"),
        (starts_with("amqp://", "amqps://"), "http://u:hidden@h", "must start with amqp:// or amqps://"),
    ],
)
def test_texts_that_cannot_be_used_are_refused(parse: Callable[[str], object], text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert str(caught.value) == problem
