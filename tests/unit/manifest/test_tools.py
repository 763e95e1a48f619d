"""Tool files: what is read, and what is refused in which words."""

from pathlib import Path

import pytest

from asya_manifest.tools import InvalidTools, parse_tools, read_tools

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
PARAMETER = "tools: [{{name: x, route: [a], parameters: {{p: {{{}}}}}}}]"
VALUE = "tools: [{{name: x, route: [a], parameters: {{p: {{type: number, default: {}}}}}}}]"


def test_a_whole_file_is_read() -> None:
    tools = parse_tools([("tools.yaml", WHOLE)])
    assert list(tools) == ["echo", "ocr"]
    ocr, echo = tools["ocr"], tools["echo"]
    assert (ocr.route, ocr.progress, ocr.timeout_s, ocr.metadata) == (("ocr", "translate"), True, 60, {"team": "docs"})
    assert (echo.route, echo.progress, echo.timeout_s) == (("echo",), False, 30)


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
        *(
            (f"tools: [{{name: {name!r}, route: [a]}}]", "is no name that every model can call")
            for name in ("a b", "a.b", "../a", "a/b", "2a", "-a", "ä", "x" * 65)
        ),
        ("tools: [{name: x, route: [a], wait: soon}]", "tools[0] (x).wait: "),
        ("tools: [{name: x, route: [a], wait: true}]", "must be a duration such as 60s"),
        ("tools: [{name: x, route: [a], annotations: {safe: true}}]", 'unknown key "safe"'),
        ("tools: [{name: x, route: [a], annotations: {readOnly: 1}}]", "must be true or false"),
        ("tools: [{name: x, route: [a], outputSchema: {type: array}}]", "type must be object"),
        ("tools: [{name: x, route: [a], callback: 'https://a.example'}]", "x).callback: must have a url"),
        ("tools: [{name: x, route: [a], callback: {uri: 'https://a.example'}}]", "unknown key 'uri'"),
        ("tools: [{name: x, route: [a], callback: {url: 'ftp://a.example'}}]", "must begin with https:// or http://"),
        (
            "tools: [{name: x, route: [a], callback: {url: 'https://u:p@a.example'}}]",
            "must not have a user or a password",
        ),
        (
            "tools: [{name: x, route: [a], callback: {url: 'https://a.example', events: [done]}}]",
            "events must be a list",
        ),
        ("tools: [{name: x, route: [1]}]", "list of actor names"),
        ("tools: [{name: x, route: [a], progress: maybe}]", "true or false"),
        ("tools: [{name: x, route: [a], metadata: {k: 1}}]", "quote it"),
        ("tools: {", "not YAML"),
        ("tools: 3", "must be a list"),
        ("[]", "must be a mapping"),
        # What PyYAML's constructors raise is theirs: ValueError, KeyError, TypeError, AttributeError, IndexError.
        (VALUE.format("!!timestamp 2024-02-30"), "not YAML: ValueError: day "),
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
        (PARAMETER.format("type: integer, default: abc"), '(x).parameters.p.default: "abc" is not of type integer'),
        (PARAMETER.format("type: integer, default: 1.5"), "(x).parameters.p.default: 1.5 is not of type integer"),
        (PARAMETER.format("type: number, default: true"), "(x).parameters.p.default: true is not of type number"),
        (
            PARAMETER.format("type: string, options: [en, de], default: fr"),
            '(x).parameters.p.default: "fr" is not one of ["en", "de"]',
        ),
        (
            PARAMETER.format("type: array, items: {type: integer}, default: [1, b]"),
            '(x).parameters.p.default[1]: "b" is not of type integer',
        ),
        (
            PARAMETER.format("type: object, properties: {y: {type: number}}, default: {y: b}"),
            '(x).parameters.p.default.y: "b" is not of type number',
        ),
        (
            PARAMETER.format("type: object, properties: {y: {type: number, required: true}}, default: {}"),
            "(x).parameters.p.default.y: is missing",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(InvalidTools) as caught:
        parse_tools([("some.yaml", text)])
    assert problem in str(caught.value)
    assert str(caught.value).startswith("some.yaml")


@pytest.mark.parametrize(
    "fields",
    [
        "type: integer, default: 1.0",
        "type: number, default: 1",
        "type: boolean, default: no",
        "type: string, options: [1, 2], default: 2",
        "type: array, default: [1, b]",
        "type: object, default: {any: thing}",
        "type: object, properties: {y: {type: number, required: true, default: 1}, z: {type: string}}, default: {z: null}",
    ],
)
def test_a_default_that_fits_is_taken(fields: str) -> None:
    assert parse_tools([("some.yaml", PARAMETER.format(fields))])["x"].parameters["p"].has_default


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


def test_a_tool_says_how_it_is_waited_for_and_what_it_does() -> None:
    text = """
tools:
  - {name: x, route: [a], title: An X, wait: 1m, annotations: {readOnly: true}, outputSchema: {type: object}}
  - {name: y, route: [a], wait: 0}
  - {name: z, route: [a]}
defaults: {wait: 5s}
"""
    tools = parse_tools([("t", text)])
    assert {name: tool.wait_s for name, tool in tools.items()} == {"x": 60, "y": 0, "z": 5}
    x = tools["x"]
    assert (x.title, x.annotations, x.output_schema) == ("An X", {"readOnly": True}, {"type": "object"})
