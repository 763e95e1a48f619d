"""``asya cancel``: have the mesh stop working on an envelope."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asya_cli.console import Console
from asya_cli.exit_codes import CommandError, ExitCode, NotFound, TimedOut, Unknown
from asya_cli.found_result import FoundResult
from asya_cli.options import Duration, gateway_options, home_option, json_option
from asya_cli.result import wait_for_result

if TYPE_CHECKING:
    from asya_cli.gateway_client import Gateway


@click.command(short_help="Stop working on an envelope.")
@click.argument("envelope_id", metavar="ID")
@click.option(
    "--wait", "wait_s", type=Duration(), default=5.0, metavar="DURATION", help="Watch it end, 5s unless said otherwise."
)
@gateway_options
@home_option
@json_option
def cancel(
    *, envelope_id: str, wait_s: float, url: str | None, token_file: Path | None, home: Path, as_json: bool
) -> None:
    """Cancel the envelope ID and everything that its fan-outs made.

    A running handler is interrupted within two seconds (in a batch its result is dropped instead); an envelope that waits
    in a queue ends when its turn comes. Both end in error-end. Exit code 1 when it had already ended.

    The gateway does it where one is named or the local mesh has one; what was sent past it is cancelled in the local mesh's
    object store.
    """
    from asya_cli.gateway_place import find_gateway

    console = Console(as_json=as_json)
    gateway, named = find_gateway(url, token_file, home)
    others = False
    try:
        status = None if gateway is None else _by_gateway(gateway, envelope_id)
    except Unknown:
        if named:
            raise
        status = None
    if status is None:
        status, others = _by_store(envelope_id, wait_s, home, console)
    words = {
        "cancelling": f"{envelope_id}: will be cancelled when its turn comes",
        "cancelled": f"{envelope_id}: cancelled",
    }
    ended = f"{envelope_id}: has already {status}{', what else its fan-out made is cancelled' if others else ''}"
    console.result({"id": envelope_id, "status": status}, words.get(status, ended))
    sys.exit(ExitCode.SUCCESS if status in words else ExitCode.FAILED)


def _by_gateway(gateway: "Gateway", envelope_id: str) -> str:
    """Cancel by the gateway, for which that is its end."""
    from asya_cli.gateway_client import read_end

    if gateway.cancel(envelope_id):
        return "cancelled"
    end = read_end(gateway.envelope(envelope_id))
    return "cancelled" if end is None else end.status


def _by_store(envelope_id: str, wait_s: float, home: Path, console: Console) -> tuple[str, bool]:
    """Cancel by the list in the object store that the sidecars look at: what comes of it, and whether others may end by it.

    The first item of a fan-out has the id of what was sent, and may have ended where others have not.
    """
    from asya_cli.running_mesh import broker_environment, require_mesh
    from asya_local.trail import read_trail
    from asya_store.cancel_list import CancelList
    from asya_store.factory import open_store

    environment = broker_environment(require_mesh(home))
    store = open_store(environment)
    if store is None:
        raise CommandError("this mesh cannot cancel: it has no object store")
    others = any(step.sent > 1 for step in read_trail(home, envelope_id))
    found = _look(environment, envelope_id, 0.0, console)
    if found is None or others:
        CancelList(store).add(envelope_id, time.time())
        found = _look(environment, envelope_id, wait_s, console)
    return ("cancelling", False) if found is None else (_status(found), others)


def _look(environment: Mapping[str, str], envelope_id: str, wait_s: float, console: Console) -> FoundResult | None:
    try:
        return wait_for_result(environment, envelope_id, wait_s, console)
    except (NotFound, TimedOut):
        return None


def _status(found: FoundResult) -> str:
    if found.succeeded:
        return "succeeded"
    return "cancelled" if found.cancelled else "failed"
