"""``asya limits``, ``asya pause`` and ``asya resume``: how limits stand, and letting nobody in for a while."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest, ExitCode, MeshNotRunning
from asya_cli.options import Command, Duration, home_option, json_option
from asya_cli.up_words import up_words

if TYPE_CHECKING:
    from asya_store.limits.limiter import Limiter, Standing

T = TypeVar("T")
COLUMNS = ("LIMIT", "KEY", "CALLS/MIN", "COST/MIN", "RUNNING", "LINE", "PAUSED", "REASON")


def _store_option(command: Command) -> Command:
    return click.option(
        "--store", "url", envvar="ASYA_LIMITS_URL", metavar="URL",
        help="Where limits count, e.g. postgresql://user@host/database; otherwise the local mesh's file.",
    )(command)  # fmt: skip


def _key_option(command: Command) -> Command:
    return click.option("--key", metavar="KEY", help="This key alone; otherwise all of them.")(command)


@click.command(short_help="Show how limits stand.")
@_store_option
@home_option
@json_option
def limits(*, url: str | None, home: Path, as_json: bool) -> None:
    """Show every limit and key that was used within the last hour, or is paused."""
    console = Console(as_json=as_json)
    found = _ask(url, home, lambda limiter: limiter.standings())
    if as_json:
        console.result([_document(each) for each in found])
    elif found:
        console.table(COLUMNS, [_row(each) for each in found])
    else:
        console.note("no limit was used within the last hour, and none is paused")


@click.command(short_help="Let no call in at a limit.")
@click.argument("name")
@click.option("--for", "for_s", type=Duration(), metavar="DURATION", help="Ends by itself, e.g. after 10m.")
@click.option("--reason", default="paused by hand", show_default=True, help="Shown to whoever asks why.")
@_key_option
@_store_option
@home_option
@json_option
def pause(
    *, name: str, key: str | None, for_s: float | None, reason: str, url: str | None, home: Path, as_json: bool
) -> None:
    """Pause the limit NAME: calls under way go on, no other begins, and envelopes wait at no cost."""
    _ask(url, home, lambda limiter: limiter.pause(name, key, for_s, reason))
    until = "until asya resume" if for_s is None else f"for {for_s:g} s"
    Console(as_json=as_json).result(
        {"name": name, "key": key, "paused": True, "for_s": for_s}, f"{_named(name, key)}: paused {until}"
    )


@click.command(short_help="End the pause of a limit.")
@click.argument("name")
@_key_option
@_store_option
@home_option
@json_option
def resume(*, name: str, key: str | None, url: str | None, home: Path, as_json: bool) -> None:
    """End the pause of the limit NAME; exit code 1 when it was not paused. Waiting envelopes look again within 30 s."""
    was_paused = _ask(url, home, lambda limiter: limiter.resume(name, key))
    words = "resumed" if was_paused else "was not paused"
    Console(as_json=as_json).result(
        {"name": name, "key": key, "paused": False, "was_paused": was_paused}, f"{_named(name, key)}: {words}"
    )
    sys.exit(ExitCode.SUCCESS if was_paused else ExitCode.FAILED)


def _ask(url: str | None, home: Path, work: "Callable[[Limiter], Awaitable[T]]") -> T:
    import asyncio

    from asya_local import mesh
    from asya_local.limit_states import limits_url
    from asya_protocol.errors import StoreUnavailable
    from asya_store.limits.factory import MEMORY, open_limits
    from asya_store.limits.limiter import Limiter

    if not url:
        if mesh.find(home) is None:
            cause = f"no mesh is running in {home}, and neither --store nor ASYA_LIMITS_URL says where limits count"
            raise MeshNotRunning(cause, up_words())
        url = limits_url(home)
    if url == MEMORY:
        raise BadRequest("limits in memory are known to their own sidecar alone", "name the store: --store URL")

    async def ask(address: str) -> T:
        try:
            limiter = Limiter(open_limits(address))
        except ValueError as exc:
            raise BadRequest(f"--store: {exc}") from None
        try:
            return await work(limiter)
        finally:
            await limiter.close()

    try:
        return asyncio.run(ask(url))
    except StoreUnavailable as exc:
        raise MeshNotRunning(str(exc), "look whether it runs, and whether --store leads there") from exc


def _named(name: str, key: str | None) -> str:
    return name if key is None else f"{name} for {key!r}"


def _row(standing: "Standing") -> tuple[str, ...]:
    paused = standing.paused_s
    return (
        standing.name,
        "(all)" if standing.key is None else standing.key or "-",
        str(standing.calls),
        f"{standing.cost:g}",
        str(standing.running),
        f"{standing.waits_s:.0f} s" if standing.waits_s else "-",
        "until resumed" if paused is None else f"{paused:.0f} s" if paused else "-",
        standing.reason or "-",
    )


def _document(standing: "Standing") -> dict[str, object]:
    return {
        "name": standing.name,
        "key": standing.key,
        "calls_last_minute": standing.calls,
        "cost_last_minute": standing.cost,
        "running": standing.running,
        "line_s": round(standing.waits_s, 3),
        "paused": standing.paused_s is None or standing.paused_s > 0,
        "paused_for_s": standing.paused_s,
        "reason": standing.reason,
    }
