"""What commands print: results on stdout, progress and errors on stderr.

With ``--json`` stdout holds one JSON document (a stream of them for logs), errors too. Rich is loaded when something is
drawn on a terminal; a pipe gets plain lines.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asya_cli.exit_codes import CommandError
from asya_cli.plain_text import json_text, plain

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Console:
    """Where one command's words go.

    Attributes:
        as_json: Whether results are JSON.
    """

    as_json: bool = False

    def result(self, document: object, lines: str | Sequence[str] = ()) -> None:
        """Print a command's result, as JSON or in words."""
        if self.as_json:
            print(json_text(document), flush=True)
            return
        for line in [lines] if isinstance(lines, str) else lines:
            print(plain(line), flush=True)

    def note(self, text: str) -> None:
        """Print a line of progress."""
        print(plain(text), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Say that something is probably not as meant."""
        self.note(f"warning: {text}")

    def failure(self, status: str, envelope_id: str, actor: str, error: str, details: Mapping[str, Any]) -> None:
        """Say why an envelope failed: where, the error, and the handler's traceback with file and line."""
        from asya_protocol.failure import failure_words

        self.note(f"{status}: {envelope_id}{f' at {actor}' if actor else ''}: {failure_words(error, details)}")
        if details.get("traceback"):
            self.note(str(details["traceback"]).rstrip())

    def error(self, error: CommandError) -> None:
        """Say what went wrong and what helps."""
        if self.as_json:
            document = {"error": error.cause, "cure": error.cure or None, "exit_code": int(error.exit_code)}
            print(json_text(document), flush=True)
        self.note(f"error: {error.cause}")
        if error.cure:
            self.note(f"  try: {error.cure}")

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something goes on: a spinner on a terminal, plain lines elsewhere.

        Yields:
            A function that takes the next step's name.
        """
        if not sys.stderr.isatty():
            yield _lines(self)
            return
        from rich.console import Console as RichConsole

        with RichConsole(stderr=True).status(text) as status:
            yield lambda step: status.update(plain(f"{text}: {step}"))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table in words: drawn on a terminal, aligned columns elsewhere."""
        if sys.stdout.isatty():
            from rich.console import Console as RichConsole

            RichConsole().print(draw_table(columns, rows))
            return
        for line in align([columns, *rows]):
            print(plain(line))


def draw_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    """Build a table for a terminal; numbers are right-aligned."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(row[index].isdigit() for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in columns of plain text."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _lines(console: Console) -> Callable[[str], None]:
    last = ""

    def say(step: str) -> None:
        nonlocal last
        if step != last:
            console.note(f"  {step}")
            last = step

    return say
