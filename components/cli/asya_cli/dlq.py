"""``asya dlq``: browse, redrive or purge dead letters, on a mesh or on any broker."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest, ExitCode, NotFound, translate
from asya_cli.options import home_option, json_option
from asya_protocol.names import DLQ_SUFFIX, dlq_name

if TYPE_CHECKING:
    import asyncio

    from asya_protocol.names import QueueNames
    from asya_transport.dead_letters.filter import Condition
    from asya_transport.dead_letters.redrive import Listing, Selection, Tally
    from asya_transport.port import QueueAdmin, Transport

INTERRUPTED: Final = 130
"""What a shell expects of a process that Ctrl-C ended."""
SAY_EVERY_S: Final = 2.0

Command = Callable[..., Any]


class ConditionType(click.ParamType["Condition"]):
    """A condition such as ``id=abc*``."""

    name = "condition"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> "Condition":
        """Read the text."""
        from asya_transport.dead_letters.filter import FilterError, parse_condition

        try:
            return parse_condition(str(value))
        except FilterError as exc:
            self.fail(str(exc), param, ctx)


def where_option(command: Command) -> Command:
    """Add ``--where``."""
    return click.option(
        "--where", multiple=True, type=ConditionType(), metavar="CONDITION",
        help="Only those for which it holds, e.g. id=abc*, reason~timeout, payload.user.id=42, headers.tenant!=x; "
        "may be repeated: all must hold.",
    )(command)  # fmt: skip


def dry_run_option(command: Command) -> Command:
    """Add ``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Say how many it would be and leave all as it is.")(command)


@click.group(short_help="Look at dead letters, send them again, throw them away.")
def dlq() -> None:
    """Look at dead letters, send them out again, or throw them away.

    They are those of the running mesh, or of the broker that ASYA_TRANSPORT and its other variables name.
    """


@dlq.command("ls")
@click.argument("actor", required=False)
@where_option
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@home_option
@json_option
def list_(*, actor: str | None, where: "tuple[Condition, ...]", limit: int, home: Path, as_json: bool) -> None:
    """List the dead letters of ACTOR, or count those of all actors that have any.

    A list takes its entries out of everyone's sight for the moment of looking.
    """
    console = Console(as_json=as_json)
    if actor is None:
        if where:
            raise BadRequest("--where needs an ACTOR", "asya dlq ls ACTOR --where ...")
        _count(console, home)
        return
    from asya_cli.dlq_words import COLUMNS, letter_row
    from asya_transport.dead_letters.documents import letter_summary

    listing = _browse(actor, where, limit, home)
    entries = listing.entries
    if as_json:
        shaped = [letter_summary(letter) for letter in entries]
        console.result({"actor": actor, "total": listing.total, "complete": listing.complete, "entries": shaped})
    else:
        if entries:
            console.table(COLUMNS, [letter_row(letter) for letter in entries])
        console.note(f"{len(entries)} shown{' that match' if where else ''}, {listing.total} dead letters of {actor}")


@dlq.command()
@click.argument("actor")
@click.argument("envelope_id", metavar="ID")
@home_option
@json_option
def show(actor: str, envelope_id: str, home: Path, as_json: bool) -> None:
    """Print the dead letter of ACTOR with the envelope id ID, or the first of several."""
    from asya_cli.dlq_words import letter_lines
    from asya_transport.dead_letters.documents import letter_document
    from asya_transport.dead_letters.filter import same_id

    listing = _browse(actor, [same_id(envelope_id)], 1, home)
    if not listing.entries:
        raise NotFound(f"{actor} has no dead letter {envelope_id!r} among {listing.total}", f"asya dlq ls {actor}")
    Console(as_json=as_json).result(letter_document(listing.entries[0]), list(letter_lines(listing.entries[0])))


