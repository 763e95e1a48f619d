"""Follows one envelope: prints its progress and its end, and chooses the exit code.

On a terminal a bar moves; elsewhere every event is one plain line on stderr. Ctrl-C leaves the envelope alone and says how
to go on.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from asya_cli.console import Console
from asya_cli.exit_codes import ExitCode, TimedOut
from asya_cli.gateway_client import read_end
from asya_cli.plain_text import json_text
from asya_cli.quiet import Quiet
from asya_cli.streamed import PieceWriter
from asya_cli.why import because, by_gateway
from asya_protocol.failure import document_words
from asya_protocol.status import Status

if TYPE_CHECKING:
    from asya_cli.gateway_client import End, Event, Gateway

EXIT_CODES: Final = {
    Status.SUCCEEDED.value: ExitCode.SUCCESS,
    Status.FAILED.value: ExitCode.FAILED,
    "cancelled": ExitCode.CANCELLED,
}

MOST_OPEN: Final = 99.0
"""Percent of an envelope that has not ended, at most."""

Show = Callable[["Event"], None]


def until_end(
    gateway: "Gateway", envelope_id: str, limit_s: float, show: Show, pieces: PieceWriter | None = None
) -> "End":
    """Follow an envelope to its end; ``pieces`` writes what its handlers stream.

    Raises:
        TimedOut: It has not ended in time; it goes on.
        SystemExit: Ctrl-C.
    """
    seen: list[Mapping[str, Any]] = []
    quiet = Quiet(lambda: because(lambda: by_gateway(gateway, envelope_id, tuple(seen))), Console().note, limit_s)

    def streamed(kind: str, data: Any) -> None:  # noqa: ANN401 - any JSON value
        quiet.broken()
        if pieces is not None:
            pieces.show(kind, data)

    try:
        with quiet:
            for event in gateway.follow(envelope_id, limit_s, show=None if pieces is None else streamed):
                quiet.broken()
                seen.append(event.document)
                if pieces is not None and pieces.last_s is not None:
                    if event.end is None:
                        continue  # the stream says how far it is, and is not cut into by other lines
                    pieces.end_line()
                show(event)
                if event.end is not None:
                    return event.end
    except TimeoutError:
        pass
    except KeyboardInterrupt:
        Console().note(f"{envelope_id} goes on. Follow it: asya wait {envelope_id}. End it: asya cancel {envelope_id}")
        sys.exit(ExitCode.INTERRUPTED)
    why = because(lambda: by_gateway(gateway, envelope_id))
    cause = f"{envelope_id} has not ended within {limit_s:g} s; it goes on{f': {why.because}' if why else ''}"
    raise TimedOut(cause, f"asya wait {envelope_id} --timeout 10m, or what holds it: asya why {envelope_id}")


def finish(console: Console, end: "End") -> None:
    """Print an end and exit with its code."""
    print_end(console, end)
    sys.exit(EXIT_CODES[end.status])


def print_end(console: Console, end: "End") -> None:
    """Print a success's result on stdout, or a failure's cause on stderr."""
    if console.as_json:
        console.result(end.as_json())
    elif end.status == Status.SUCCEEDED:
        console.result(None, json_text(end.result, indent=2))
    else:
        failure = end.result if isinstance(end.result, dict) else {}
        details = failure.get("details")
        known = details if isinstance(details, dict) else {}
        actor = str(failure.get("failed_actor") or "")
        console.failure(end.status, end.id, actor, end.error or end.message, known)


def event_line(document: Mapping[str, Any], *, late: bool = False) -> str:
    """Write one event as a line: how far, in which state, where, and in words; one that comes late says so."""
    share = "  - " if (percent := percent_of(document)) is None else f"{percent:3.0f}%"
    words = document_words(document) or str(document.get("message") or document.get("envelope_state") or "")
    actor = document.get("actor")
    line = f"{share}  {document.get('status', '?'):9}  {f'{actor}: ' if actor else ''}{words}"
    return f"{line} (told late)" if late else line.rstrip()


def percent_of(document: Mapping[str, Any]) -> float | None:
    """How far an envelope is; 100 when it has ended, and not while its last actor's result is still on its way."""
    percent = document.get("progress_percent")
    if not isinstance(percent, int | float):
        return None
    return float(percent) if read_end(document) is not None else min(float(percent), MOST_OPEN)


class Order:
    """Which events come late: sidecars report each for itself, so that an actor may be heard after the next one."""

    def __init__(self) -> None:
        self._furthest = 0

    def late(self, document: Mapping[str, Any]) -> bool:
        """Whether an event is of an actor behind the furthest that was heard of; a replay begins anew."""
        place = document.get("current_actor_idx")
        if not isinstance(place, int):
            return False
        if not document.get("envelope_state"):
            self._furthest = place
        behind = place < self._furthest
        self._furthest = max(self._furthest, place)
        return behind


@contextmanager
def progress(console: Console, pieces: PieceWriter | None = None) -> Iterator[Show]:
    """Show events as they come: a bar on a terminal, until the first of ``pieces``; plain lines elsewhere."""
    order = Order()
    if not sys.stderr.isatty():
        yield lambda event: None if order.late(event.document) else console.note(event_line(event.document))
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=100)

        if pieces is not None:
            pieces.first = bar.stop

        def show(event: "Event") -> None:
            document = event.document
            if order.late(document):
                return
            where = " · ".join(str(document[key]) for key in ("actor", "envelope_state", "status") if document.get(key))
            bar.update(task, completed=percent_of(document) or 0.0, description=where)

        yield show
