"""What the demo shows while it runs: a live table on a terminal, elsewhere a line a second; at the end what each actor did."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from asya_cli.console import draw_table
from asya_local.mesh import ActorStatus

COLUMNS = ("actor", "status", "replicas", "queued", "in flight", "done", "failed")
SUMMARY = ("actor", "most replicas", "done", "failed")


class Board:
    """A view that is replaced again and again; a context manager, so that the terminal is left in order."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._next_line_s = 0.0
        self._live: Any = None
        self._last: Sequence[ActorStatus] = ()
        self._most: dict[str, int] = {}

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, actors: Sequence[ActorStatus], note: str) -> None:
        """Show the actors as they are now."""
        self._last = actors
        for actor in actors:
            self._most[actor.name] = max(self._most.get(actor.name, 0), actor.replicas)
        elapsed_s = time.monotonic() - self._started
        if self._live is not None:
            from rich.console import Group
            from rich.text import Text

            table = draw_table(COLUMNS, [_row(actor) for actor in actors])
            self._live.update(Group(table, Text(f"{elapsed_s:5.1f} s  {note}")), refresh=True)
        elif elapsed_s >= self._next_line_s:
            self._next_line_s = elapsed_s + 1
            print(f"{elapsed_s:5.1f} s  {note}{_at_work(actors)}", flush=True)

    def summary(self) -> None:
        """Print what each actor has done in all."""
        rows = [[each.name, str(self._most[each.name]), str(each.done), str(each.failed)] for each in self._last]
        widths = [max(map(len, column)) for column in zip(SUMMARY, *rows, strict=True)]
        print()
        for name, *numbers in (SUMMARY, *rows):
            cells = [
                name.ljust(widths[0]),
                *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)),
            ]
            print(f"  {'  '.join(cells)}".rstrip(), flush=True)


def _row(actor: ActorStatus) -> tuple[str, ...]:
    numbers = (actor.queued, actor.in_flight, actor.done, actor.failed)
    return (actor.name, actor.status, f"{actor.replicas}/{actor.desired}", *map(str, numbers))


def _at_work(actors: Sequence[ActorStatus]) -> str:
    """Say where envelopes are, actors with none left out."""
    busy = [f"{each.name} has {each.queued + each.in_flight}" for each in actors if each.queued + each.in_flight]
    return f"; {', '.join(busy)}" if busy else ""
