"""Words of a command line become arguments as the tool's schema has them."""

from typing import Any

import pytest

from asya_cli.exit_codes import BadRequest
from asya_cli.tool_arguments import guess, read_arguments

SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "max-pages": {"type": "integer"},
    "min_score": {"type": "number"},
    "fast": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "sizes": {"type": "array", "items": {"type": "integer"}},
    "options": {"type": "object"},
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--text", "a b"], {"text": "a b"}),
        (["--text=007"], {"text": "007"}),
        (["--text=--dashes"], {"text": "--dashes"}),
        (["--text", ""], {"text": ""}),
        (["--max-pages", "3"], {"max-pages": 3}),
        (["--max_pages=-3"], {"max-pages": -3}),
        (["--max-pages", "1e3"], {"max-pages": 1000}),
        (["--min-score", "-0.5"], {"min_score": -0.5}),
        (["--min_score", "1.5e-3"], {"min_score": 0.0015}),
        (["--fast"], {"fast": True}),
        (["--fast", "false"], {"fast": False}),
        (["--fast", "--text", "x"], {"fast": True, "text": "x"}),
        (["--tags", "a", "--tags", "b"], {"tags": ["a", "b"]}),
        (["--tags", '["a", "b"]'], {"tags": ["a", "b"]}),
        (["--sizes=1", "--sizes=2"], {"sizes": [1, 2]}),
        (["--options", '{"deep": [1]}'], {"options": {"deep": [1]}}),
        (['{"text": "x", "n": 1}', "--text", "y"], {"text": "y", "n": 1}),
        (["--unknown-thing", "5"], {"unknown-thing": 5}),
        ([], {}),
    ],
)
def test_words_become_arguments(words, expected):
    assert read_arguments(words, None, SCHEMAS) == expected


def test_words_go_before_json():
    assert read_arguments(["--text", "word"], '{"text": "json", "fast": true}', SCHEMAS) == {
        "text": "word",
        "fast": True,
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--max-pages", "many"], "'many' is not a whole number"),
        (["--max-pages", "1.5"], "not a whole number"),
        (["--max-pages", "true"], "not a whole number"),
        (["--min-score", "NaN"], "not a number"),
        (["--fast=perhaps"], "not true or false"),
        (["--text"], "--text needs a value"),
        (["--text", "a", "--text", "b"], "--text is given twice"),
        (["--options", "[1]"], "must be a JSON object"),
        (["{text: x}"], "is not JSON"),
        (["--text", "a", "b"], "'b' is no --parameter"),
    ],
)
def test_what_does_not_fit_is_said(words, problem):
    with pytest.raises(BadRequest, match=problem):
        read_arguments(words, None, SCHEMAS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("12", 12), ("-3", -3), ("1.5", 1.5), ("2e3", 2000.0),
        ('{"a": 1}', {"a": 1}), ("[1]", [1]), ("[not json", "[not json"), ("scan.png", "scan.png"), ("v2", "v2"), ("", ""),
        ("1.2.3", "1.2.3"), ("NaN", "NaN"),
    ],
)  # fmt: skip
def test_without_a_schema_a_value_is_guessed_at(text, value):
    assert guess(text) == value
