"""Write docs/cli.md from the commands themselves; with ``--check`` only compare."""

import argparse
from collections.abc import Iterator
from typing import Final

import click

from asya_cli.exit_codes import ExitCode
from asya_cli.main import asya
from lab.checkout import ROOT
from tools.docstrings import classes, documented_members
from tools.tree import write_or_compare

PAGE: Final = ROOT / "docs" / "cli.md"
EXIT_CODES: Final = ROOT / "components" / "cli" / "asya_cli" / "exit_codes.py"
HEADER: Final = """\
# The command line

`asya` runs, feeds and watches a mesh. Results go to stdout, everything about the way there to stderr, so that output can
be piped; with `--json` stdout holds one JSON document (`logs`: one per line), errors too. A wait of more than two seconds
shows its progress. An error is one line of cause and one of cure; `ASYA_DEBUG=1` shows the traceback.

Two families: `send` and `result` put an envelope on a route of actors of the mesh on this machine, past any gateway; `call`,
`status`, `stream` and `wait` use the tools and the records of a gateway, anywhere. `why`, `cancel` and `replay` take both.

This page is made from the code by `make docs`.
"""


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    sections = [HEADER, exit_codes(), *commands(asya, "asya")]
    write_or_compare(PAGE, "\n".join(sections), check=arguments.check, command="make docs")


def exit_codes() -> str:
    """Write the table of exit codes."""
    node = next(node for node in classes(EXIT_CODES) if node.name == "ExitCode")
    rows = [f"| {ExitCode[name].value} | {text} |" for name, text in documented_members(node)]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def commands(command: click.Command, path: str) -> Iterator[str]:
    """Write every command below one, depth first; groups only lead to their commands."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")
        return
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    yield f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    main()
