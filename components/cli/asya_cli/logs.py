"""``asya logs``: what the processes of a local mesh said about one envelope; and a line of a log as people see it."""

import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import NotFound
from asya_cli.options import home_option, json_option

if TYPE_CHECKING:
    from asya_local.log_lines import LogLine

COLOURS: Final = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
TROUBLE: Final = frozenset({"ERROR", "CRITICAL", "FATAL"})


@click.command(short_help="Print what the processes said about an envelope.")
@click.argument("envelope_id", metavar="ID")
@home_option
@json_option
def logs(envelope_id: str, home: Path, as_json: bool) -> None:
    """Print every line that the processes of the local mesh wrote about the envelope ID or its children, in the order of time.

    All actors and replicas together, in UTC; also of a mesh that has ended. asya stream ID has the events of a gateway.
    """
    from asya_cli.running_mesh import require_mesh
    from asya_local import mesh

    console = Console(as_json=as_json)
    found = mesh.logs_of(home, envelope_id)
    if not found:
        if not mesh.has_logs(home):
            require_mesh(home)
        raise NotFound(f"no log in {home} names {envelope_id}", f"asya why {envelope_id}")
    for line in found:
        console.result(line.as_json(), shown(line))


def shown(line: "LogLine") -> str:
    """Write a line for a terminal, each actor in a colour of its own; for anything else without colours."""
    text = str(line)
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    colour = COLOURS[zlib.crc32(line.actor.encode()) % len(COLOURS)]
    text = text.replace(line.source, click.style(line.source, fg=colour), 1)
    return text.replace(line.level, click.style(line.level, fg="red"), 1) if line.level in TROUBLE else text
