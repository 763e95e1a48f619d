"""``asya-mcp``: Asya 0.1.1's command for the gateway, with its options, words and outputs.

Mended: the exit code is 1 when the envelope or the call failed; parameters with hyphens, negative numbers and JSON values
arrive; ``stream`` prints events on stdout and ends with the envelope; both spellings of the variables in Asya 0.1.1's
documents are read. ``asya call`` and its siblings say more by their exit codes.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asya_cli.exit_codes import BadRequest, CommandError, ExitCode, Unknown
from asya_cli.marks import bad, say, warn
from asya_cli.plain_text import json_text, plain
from asya_protocol.status import Status

if TYPE_CHECKING:
    from asya_cli.gateway_client import Gateway, Tool

DEFAULT_URL: Final = "http://localhost:8089"
STREAM_LIMIT_S: Final = 3600.0
"""An envelope's own deadline ends it long before; this is for one without."""
BAR_CELLS: Final = 40
_TRUE: Final = frozenset({"1", "true", "yes"})


def main(words: Sequence[str] | None = None) -> None:
    """Run one command; the exit code is 0 when it did what was asked and the envelope did not fail."""
    arguments = _parser().parse_args(words)
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.SUCCESS)
    except BadRequest as error:
        bad(error.cause)
        if error.cure:
            bad(error.cure)
    except CommandError as error:
        if isinstance(error, Unknown) and getattr(arguments, "tool", None):
            bad(f"Tool '{arguments.tool}' not found")
        else:
            bad(f"Request failed: {error.cause}")
            if error.cure:
                say(f"Try: {error.cure}")
    sys.exit(ExitCode.FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asya-mcp",
        description="Call the gateway's tools. Options stand before the command.",
        epilog=f"The gateway is that of --url, ASYA_CLI_MCP_URL, ASYA_TOOL_MCP_URL, the running local mesh, or {DEFAULT_URL}; "
        "its token that of --token-file, ASYA_GATEWAY_TOKEN or the local mesh. Exit codes: 0, 1 for whatever failed, "
        "2 usage, 130 Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--url", help="the gateway")
    parser.add_argument(
        "--no-stream", "--no_stream", action="store_true", default=_flag("ASYA_CLI_NO_STREAM"),
        help="call: print the gateway's answer and end",
    )  # fmt: skip
    parser.add_argument(
        "--debug", action="store_true", default=_flag("ASYA_CLI_MCP_DEBUG") or _flag("ASYA_CLI_DEBUG"),
        help="print every event and the arguments",
    )  # fmt: skip
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="file that holds the gateway's token")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="list the tools")
    shown = commands.add_parser("show", help="show one tool")
    shown.add_argument("tool")
    called = commands.add_parser("call", help="call a tool: call TOOL JSON, or call TOOL --name=value --flag")
    called.add_argument("tool")
    called.add_argument("words", nargs=argparse.REMAINDER, metavar="JSON | --name=value ...")
    for name, text in (("status", "print an envelope's state"), ("stream", "print its events up to its end")):
        commands.add_parser(name, help=text).add_argument("id")
    return parser


