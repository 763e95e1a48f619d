"""What the demo shows while it runs: a live table on a terminal, one line a second elsewhere."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from asya_cli.console import draw_table
from asya_local.mesh import ActorStatus

COLUMNS = ("actor", "status", "replicas", "queued", "in flight", "done", "failed")


class Board:
    """A view that is replaced again and again; a context manager, so that the terminal is left in order."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._next_line_s = 0.0
        self._live: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, actors: Sequence[ActorStatus], note: str) -> None:
        """Show the actors as they are now."""
        elapsed_s = time.monotonic() - self._started
        if self._live is not None:
            from rich.console import Group
            from rich.text import Text

            table = draw_table(COLUMNS, [_row(actor) for actor in actors])
            self._live.update(Group(table, Text(f"{elapsed_s:5.1f} s  {note}")), refresh=True)
        elif elapsed_s >= self._next_line_s:
            if not self._next_line_s:
                print(f"  each actor: {', '.join(COLUMNS[2:])}", flush=True)
            self._next_line_s = elapsed_s + 1
            print(f"{elapsed_s:5.1f} s  {note} | " + " | ".join(_words(actor) for actor in actors), flush=True)


def _row(actor: ActorStatus) -> tuple[str, ...]:
    return (actor.name, actor.status, f"{actor.replicas}/{actor.desired}", *_numbers(actor))


def _words(actor: ActorStatus) -> str:
    return f"{actor.name} {actor.replicas} {' '.join(_numbers(actor))}"


def _numbers(actor: ActorStatus) -> list[str]:
    return [str(number) for number in (actor.queued, actor.in_flight, actor.done, actor.failed)]
