"""A tool's arguments: the schema that agents see, what is filled in, and what does not fit."""

import pytest

from asya_gateway.tools.arguments import InvalidArguments, check_schemas, complete, input_schema, output_problem
from asya_manifest.tools import InvalidTools, Tool, parse_tools

WHOLE = """
tools:
  - name: ocr
    description: Reads a page
    parameters:
      page: {type: string, description: Where it is, required: true}
      lang: {type: string, options: [en, de], default: en}
      copies: {type: integer, default: 1}
      tags: {type: array, items: {type: string}}
      box: {type: object, properties: {x: {type: number, required: true}, y: {type: number, default: 0.5}}}
    route: standard
    progress: true
    timeout: 60
    metadata: {team: docs}
  - name: echo
    route: [echo]
routes: {standard: [ocr, translate]}
defaults: {timeout: 30}
"""


def one(text: str) -> Tool:
    return next(iter(parse_tools([("tools.yaml", text)]).values()))


def test_agents_see_the_whole_schema() -> None:
    assert input_schema(parse_tools([("t", WHOLE)])["ocr"]) == {
        "type": "object",
        "properties": {
            "page": {"type": "string", "description": "Where it is"},
            "lang": {"type": "string", "enum": ["en", "de"], "default": "en"},
            "copies": {"type": "integer", "default": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
            "box": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "y": {"type": "number", "default": 0.5}},
                "required": ["x"],
            },
        },
        "required": ["page"],
    }


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        ({"page": "p"}, {"page": "p", "lang": "en", "copies": 1}),
        ({"page": "p", "lang": "de", "other": [1]}, {"page": "p", "lang": "de", "copies": 1, "other": [1]}),
        ({"page": "p", "box": {"x": 1}}, {"page": "p", "lang": "en", "copies": 1, "box": {"x": 1, "y": 0.5}}),
        ({"page": "p", "lang": None, "tags": None}, {"page": "p", "lang": "en", "copies": 1}),
        (
            {"page": "p", "box": {"x": 1, "y": None}},
            {"page": "p", "lang": "en", "copies": 1, "box": {"x": 1, "y": 0.5}},
        ),
        ({"page": "p", "other": None}, {"page": "p", "lang": "en", "copies": 1, "other": None}),
    ],
)
def test_defaults_are_filled_in(arguments: dict[str, object], payload: dict[str, object]) -> None:
    given = {**arguments}
    assert complete(parse_tools([("t", WHOLE)])["ocr"], arguments) == payload
    assert arguments == given


def test_defaults_are_filled_in_within_lists_too() -> None:
    tool = one("""
tools:
  - name: x
    route: [a]
    parameters:
      pages: {type: array, items: {type: object, properties: {no: {type: integer}, dpi: {type: integer, default: 300}}}}
""")
    given = {"pages": [{"no": 1}, {"no": 2, "dpi": None}, {"dpi": 72}]}
    assert complete(tool, given) == {"pages": [{"no": 1, "dpi": 300}, {"no": 2, "dpi": 300}, {"dpi": 72}]}


PLAIN = """
tools:
  - name: x
    route: [a]
    progress: on
    parameters:
      mode: {type: string, options: [on, off, 1, 1.50, 0x10, 12:30, 2024-02-30, True], default: off}
      day: {type: string, default: 2024-02-20, required: yes}
      no: {type: boolean, default: yes}
      y: {type: boolean, default: n, required: no}
      count: {type: integer, options: [1, 2], default: 1}
      none: {type: string, default: null}
      quoted: {type: string, default: "7"}
      list: {type: array, items: {type: string, options: [yes, no]}, default: [no]}
      merged: {<<: {type: string}, default: 5}
"""


def test_plain_values_mean_what_the_original_reads() -> None:
    tool = one(PLAIN)
    assert (tool.progress, [name for name in tool.parameters if tool.parameters[name].required]) == (True, ["day"])
    assert tool.parameters["mode"].options == ("on", "off", "1", "1.50", "0x10", "12:30", "2024-02-30", "True")
    defaults = {
        "mode": "off", "day": "2024-02-20", "no": True, "y": False, "count": 1, "quoted": "7", "list": ["no"],
        "merged": "5",
    }  # fmt: skip
    assert complete(tool, {"day": "2024-02-20"}) == {**defaults, "day": "2024-02-20"}
    for option in ("on", "off", "1", "2024-02-30"):
        assert complete(tool, {"day": "-", "mode": option, "list": ["yes", "no"]})["mode"] == option
    with pytest.raises(InvalidArguments, match="'maybe' is not one of"):
        complete(tool, {"day": "-", "mode": "maybe"})


def test_no_arguments_are_an_empty_object() -> None:
    assert complete(one("tools: [{name: x, route: [a]}]"), None) == {}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (None, "missing required parameter: page"),
        ({"page": None}, "missing required parameter: page"),
        ({"page": 1}, "invalid parameter page: 1 is not of type 'string'"),
        ({"page": "p", "lang": "fr"}, "invalid parameter lang: 'fr' is not one of ['en', 'de']"),
        ({"page": "p", "copies": 1.5}, "invalid parameter copies: 1.5 is not of type 'integer'"),
        ({"page": "p", "tags": [1]}, "invalid parameter tags[0]: 1 is not of type 'string'"),
        ({"page": "p", "box": {}}, "invalid parameter box: 'x' is a required property"),
    ],
)
def test_what_does_not_fit_is_told(arguments: dict[str, object] | None, problem: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        complete(parse_tools([("t", WHOLE)])["ocr"], arguments)
    assert str(caught.value) == problem


def test_a_refusal_repeats_little_of_a_large_value() -> None:
    tool = parse_tools([("t", "tools: [{name: x, route: [a], parameters: {n: {type: integer}}}]")])["x"]
    with pytest.raises(InvalidArguments) as caught:
        complete(tool, {"n": "9" * 100_000})
    assert str(caught.value).endswith("' is not of type 'integer'")
    assert len(str(caught.value)) < 250


def test_the_form_of_results_is_checked_and_its_schema_too() -> None:
    schema = "{type: object, properties: {n: {type: integer}}}"
    tool = parse_tools([("t", f"tools: [{{name: x, route: [a], outputSchema: {schema}}}]")])["x"]
    assert output_problem(tool, {"n": 5.0}) is None
    assert output_problem(tool, {"n": "5"}) == "$.n: '5' is not of type 'integer'"
    assert output_problem(tool, [1]) == "$: [1] is not of type 'object'"
    check_schemas({"x": tool})
    broken = parse_tools([("t", "tools: [{name: x, route: [a], outputSchema: {type: object, required: 1}}]")])
    with pytest.raises(InvalidTools, match="tool x: outputSchema is no JSON schema: 1 is not of type 'array'"):
        check_schemas(broken)