@dlq.command()
@click.argument("actor")
@where_option
@click.option("--to", metavar="ACTOR", help="Send to this actor's queue, not to the one each was taken from.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At most N a second; as fast as it goes."
)
@dry_run_option
@home_option
@json_option
def redrive(
    *,
    actor: str,
    where: "tuple[Condition, ...]",
    to: str | None,
    rate: float | None,
    dry_run: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Send the dead letters of ACTOR out again, with all their attempts; the rest of each stays as it is.

    Each is taken out of the dead letters when the broker has confirmed it, so nothing is lost, whenever this ends. Ctrl-C
    finishes what is in flight, gives the rest back and exits with 130; the same command goes on from there. With --to the
    route stays as it is: an actor whose turn it is not sends the envelope to error-end.
    """
    from asya_transport.dead_letters.redrive import redrive as redrive_queue

    if to == dlq_name(actor):
        raise BadRequest(f"--to {to} is the dead letter queue itself")
    console = Console(as_json=as_json)

    def work(
        transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", selection: "Selection"
    ) -> "Awaitable[Tally]":
        target = None if to is None else queues.queue(to)
        return redrive_queue(transport, admin, queues.dlq(actor), to=target, selection=selection)

    _act(console, home, work, where=where, rate=rate, dry_run=dry_run, verb="redriven")


@dlq.command()
@click.argument("actor")
@where_option
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def purge(*, actor: str, where: "tuple[Condition, ...]", dry_run: bool, yes: bool, home: Path, as_json: bool) -> None:
    """Throw the dead letters of ACTOR away, for good."""
    from asya_transport.dead_letters.redrive import purge as purge_queue

    which = "those that match" if where else "all"
    if not (yes or dry_run):
        if not sys.stdin.isatty():
            raise BadRequest("throwing dead letters away needs --yes", "look first: --dry-run")
        click.confirm(f"Throw {which} dead letters of {actor} away, for good?", abort=True, err=True)
    console = Console(as_json=as_json)

    def work(
        transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", selection: "Selection"
    ) -> "Awaitable[Tally]":
        return purge_queue(transport, admin, queues.dlq(actor), selection=selection)

    _act(console, home, work, where=where, rate=None, dry_run=dry_run, verb="purged")


def _count(console: Console, home: Path) -> None:
    from asya_cli.running_mesh import find_broker, on_broker
    from asya_local import mesh
    from asya_transport.dead_letters.redrive import count_dead_letters

    environment = find_broker(home)
    known = [actor.name for actor in mesh.status(home).actors]

    async def count(
        _transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", _stopping: "asyncio.Event"
    ) -> dict[str, int]:
        found = await count_dead_letters(admin, queues.prefix, [queues.queue(name) for name in known])
        return {queues.actor(name).removesuffix(DLQ_SUFFIX): count for name, count in found.items()}

    counts = on_broker(environment, count)
    rows = [(actor, count) for actor, count in counts.items() if count]
    if console.as_json:
        console.result({"actors": [{"actor": actor, "dead_letters": count} for actor, count in rows]})
    elif rows:
        console.table(("ACTOR", "DEAD LETTERS"), [(actor, str(count)) for actor, count in rows])
    else:
        console.note(f"no dead letters in {len(counts)} dead letter queues")


def _browse(actor: str, where: "Sequence[Condition]", limit: int, home: Path) -> "Listing":
    from asya_cli.running_mesh import find_broker, on_broker
    from asya_transport.dead_letters.redrive import Selection, browse

    def look(
        transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", stopping: "asyncio.Event"
    ) -> "Awaitable[Listing]":
        chosen = Selection(where=where, stopping=stopping)
        return browse(transport, admin, queues.dlq(actor), limit=limit, selection=chosen)

    listing = on_broker(find_broker(home), look)
    if listing.interrupted:
        sys.exit(INTERRUPTED)
    return listing


def _act(
    console: Console,
    home: Path,
    work: "Callable[[Transport, QueueAdmin, QueueNames, Selection], Awaitable[Tally]]",
    *,
    where: "tuple[Condition, ...]",
    rate: float | None,
    dry_run: bool,
    verb: str,
) -> None:
    from asya_cli.dlq_words import tally_lines
    from asya_cli.running_mesh import find_broker, on_broker
    from asya_transport.dead_letters.documents import tally_document
    from asya_transport.dead_letters.redrive import Selection

    with console.progress(verb) as say:
        due_s = time.monotonic() + SAY_EVERY_S

        def progress(tally: "Tally") -> None:
            nonlocal due_s
            if time.monotonic() >= due_s:
                say(f"{tally.matched if dry_run else tally.done} {verb} of about {tally.expected}")
                due_s = time.monotonic() + SAY_EVERY_S

        def perform(
            transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", stopping: "asyncio.Event"
        ) -> "Awaitable[Tally]":
            chosen = Selection(where=where, rate=rate, dry_run=dry_run, stopping=stopping, progress=progress)
            return work(transport, admin, queues, chosen)

        tally = on_broker(find_broker(home), perform)
    console.result(tally_document(tally, verb, dry_run), list(tally_lines(tally, verb, dry_run)))
    if tally.trouble is not None:
        known = translate(tally.trouble)
        console.note(f"error: {known.cause}")
        sys.exit(known.exit_code)
    if tally.interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(ExitCode.FAILED if tally.failed else ExitCode.SUCCESS)
