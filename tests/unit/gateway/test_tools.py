"""Tool files: what is read, what is refused and in which words; what agents see, and what their arguments become."""

from pathlib import Path

import pytest

from asya_gateway.tools.arguments import InvalidArguments, complete, input_schema
from asya_manifest.tools import InvalidTools, Tool, parse_tools, read_tools

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
VALUE = "tools: [{{name: x, route: [a], parameters: {{p: {{type: number, default: {}}}}}}}]"


def one(text: str) -> Tool:
    return next(iter(parse_tools([("tools.yaml", text)]).values()))


def test_a_whole_file_is_read() -> None:
    tools = parse_tools([("tools.yaml", WHOLE)])
    assert list(tools) == ["echo", "ocr"]
    ocr, echo = tools["ocr"], tools["echo"]
    assert (ocr.route, ocr.progress, ocr.timeout_s, ocr.metadata) == (("ocr", "translate"), True, 60, {"team": "docs"})
    assert (echo.route, echo.progress, echo.timeout_s) == (("echo",), False, 30)


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
    ("text", "problem"),
    [
        ("", "no tools defined"),
        ("tools: []", "no tools defined"),
        ("routes: {}", "no tools defined"),
        ("tools: [{name: x, route: [a]}, {name: x, route: [a]}]", 'duplicate tool name: "x"'),
        ("tools: [{name: x, route: y}]", 'route template "y" not found'),
        ("tools: [{name: x}]", "route has no actors or template"),
        ("tools: [{name: x, route: []}]", "route has no actors or template"),
        ("tools: [{name: x, route: r}]\nroutes: {r: []}", "route has no actors or template"),
        ("tools: [{name: x, route: [a], parameters: {p: {type: date}}}]", 'invalid type "date" (must be string'),
        ("tools: [{name: x, route: [a], parameters: {p: {}}}]", 'invalid type "" (must be string'),
        ("tools: [{name: x, route: [a], timeout: -1}]", "timeout cannot be negative"),
        ("tools: [{name: x, route: [a]}]\ndefaults: {timeout: -1}", "timeout cannot be negative"),
        ("tools: [{name: x, route: [a], timeout: 1.5}]", "whole number"),
        ("tools: [{name: x, route: [a], timeout: 2147483648}]", "timeout is over 2147483647 seconds (0 is no limit)"),
        ("tools: [{name: x, route: [a]}]\ndefaults: {timeout: 999999999999}", "timeout is over 2147483647 seconds"),
        ("tools: [{name: x, route: [a], enum: [1]}]", 'unknown key "enum"'),
        ("tools: [{name: x, route: [a], parameters: {p: {type: string, enum: [1]}}}]", 'unknown key "enum"'),
        ("tools: [{name: x, route: [a]}]\nextra: 1", 'unknown key "extra"'),
        ("tools: [{name: x, route: [a]}]\ntools: []", '"tools" is given twice'),
        ("tools: [{route: [a]}]", "tool name is required"),
        ("tools: [{name: x, route: [1]}]", "list of actor names"),
        ("tools: [{name: x, route: [a], progress: maybe}]", "true or false"),
        ("tools: [{name: x, route: [a], metadata: {k: 1}}]", "quote it"),
        ("tools: {", "not YAML"),
        ("tools: 3", "must be a list"),
        ("[]", "must be a mapping"),
        # What PyYAML's constructors raise is theirs: ValueError, KeyError, TypeError, AttributeError, IndexError.
        (VALUE.format("!!timestamp 2024-02-30"), "not YAML: ValueError: day is out of range for month"),
        (VALUE.format("!!float abc"), "not YAML: ValueError"),
        (VALUE.format("!!bool abc"), "not YAML: KeyError: 'abc'"),
        (VALUE.format("!!map [a]"), "not YAML: TypeError"),
        (VALUE.format("!!timestamp soon"), "not YAML: AttributeError"),
        (VALUE.format('!!int ""'), "not YAML: IndexError"),
        (VALUE.format("9" * 5000), "not YAML: ValueError"),
        (VALUE.format("[" * 5000), "not YAML"),
        (VALUE.format("&a [*a]"), "(x).parameters.p.default: is not JSON: Circular reference"),
        (VALUE.format("!!binary YQ=="), "(x).parameters.p.default: is not JSON"),
        (VALUE.format(".nan"), "(x).parameters.p.default: is not JSON"),
        (
            "tools: [{name: x, route: [a], parameters: {p: {type: string, options: [!!binary YQ==]}}}]",
            "(x).parameters.p.options: is not JSON",
        ),
        ("tools: [{name: x, route: [a], parameters: {p: &a {type: array, items: *a}}}]", "without end"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(InvalidTools) as caught:
        parse_tools([("some.yaml", text)])
    assert problem in str(caught.value)
    assert str(caught.value).startswith("some.yaml")


def test_files_are_united_and_the_last_defaults_win(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tools: [{name: x, route: [a]}]\ndefaults: {timeout: 5}")
    (tmp_path / "b.yml").write_text("tools: [{name: y, route: r}]\nroutes: {r: [b]}\ndefaults: {progress: true}")
    (tmp_path / "c.txt").write_text("no")
    tools = read_tools(tmp_path)
    assert (tools["x"].progress, tools["x"].timeout_s, tools["y"].route) == (True, 300, ("b",))
    (tmp_path / "d.yaml").write_text("tools: [{name: x, route: [a]}]")
    with pytest.raises(InvalidTools, match='duplicate tool name across configs: "x"'):
        read_tools(tmp_path)
    assert read_tools(None) == {}
    with pytest.raises(InvalidTools, match="No such file"):
        read_tools(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        ({"page": "p"}, {"page": "p", "lang": "en", "copies": 1}),
        ({"page": "p", "lang": "de", "other": [1]}, {"page": "p", "lang": "de", "copies": 1, "other": [1]}),
        ({"page": "p", "box": {"x": 1}}, {"page": "p", "lang": "en", "copies": 1, "box": {"x": 1, "y": 0.5}}),
    ],
)
def test_defaults_are_filled_in(arguments: dict[str, object], payload: dict[str, object]) -> None:
    given = {**arguments}
    assert complete(parse_tools([("t", WHOLE)])["ocr"], arguments) == payload
    assert arguments == given


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
