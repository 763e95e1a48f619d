"""``asya top``: a live table of the mesh's actors."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from asya_cli.console import Console, draw_table
from asya_cli.options import home_option, json_option

if TYPE_CHECKING:
    from asya_local.mesh import ActorStatus, MeshStatus

COLUMNS: Final = ("ACTOR", "STATUS", "REPLICAS", "QUEUED", "IN-FLIGHT", "RATE", "P50", "OLDEST")
BEAT_S: Final = 1.0
"""The mesh leaves a new status once a second."""


@click.command(short_help="Watch actors at work.")
@click.option("--once", is_flag=True, help="Print one plain table and end, as without a terminal.")
@home_option
@json_option
def top(*, once: bool, home: Path, as_json: bool) -> None:
    """Watch every actor of the running mesh until Ctrl-C.

    RATE: envelopes finished per second. P50: median time of handler calls. Both over the last ten seconds. OLDEST: how long
    the first envelope of the queue has been waiting, worked out from what arrived and what was taken, because brokers tell
    it late (SQS, through CloudWatch) or not at all.
    """
    from asya_cli.running_mesh import require_mesh
    from asya_local import mesh

    require_mesh(home)
    console = Console(as_json=as_json)
    if as_json:
        console.result(mesh.status(home).as_json())
    elif once or not sys.stdout.isatty():
        found = mesh.status(home)
        console.table(COLUMNS, [top_row(actor) for actor in found.actors])
        for note in notes(found):
            console.note(note)
    else:
        _watch(home)


def top_row(actor: "ActorStatus") -> tuple[str, ...]:
    """Write one actor as a row under ``COLUMNS``."""
    return (
        actor.name,
        actor.status,
        f"{actor.replicas}/{actor.desired}",
        str(actor.queued),
        str(actor.in_flight),
        write_rate(actor.rate),
        write_seconds(actor.p50_s),
        write_seconds(actor.oldest_s),
    )


def write_rate(rate: float) -> str:
    """Write a rate with two significant digits where it is low: one envelope a minute is not none."""
    return "-" if rate <= 0 else f"{rate:.2g}/s" if rate < 10 else f"{rate:.0f}/s"


def write_seconds(seconds: float | None) -> str:
    """Write a time in the unit that a person would choose."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def notes(found: "MeshStatus") -> list[str]:
    """What a person should know beside the figures."""
    return [
        *(f"{actor.name}: {actor.message}" for actor in found.actors if actor.message),
        *filter(None, [found.message]),
    ]


def _watch(home: Path) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from asya_cli.running_mesh import require_mesh
    from asya_local import mesh

    def draw() -> Group:
        found = mesh.status(home)
        title = f"{home} on {found.transport}, {time.strftime('%H:%M:%S')}; Ctrl-C ends"
        table = draw_table(COLUMNS, [top_row(actor) for actor in found.actors])
        return Group(Text(title, style="dim"), table, *(Text(note) for note in notes(found)))

    try:
        with Live(draw(), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(BEAT_S)
                require_mesh(home)  # it may have been taken down meanwhile
                live.update(draw(), refresh=True)
    except KeyboardInterrupt:
        return  # the one way to end it is no failure
