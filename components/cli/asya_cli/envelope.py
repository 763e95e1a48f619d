"""``asya status``, ``asya stream`` and ``asya wait``: one envelope as the gateway knows it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asya_cli.console import Console
from asya_cli.options import Duration, gateway_options, home_option, json_option
from asya_cli.plain_text import json_text

if TYPE_CHECKING:
    from asya_cli.gateway_client import Event

Command = Callable[..., Any]


def timeout_option(command: Command) -> Command:
    """Add ``--timeout``."""
    return click.option(
        "--timeout", "timeout_s", type=Duration(), default=300.0, show_default="5m", metavar="DURATION",
        help="Give up after so long; the envelope goes on.",
    )(command)  # fmt: skip


@click.command(short_help="Say how an envelope is.")
@click.argument("envelope_id", metavar="ID")
@gateway_options
@home_option
@json_option
def status(*, envelope_id: str, url: str | None, token_file: Path | None, home: Path, as_json: bool) -> None:
    """Say how the envelope ID is, as the gateway knows it; exit code 0 whatever its state."""
    from asya_cli.gateway_place import open_gateway

    document = open_gateway(url, token_file, home).envelope(envelope_id)
    Console(as_json=as_json).result(document, list(status_lines(document)))


@click.command(short_help="Print what happens to an envelope.")
@click.argument("envelope_id", metavar="ID")
@timeout_option
@gateway_options
@home_option
@json_option
def stream(
    *, envelope_id: str, timeout_s: float, url: str | None, token_file: Path | None, home: Path, as_json: bool
) -> None:
    """Print what happened and happens to the envelope ID, a line for each event, up to its end.

    With --json every line is one JSON document. The exit code tells the end.
    """
    from asya_cli.follow import EXIT_CODES, Order, event_line, until_end
    from asya_cli.gateway_place import open_gateway

    console = Console(as_json=as_json)
    gateway = open_gateway(url, token_file, home)
    order = Order()

    def show(event: "Event") -> None:
        console.result(event.document, event_line(event.document, late=order.late(event.document)))

    end = until_end(gateway, envelope_id, timeout_s, show)
    sys.exit(EXIT_CODES[end.status])


@click.command(short_help="Wait for an envelope's end and print its result.")
@click.argument("envelope_id", metavar="ID")
@timeout_option
@gateway_options
@home_option
@json_option
def wait(
    *, envelope_id: str, timeout_s: float, url: str | None, token_file: Path | None, home: Path, as_json: bool
) -> None:
    """Wait for the end of the envelope ID and print its result; Ctrl-C leaves it alone."""
    from asya_cli.follow import finish, progress, until_end
    from asya_cli.gateway_place import open_gateway
    from asya_cli.streamed import PieceWriter

    console = Console(as_json=as_json)
    gateway = open_gateway(url, token_file, home)
    pieces = None if as_json else PieceWriter()
    with progress(console, pieces) as show:
        end = until_end(gateway, envelope_id, timeout_s, show, pieces)
    finish(console, end)


def status_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Write an envelope's state for a person."""
    from asya_cli.follow import percent_of
    from asya_protocol.failure import document_words

    route = document.get("route") or {}
    actors, current = route.get("actors") or (), route.get("current", 0)
    shown = " ".join(f"[{actor}]" if place == current else actor for place, actor in enumerate(actors))
    rows = {
        "id": document.get("id"),
        "parent": document.get("parent_id"),
        "status": f"{document.get('status')}, {percent_of(document) or 0:g}%",
        "route": shown,
        "message": document.get("message"),
        "error": document_words(document),
        "children": ", ".join(document.get("children") or ()),
        "created": document.get("created_at"),
        "updated": document.get("updated_at"),
        "deadline": document.get("deadline"),
    }
    for name, value in rows.items():
        if value:
            yield f"{name:9} {value}"
    if document.get("result") is not None:
        yield f"result    {json_text(document['result'])}"
