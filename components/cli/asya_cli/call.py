"""``asya call``: start a tool of the gateway, watch it and print what comes out."""

from pathlib import Path

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest
from asya_cli.options import Duration, gateway_options, home_option, json_option
from asya_manifest.callback import DEFAULT_SECRET
from asya_protocol.nearest import nearest


@click.command(
    short_help="Call a tool and print its result.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("tool")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]...")
@click.option(
    "--json-args", metavar="JSON|@FILE|-",
    help="Arguments as a JSON object, from a file, or from stdin; also for parameters that are named like an option here.",
)  # fmt: skip
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the result, or print the id and end.")
@click.option(
    "--timeout", "timeout_s", type=Duration(), default=300.0, show_default="5m", metavar="DURATION",
    help="How long to wait; the call goes on.",
)  # fmt: skip
@click.option(
    "--key", default="",
    help="Makes the call once, however often it is repeated with the same key within a day; a call that is cut is made again.",
)  # fmt: skip
@click.option("--callback", "callback_url", metavar="URL", help="Where the gateway posts its end to, signed.")
@click.option(
    "--callback-secret", default=DEFAULT_SECRET, show_default=True, metavar="NAME",
    help="Which of the gateway's secrets signs it.",
)  # fmt: skip
@gateway_options
@home_option
@json_option
def call(
    *,
    tool: str,
    words: tuple[str, ...],
    json_args: str | None,
    wait: bool,
    timeout_s: float,
    key: str,
    callback_url: str | None,
    callback_secret: str,
    url: str | None,
    token_file: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Call TOOL with its parameters as options, e.g. asya call read_page --page scan.png --language de.

    Values are read as the tool's schema has them; a list takes an option several times, or JSON. Ctrl-C leaves the call
    running.
    """
    from asya_cli.follow import finish, progress, until_end
    from asya_cli.gateway_place import open_gateway, warn_of_tools
    from asya_cli.send import read_payload
    from asya_cli.streamed import PieceWriter
    from asya_cli.tool_arguments import read_arguments

    console = Console(as_json=as_json)
    gateway = open_gateway(url, token_file, home)
    warn_of_tools(gateway, home, console)
    text = None if json_args is None else read_payload(json_args).decode()
    found = gateway.tool(tool)
    arguments = read_arguments(words, text, found.parameters)
    for name in arguments:
        if name not in found.parameters and not found.schema.get("additionalProperties"):
            only = ", ".join(found.parameters) or "none at all"
            cause = f"{tool} has no parameter {name!r}, only {only}{nearest(name, found.parameters)}"
            raise BadRequest(cause, f"asya tools {tool}")
    callback = None if callback_url is None else {"url": callback_url, "secretRef": callback_secret}
    envelope_id = gateway.call(tool, arguments, key, callback)
    if not wait:
        console.result({"id": envelope_id, "tool": tool, "gateway": gateway.url}, envelope_id)
        return
    console.note(f"called {envelope_id}")
    pieces = None if as_json else PieceWriter()
    with progress(console, pieces) as show:
        end = until_end(gateway, envelope_id, timeout_s, show, pieces)
    finish(console, end)
