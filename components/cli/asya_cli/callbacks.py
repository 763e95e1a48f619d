"""``asya callbacks``: the ends of envelopes that a gateway could not deliver, and delivering them again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest
from asya_cli.options import gateway_options, home_option, json_option

COLUMNS: Final = ("ID", "URL", "SECRET", "ATTEMPTS", "SINCE", "ERROR")


@click.group(short_help="Look at callbacks that did not arrive, deliver them again.")
def callbacks() -> None:
    """Look at the callbacks that a gateway could not deliver, and have them delivered again."""


@callbacks.command("ls")
@click.option("--waiting", is_flag=True, help="Those that are still tried, instead of the dead letters.")
@gateway_options
@home_option
@json_option
def list_(*, waiting: bool, url: str | None, token_file: Path | None, home: Path, as_json: bool) -> None:
    """List the callbacks that are dead letters: refused, or tried in vain for as long as the gateway has patience."""
    from asya_cli.gateway_place import open_gateway

    console = Console(as_json=as_json)
    found = open_gateway(url, token_file, home).callbacks(waiting=waiting)
    if as_json:
        console.result(found)
        return
    if found["callbacks"]:
        console.table(COLUMNS, [_row(each) for each in found["callbacks"]])
    console.note(f"{len(found['callbacks'])} shown, {found['dead']} dead letters, {found['waiting']} wait")


@callbacks.command()
@click.argument("callback_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@gateway_options
@home_option
@json_option
def redrive(
    *, callback_id: str | None, everything: bool, url: str | None, token_file: Path | None, home: Path, as_json: bool
) -> None:
    """Let the dead letter ID, or all of them, be tried anew for as long as at first; receivers know them by the same id."""
    from asya_cli.gateway_place import open_gateway

    if (callback_id is None) is not everything:
        raise BadRequest("name one callback, or --all", "asya callbacks ls")
    redriven = open_gateway(url, token_file, home).redrive_callbacks(callback_id)
    Console(as_json=as_json).result({"redriven": redriven}, f"{redriven} redriven")


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(each["id"]), str(each["url"]), str(each["secretRef"]), str(each["attempts"]), str(each["since"]),
        str(each.get("error") or ""),
    )  # fmt: skip
