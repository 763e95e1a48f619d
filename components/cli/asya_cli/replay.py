"""``asya replay``: send again what ended in error-end."""

import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asya_cli.console import Console
from asya_cli.dlq import dry_run_option, where_option
from asya_cli.exit_codes import BadRequest, ExitCode, GatewayAway, Unknown, translate
from asya_cli.options import Duration, gateway_options, home_option, json_option
from asya_cli.up_words import up_words

if TYPE_CHECKING:
    from asya_cli.gateway_client import Gateway
    from asya_cli.local_failures import LocalFailures
    from asya_store.replays import From, Replayed
    from asya_transport.dead_letters.filter import Condition


@click.command(short_help="Send again what has failed.")
@click.argument("envelope_id", metavar="ID", required=False)
@click.option("--failed", is_flag=True, help="All that is at error-end, in place of ID.")
@click.option("--since", "since_s", type=Duration(), metavar="DURATION", help="Only what failed in the last, e.g. 2h.")
@where_option
@click.option(
    "--from", "begin", type=click.Choice(["hop", "start"]), default="hop", show_default=True,
    help="Where it runs again from: the hop that failed, or its start.",
)  # fmt: skip
@dry_run_option
@gateway_options
@home_option
@json_option
def replay(
    *,
    envelope_id: str | None,
    failed: bool,
    since_s: float | None,
    where: "tuple[Condition, ...]",
    begin: "From",
    dry_run: bool,
    url: str | None,
    token_file: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Send the envelope ID, or all that --failed finds, again: same id, same lineage, today's code.

    A group that could not be joined is replayed by the children that it lacks, and a replayed child completes its group. Asked
    twice it is sent once. What a caller cancelled is not sent again; dead letters have asya dlq redrive. From its start goes
    what the gateway has a record of, or what failed at its first hop. Exit code 1 when something was refused.

    The gateway does it where one is named or the local mesh has one; what was sent past it is replayed from the local mesh's
    object store.
    """
    from asya_cli.gateway_place import find_gateway
    from asya_local import mesh as local_mesh
    from asya_store.replays import Replayed

    if (envelope_id is None) is not failed:
        raise BadRequest(
            "name one envelope, or --failed", "asya replay ID, or asya replay --failed --since 1h --dry-run"
        )
    if envelope_id is not None and (where or since_s is not None):
        raise BadRequest("--since and --where choose among what --failed finds")
    console, done = Console(as_json=as_json), Replayed()
    gateway, named = find_gateway(url, token_file, home)
    here = None if named and gateway is not None else local_mesh.find(home)
    if gateway is None and here is None:
        raise GatewayAway(f"no gateway is known, and no mesh is running in {home}", up_words())
    store = None
    if here is not None:
        from asya_cli.local_failures import LocalFailures

        store = LocalFailures(home)
    if envelope_id is not None:
        chosen = [envelope_id]
    elif store is not None:
        chosen = store.chosen(where, since_s)
    else:
        assert gateway is not None  # noqa: S101 - one of the two is there
        chosen = list(_failed_there(gateway, where, since_s))
    for each in sorted(chosen, key=len):  # a parent's id begins its children's: groups take theirs along
        _one(each, gateway, store, begin, done, dry_run=dry_run, bulk=failed)
        if done.trouble is not None:
            break
    document: dict[str, object] = {"from": begin, "dry_run": dry_run, **done.as_json()}
    console.result(document, list(_lines(done, dry_run=dry_run)))
    if done.trouble is not None:
        known = translate(done.trouble)
        console.note(f"error: {known.cause}")
        sys.exit(known.exit_code)
    sys.exit(ExitCode.FAILED if done.refused else ExitCode.SUCCESS)


def _one(
    envelope_id: str,
    gateway: "Gateway | None",
    store: "LocalFailures | None",
    begin: "From",
    done: "Replayed",
    *,
    dry_run: bool,
    bulk: bool,
) -> None:
    if envelope_id in done.replayed or envelope_id in done.completes:
        return  # a group has taken it along
    if gateway is not None:
        try:
            told = gateway.replay(envelope_id, begin, dry_run=dry_run)
        except Unknown:
            if store is None:
                raise
        else:
            if told is not None:
                done.add(told)
            else:
                ended = not bulk and gateway.envelope(envelope_id).get("status") == "succeeded"
                done.not_failed(envelope_id, succeeded=ended)
            return
    assert store is not None  # noqa: S101 - the command has one of the two
    store.replay(envelope_id, begin, done, dry_run=dry_run, bulk=bulk)


def _failed_there(gateway: "Gateway", where: "tuple[Condition, ...]", since_s: float | None) -> Iterable[str]:
    from asya_cli.local_failures import letter_of
    from asya_protocol import names

    after_s = 0.0 if since_s is None else time.time() - since_s
    for summary in gateway.failed():
        if (
            datetime.fromisoformat(summary["updated_at"]).timestamp() < after_s
            or summary.get("error") == names.CANCELLED
        ):
            continue
        if not where or all(
            condition.holds(letter_of(gateway.envelope(summary["id"]), summary)) for condition in where
        ):
            yield summary["id"]


def _lines(done: "Replayed", *, dry_run: bool) -> Iterable[str]:
    verb = "would be sent again" if dry_run else "sent again"
    for envelope_id in done.replayed:
        yield f"{envelope_id}: {verb}"
    for envelope_id in done.completes:
        yield f"{envelope_id}: {'would be' if dry_run else 'is'} completed by its children"
    for envelope_id in done.under_way:
        yield f"{envelope_id}: under way already"
    for envelope_id, why in done.refused:
        yield f"{envelope_id}: not sent again: {why}"
    if not (done.replayed or done.completes or done.under_way or done.refused):
        yield "nothing at error-end matches"