def _flag(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in _TRUE


def _run(arguments: argparse.Namespace) -> ExitCode:
    from asya_cli.gateway_place import find_gateway

    home = Path(os.environ.get("ASYA_HOME") or ".asya")
    url = arguments.url or os.environ.get("ASYA_CLI_MCP_URL") or os.environ.get("ASYA_CLI_URL")
    gateway, _ = find_gateway(url, arguments.token_file, home)
    if gateway is None:
        gateway, _ = find_gateway(DEFAULT_URL, arguments.token_file, home)
    assert gateway is not None  # noqa: S101 - an URL was named
    match arguments.command:
        case "list":
            return _list(gateway)
        case "show":
            print(plain(_yaml(_described(gateway.tool(arguments.tool), whole=True))), end="")
            return ExitCode.SUCCESS
        case "call":
            return _call(gateway, arguments)
        case "status":
            _print(gateway.envelope(arguments.id))
            return ExitCode.SUCCESS
        case _:
            return _stream(gateway, arguments.id)


def _list(gateway: "Gateway") -> ExitCode:
    tools = gateway.tools()
    if tools:
        print(plain(_yaml([_described(tool, whole=False) for tool in tools])), end="")
    else:
        warn("No tools available")
    return ExitCode.SUCCESS


def _described(tool: "Tool", *, whole: bool) -> dict[str, object]:
    """Shape a tool as Asya 0.1.1 prints it, briefly in a list or whole."""
    parameters = {}
    for name, schema in tool.parameters.items():
        shown: dict[str, object] = {"type": schema.get("type", "string"), "required": name in tool.required}
        if whole:
            found = {"description": schema.get("description"), "options": schema.get("enum")}
            shown |= {key: value for key, value in found.items() if value}
            if "default" in schema:
                shown["default"] = schema["default"]
        parameters[name] = shown
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def _call(gateway: "Gateway", arguments: argparse.Namespace) -> ExitCode:
    from asya_cli.gateway_client import id_of, text_of

    given = _arguments(gateway, arguments)
    if arguments.debug:
        say(f"Arguments: {_compact(given)}")
    try:
        answer = gateway.call_raw(arguments.tool, given)
    except CommandError as error:
        if not isinstance(error, Unknown):
            say(f"Request payload: {_compact({'name': arguments.tool, 'arguments': given})}")
        raise
    envelope_id = id_of(answer)
    if answer.get("isError"):
        bad(text_of(answer))
    if arguments.no_stream or answer.get("isError") or envelope_id is None:
        _print(answer)
        return ExitCode.FAILED if answer.get("isError") else ExitCode.SUCCESS
    say(f"Envelope ID: {envelope_id}")
    return _watch(gateway, envelope_id, debug=arguments.debug)


def _arguments(gateway: "Gateway", arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the call's words by the tool's schema; without one they are guessed at."""
    from asya_cli.tool_arguments import read_arguments

    schemas = gateway.tool(arguments.tool).parameters if arguments.words else {}
    try:
        return read_arguments(arguments.words, None, schemas)
    except BadRequest as error:
        raise BadRequest(f"Arguments cannot be read: {error.cause}", "Write one JSON object, or --name=value") from None


def _watch(gateway: "Gateway", envelope_id: str, *, debug: bool) -> ExitCode:
    """Follow an envelope to its end, and print its last event."""
    document: Mapping[str, Any] | None = None
    try:
        with _bar(debug=debug) as show:
            for event in gateway.follow(envelope_id, STREAM_LIMIT_S):
                document = event.document
                show(document)
    except KeyboardInterrupt:
        say(f"{envelope_id} goes on; look at it: asya-mcp stream {envelope_id}")
        raise
    except TimeoutError:
        document = gateway.envelope(envelope_id)
    if document is None:
        document = gateway.envelope(envelope_id)
    _print(document)
    return _code(document)


def _stream(gateway: "Gateway", envelope_id: str) -> ExitCode:
    document: Mapping[str, Any] = {}
    for event in gateway.follow(envelope_id):
        document = event.document
        print(_compact(document), flush=True)
    return _code(document)


def _code(document: Mapping[str, Any]) -> ExitCode:
    return ExitCode.FAILED if document.get("status") == Status.FAILED else ExitCode.SUCCESS


class _Bar:
    """Asya 0.1.1's progress line: drawn over itself on a terminal, a line for every change elsewhere."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug
        self._drawn = False
        self._last = ""

    def __call__(self, document: Mapping[str, Any]) -> None:
        if self._debug:
            say(_compact(document))
            return
        percent = document.get("progress_percent")
        if not isinstance(percent, int | float):
            return
        where = f"{document.get('actor') or ''}, {document.get('envelope_state') or document.get('status') or ''}"
        if sys.stderr.isatty():
            cells = "█" * round(percent / 100 * BAR_CELLS)
            sys.stderr.write(f"\r\x1b[KProcessing: {percent:3.0f}% |{cells:<{BAR_CELLS}}| {where}")
            sys.stderr.flush()
            self._drawn = True
        elif (text := f"Processing: {percent:3.0f}% | {where}") != self._last:
            self._last = text
            say(text)

    def close(self) -> None:
        """End the line."""
        if self._drawn:
            sys.stderr.write("\n")


@contextmanager
def _bar(*, debug: bool) -> Iterator[_Bar]:
    bar = _Bar(debug=debug)
    try:
        yield bar
    finally:
        bar.close()


def _print(document: object) -> None:
    print(json_text(document, indent=2), flush=True)


def _compact(document: object) -> str:
    return json_text(document, compact=True)


def _yaml(document: object) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


if __name__ == "__main__":
    main()
