"""``asya result``: read what the crew has persisted about an envelope."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import DeadLettered, NotFound, TimedOut
from asya_cli.found_result import FoundResult
from asya_cli.options import Duration, home_option, json_option
from asya_cli.plain_text import json_text
from asya_cli.waits import QUIET_S, SAY_EVERY_S, waiting_words
from asya_protocol.partial import without

if TYPE_CHECKING:
    from asya_manifest.explanation import Why

POLL_S: Final = 0.25
"""One small read of the store per poll; results of a mesh on one machine take tens of milliseconds."""


@click.command(short_help="Print the result of an envelope.")
@click.argument("envelope_id", metavar="ID")
@click.option("--wait", "wait_s", type=Duration(), default=0.0, metavar="DURATION", help="Wait for it, e.g. 30s.")
@home_option
@json_option
def result(envelope_id: str, wait_s: float, home: Path, as_json: bool) -> None:
    """Print the result of the envelope ID; exit code 1 when it failed or there is none yet, 6 when it was cancelled."""
    from asya_cli.running_mesh import broker_environment, require_mesh
    from asya_cli.why import because, gather

    console = Console(as_json=as_json)
    environment = broker_environment(require_mesh(home))
    found = wait_for_result(
        environment,
        envelope_id,
        wait_s,
        console,
        lambda: because(lambda: gather(envelope_id, None, None, home, console)),
    )
    print_result(console, found)
    sys.exit(found.exit_code)


def wait_for_result(
    environment: Mapping[str, str],
    envelope_id: str,
    wait_s: float,
    console: Console,
    look: "Callable[[], Why | None]" = lambda: None,
    *,
    trace_id: str | None = None,
    poll_s: float = POLL_S,
) -> FoundResult:
    """Read a result from the crew's store, waiting for it.

    Args:
        environment: Leads to the store, e.g. ``MeshInfo.environment()``.
        envelope_id: The id that was sent; a fan-out's further children have ids of their own.
        wait_s: How long to look again; 0 looks once.
        console: Told that we wait, and what for.
        look: Finds out what holds it.
        trace_id: Whose send it is, where the id may have been sent before; ``None`` takes the end of any.
        poll_s: Pause between looks.

    Raises:
        NotFound: There is none, and nobody wanted to wait; it says where the envelope is, where that is known.
        TimedOut: It did not come in time.
        DeadLettered: It never will by itself.
    """
    from asya_protocol.status import Status
    from asya_store.factory import open_store
    from asya_store.results import find_result

    store = open_store(environment)
    if store is None:
        raise NotFound("this mesh persists no results: it has no store")
    deadline, quiet_s = time.monotonic() + wait_s, QUIET_S
    with console.progress(f"waiting for {envelope_id}") as step:
        while True:
            found = find_result(store, environment, envelope_id, trace_id)
            if found is not None:
                return FoundResult(found[0] is Status.SUCCEEDED, found[1])
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            if wait_s - left_s > quiet_s:
                why = look()
                if why is not None and why.held_by == "dead_letter":
                    raise DeadLettered(why.because, why.cure)
                if why is not None and why.held_by == "duplicate" and trace_id is not None:
                    console.note(f"{envelope_id}: {why.because}")
                    trace_id = None  # dedup has made the end before the end of this send too
                    continue
                step(waiting_words(wait_s - left_s, wait_s, why))
                quiet_s = time.monotonic() - deadline + wait_s + SAY_EVERY_S
            time.sleep(min(poll_s, left_s))
    why = look()
    if wait_s:
        cause, cure = f"no result of {envelope_id} within {wait_s:g} s", f"asya result {envelope_id} --wait 5m"
        raise TimedOut(f"{cause}: {why.because}", why.cure or cure) if why is not None else TimedOut(cause, cure)
    if why is not None and why.held_by != "unknown":
        raise NotFound(f"no result of {envelope_id}: {why.because}", why.cure)
    raise NotFound(f"nothing is known of {envelope_id}", f"wait for it: asya result {envelope_id} --wait 30s")


def print_result(console: Console, found: FoundResult) -> None:
    """Print a success's payload on stdout, or a failure's cause on stderr."""
    document = found.as_json()
    if console.as_json:
        console.result(document)
    elif found.ended_early:
        console.note(f"{document['id']} ended early at {found.ended_early}, whose handler returned nothing: no result")
        console.result(document, "null")
    elif found.succeeded:
        if lacks := without(found.missing):
            console.note(f"{document['id']} succeeded {lacks}")
        console.result(document, json_text(document["payload"], indent=2))
    else:
        console.failure(
            "cancelled" if found.cancelled else "failed",
            str(document["id"]),
            found.failed_at,
            str(found.error.get("code") or ""),
            found.error,
        )
