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
from asya_cli.plain_text import json_text
from asya_cli.quiet import Quiet
from asya_cli.why import because, by_gateway
from asya_protocol.status import Status

if TYPE_CHECKING:
    from asya_cli.gateway_client import End, Event, Gateway

EXIT_CODES: Final = {
    Status.SUCCEEDED.value: ExitCode.SUCCESS,
    Status.FAILED.value: ExitCode.FAILED,
    "cancelled": ExitCode.CANCELLED,
}

Show = Callable[["Event"], None]


def until_end(gateway: "Gateway", envelope_id: str, limit_s: float, show: Show) -> "End":
    """Follow an envelope to its end.

    Raises:
        TimedOut: It has not ended in time; it goes on.
        SystemExit: Ctrl-C.
    """
    seen: list[Mapping[str, Any]] = []
    quiet = Quiet(lambda: because(lambda: by_gateway(gateway, envelope_id, tuple(seen))), Console().note, limit_s)
    try:
        with quiet:
            for event in gateway.follow(envelope_id, limit_s):
                quiet.broken()
                seen.append(event.document)
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


def event_line(document: Mapping[str, Any]) -> str:
    """Write one event as a line: how far, in which state, where, and in words."""
    percent = document.get("progress_percent")
    share = f"{percent:3.0f}%" if isinstance(percent, int | float) else "  - "
    words = str(document.get("error") or document.get("message") or document.get("envelope_state") or "")
    actor = document.get("actor")
    return f"{share}  {document.get('status', '?'):9}  {f'{actor}: ' if actor else ''}{words}".rstrip()


@contextmanager
def progress(console: Console) -> Iterator[Show]:
    """Show events as they come: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda event: console.note(event_line(event.document))
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=100)

        def show(event: "Event") -> None:
            document = event.document
            where = " · ".join(str(document[key]) for key in ("actor", "envelope_state", "status") if document.get(key))
            bar.update(task, completed=float(document.get("progress_percent") or 0), description=where)

        yield show
