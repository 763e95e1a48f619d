"""``asya tools``: what the gateway offers, and how one of its tools is called."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from asya_cli.console import Console
from asya_cli.options import gateway_options, home_option, json_option
from asya_cli.plain_text import json_text

if TYPE_CHECKING:
    from asya_cli.gateway_client import Tool

COLUMNS: Final = ("TOOL", "PARAMETERS", "DESCRIPTION")


@click.command(short_help="List the gateway's tools, or show one.")
@click.argument("tool", required=False)
@gateway_options
@home_option
@json_option
def tools(*, tool: str | None, url: str | None, token_file: Path | None, home: Path, as_json: bool) -> None:
    """List the gateway's tools, or show TOOL with its parameters.

    In the list an optional parameter stands in brackets.
    """
    from asya_cli.gateway_place import open_gateway, warn_of_tools

    console = Console(as_json=as_json)
    gateway = open_gateway(url, token_file, home)
    warn_of_tools(gateway, home, console)
    if tool is not None:
        found = gateway.tool(tool)
        console.result(tool_document(found), list(tool_lines(found)))
        return
    known = gateway.tools()
    if as_json:
        console.result({"gateway": gateway.url, "tools": [tool_document(each) for each in known]})
    elif known:
        console.table(COLUMNS, [tool_row(each) for each in known])
    else:
        console.note(f"the gateway at {gateway.url} has no tools")


def tool_document(tool: "Tool") -> dict[str, object]:
    """Shape one tool for JSON."""
    return {"name": tool.name, "description": tool.description, "input_schema": tool.schema}


def tool_row(tool: "Tool") -> tuple[str, ...]:
    """Write one tool as a row under ``COLUMNS``."""
    shown = [name if name in tool.required else f"[{name}]" for name in tool.parameters]
    return (tool.name, " ".join(shown), " ".join(tool.description.split()))


def tool_lines(tool: "Tool") -> Iterator[str]:
    """Write one tool with its parameters, and a line that calls it."""
    yield tool.name
    if tool.description:
        yield f"  {tool.description}"
    words = ["asya call", tool.name]
    for name, schema in tool.parameters.items():
        required = name in tool.required
        yield f"  --{name} {schema.get('type', 'any')}{', required' if required else ''}{_more(schema)}"
        words.append(f"--{name} {schema.get('type', 'value').upper()}" if required else "")
    yield ""
    yield " ".join(filter(None, words))


def _more(schema: Mapping[str, Any]) -> str:
    parts = []
    if "default" in schema:
        parts.append(f", default {json_text(schema['default'])}")
    if schema.get("enum"):
        parts.append(", one of " + ", ".join(json_text(value) for value in schema["enum"]))
    if schema.get("description"):
        parts.append(f": {schema['description']}")
    return "".join(parts)
