"""``make demo``: a whole mesh on this machine counts the complexity of its own Python standard library.

Ends with one line, ``demo: sent N, succeeded S, failed F, lost 0, in T s``, and with exit code 0 only if N = S + F, nothing
is lost and at least one file took the error path. The mesh is taken down in any case, but for ``--keep`` after a good end.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import sysconfig
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from board import Board
from ledger import Account, Results, broken_files, count_files, settle

from asya_cli.console import Console
from asya_cli.exit_codes import CommandError
from asya_cli.gateway_client import Gateway
from asya_cli.gateway_http import GatewayHttp
from asya_cli.result import wait_for_result
from asya_cli.running_mesh import broker_environment, deliver
from asya_cli.send import build_envelope
from asya_local import mesh
from asya_protocol.names import ERROR_END, FAN_IN, HAPPY_END, HEADER_MISSING, HEADER_ON_MISSING

HERE = Path(__file__).parent
ROUTE = ("modules", "parse", "grade")
TOTALS_ROUTE = (*ROUTE, FAN_IN, "totals")
TOTALS_LIMIT = 30
POLL_S = 0.1
# Two show that it scales; each one more is two processes to start, which pays only where a core is free for it.
MAX_REPLICAS = max(2, os.cpu_count() or 1)
LOOK_S = 1.0
NAP_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Census:
    """One run of the demo: what is counted, and where the mesh lives."""

    home: Path
    root: Path
    limit: int
    transport: str
    endpoint: str | None
    patience_s: float
    keep: bool = False


def main() -> None:
    """Run the demo; see the module's docstring for what its end means."""
    parser = argparse.ArgumentParser(description="Count the complexity of Python's standard library with a mesh.")
    parser.add_argument("--limit", type=int, default=100, help="how many files (default: %(default)s)")
    parser.add_argument("--home", type=Path, default=Path(".asya-demo"), help="folder for the mesh's state")
    parser.add_argument(
        "--transport",
        choices=("memory", "sqs"),
        default="memory",
        help="memory: a broker and a folder of this machine's own, there at once; sqs: SQS and S3 on LocalStack",
    )
    parser.add_argument("--endpoint", help="with sqs: an endpoint that already runs, instead of starting LocalStack")
    parser.add_argument("--trace", action="store_true", help="print the trace of one envelope at the end")
    parser.add_argument("--keep", action="store_true", help="leave the mesh up at the end, with its console and charts")
    parser.add_argument("--patience", type=float, default=400.0, help="give up after so many seconds without an end")
    arguments = parser.parse_args()
    root = Path(sysconfig.get_path("stdlib"))
    census = Census(
        arguments.home.absolute(),
        root,
        arguments.limit,
        arguments.transport,
        arguments.endpoint,
        arguments.patience,
        arguments.keep,
    )
    # Whoever ends the demo politely (a CI host's time limit) gets the mesh taken down too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts background commands with SIGINT ignored; the mesh must come down all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        account = run_traced(census) if arguments.trace else run(census)
    except KeyboardInterrupt:
        sys.exit(130)
    except (mesh.MeshError, CommandError) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
    elapsed_s = time.monotonic() - started
    print(
        f"demo: sent {account.sent}, succeeded {len(account.succeeded)}, failed {len(account.failed)}, "
        f"lost {len(account.lost)}, in {elapsed_s:.1f} s"
    )
    sys.exit(0 if account.balanced and account.failed else 1)


def run_traced(census: Census) -> Account:
    """Run with a collector in this process, and print what it got of the envelope that fan-in joined."""
    from trace_tree import Collector

    with Collector() as collector:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "500"
        account = run(census)  # its end takes the sidecars down, which send what they have
        print(collector.tree("asya-totals"))
    return account


def run(census: Census) -> Account:
    """Bring the mesh up, send, watch, account, and take it down whatever happens."""
    if census.home.exists():
        # A run that was killed outright may have left its mesh behind.
        mesh.down(census.home, say)
        shutil.rmtree(census.home)
    try:
        options = mesh.UpOptions(
            manifests=(HERE / "actors.yaml",), transport=census.transport, home=census.home, source=None,
            endpoint=census.endpoint, rabbitmq_url=None, rabbitmq_management_url=None, max_replicas=MAX_REPLICAS,
        )  # fmt: skip
        started = time.monotonic()
        info = mesh.up(options, say)
        say(f"the mesh is up after {time.monotonic() - started:.1f} s")
        for note in info.notes:
            say(note)
        say(f"watch it in the console: {info.gateway_url}/ (its token: {info.gateway_token_file})")
        account = feed(census, info)
        if not account.balanced or not account.failed:
            explain(census, account)
    except (mesh.MeshError, CommandError, OSError):
        show_logs(census)
        raise
    finally:
        kept = census.keep and sys.exc_info()[0] is None
        if not kept:
            mesh.down(census.home, say)
    print_most_complex(account)
    charts = f"{info.gateway_url}/#/charts"
    if kept:
        say(f"its charts, with the token in {info.gateway_token_file}: {charts}")
        say(f"it is up until: asya local down --home {census.home}")
    else:
        say(f"its charts were at {charts}; DEMO_ARGS=--keep leaves mesh and charts there")
    return account


def feed(census: Census, info: mesh.MeshInfo) -> Account:
    """Call one tool, watch until every child of its envelope has an end, and account for them.

    Raises:
        MeshError: The gateway says otherwise of an end than the crew.
    """
    environment = broker_environment(info)
    results = Results(environment)
    extra = [] if broken_files(census.root) else [stand_in_file(census)]
    sent = count_files(census.root, census.limit, len(extra))
    say(f"one envelope to {' -> '.join(ROUTE)}; it becomes {sent}, one per file of {census.root}")
    gateway = Gateway(GatewayHttp(info.gateway_url, info.gateway_token_file.read_text(encoding="utf-8").strip()))
    envelope_id = gateway.call("census", {"root": str(census.root), "limit": census.limit, "extra": extra})
    board = Board()
    with board:
        watch(census, board, results, sent)
        account = settle(sent, envelope_id, *results.read())
    if account.balanced:
        compare(gateway, account, census.patience_s)
        print_totals(ask_totals(census, environment))
        with board:
            nap(census, board)
        board.summary()
    return account


def compare(gateway: Gateway, account: Account, patience_s: float) -> None:
    """Hold what the gateway heard of every envelope against what the crew has persisted.

    Raises:
        MeshError: An end differs, or did not come.
    """
    for envelope_id in (*account.succeeded, *account.failed):
        status = "succeeded" if envelope_id in account.succeeded else "failed"
        try:
            *_, last = gateway.follow(envelope_id, patience_s)
        except (CommandError, TimeoutError) as error:
            raise mesh.MeshError(f"the gateway does not tell the end of {envelope_id}: {error}") from error
        if last.end is None or last.end.status != status:
            raise mesh.MeshError(f"the gateway says of {envelope_id}: {last.document}, the crew {status}")
    say(f"the gateway knows all {account.sent} ends too")


def ask_totals(census: Census, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Send one more envelope whose children fan-in joins again, those that do not parse left out, and wait for the sum.

    Raises:
        MeshError: It did not come, or the sum is not of the files that were asked for.
    """
    limit = min(census.limit, TOTALS_LIMIT)
    payload = json.dumps({"root": str(census.root), "limit": limit}).encode()
    envelope_id = f"totals-{uuid.uuid4().hex[:8]}"
    headers = {HEADER_ON_MISSING: "partial"}
    envelope = build_envelope(TOTALS_ROUTE, payload, envelope_id=envelope_id, headers=headers, deadline=None)
    say(f"one more to {' -> '.join(TOTALS_ROUTE)}: {limit} files, split and joined again")
    deliver(environment, TOTALS_ROUTE[0], envelope.dump())
    found = wait_for_result(environment, envelope_id, census.patience_s, Console(as_json=False))
    if not found.succeeded:
        raise mesh.MeshError(f"totals: {found.envelope.get('payload')}")
    missing = found.envelope.get("headers", {}).get(HEADER_MISSING, [])
    totals: Mapping[str, Any] = found.envelope["payload"]
    if totals["modules"] + len(missing) != limit:
        raise mesh.MeshError(
            f"totals of {totals['modules']} modules and {len(missing)} missing are not of {limit} files"
        )
    return {**totals, "missing": len(missing)}


def watch(census: Census, board: Board, results: Results, sent: int) -> None:
    """Show the mesh until as many envelopes have ended as were sent, or patience does.

    The mesh's own figures are for the eye; what counts is in the store, which is asked seldom enough not to slow the mesh down.
    """
    deadline = time.monotonic() + census.patience_s
    look_at = 0.0
    while time.monotonic() < deadline:
        actors = mesh.status(census.home).actors
        done = {actor.name: actor.done for actor in actors}
        happy, error = done.get(HAPPY_END, 0), done.get(ERROR_END, 0)
        board.show(actors, f"{happy + error} of {sent} ended")
        if happy + error >= sent or time.monotonic() > look_at:
            if sum(results.count()) >= sent:
                return
            look_at = time.monotonic() + LOOK_S
        time.sleep(POLL_S)


def nap(census: Census, board: Board) -> None:
    """Show the mesh until the actors of the route have scaled back to zero.

    Raises:
        MeshError: They have not.
    """
    deadline = time.monotonic() + NAP_LIMIT_S
    while time.monotonic() < deadline:
        actors = mesh.status(census.home).actors
        board.show(actors, "all done; waiting for the actors to nap")
        if all(actor.replicas == 0 for actor in actors if actor.name in ROUTE):
            return
        time.sleep(POLL_S)
    raise mesh.MeshError(f"the actors did not scale back to zero within {NAP_LIMIT_S:g} s")


def stand_in_file(census: Census) -> str:
    """Write a file that does not parse, where the installation leaves its broken test files out."""
    path = census.home / "made" / "broken_on_purpose.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("def broken(:\n", encoding="utf-8")
    say(f"this Python ships no file that fails to parse; {path} stands in")
    return str(path)


def explain(census: Census, account: Account) -> None:
    """Say what does not add up, and show the logs that may tell why."""
    if not account.failed:
        say("no file took the error path")
    for text in (*(f"lost: {name}" for name in account.lost), *(f"unexpected: {text}" for text in account.unexpected)):
        say(text)
    show_logs(census)


def show_logs(census: Census) -> None:
    """Print the end of every log of the mesh."""
    try:
        for line in mesh.logs(census.home, None, follow=False, lines=30):
            print(line, file=sys.stderr)
    except (mesh.MeshError, OSError) as error:
        print(f"no logs: {error}", file=sys.stderr)


def print_most_complex(account: Account) -> None:
    """Print the ten most complex modules, as their payloads say."""
    graded = sorted((item["payload"] for item in account.succeeded.values()), key=lambda found: -found["complexity"])
    print("\nthe ten most complex modules:")
    for found in graded[:10]:
        print(
            f"  {found['complexity']:5}  {found['grade']}  {found['module']}"
            f" ({found['functions']} functions, {found['branches']} branches, {found['lines']} lines)"
        )
    print()


def print_totals(totals: Mapping[str, Any]) -> None:
    """Print what the second envelope became."""
    grades = ", ".join(f"{count} {grade}" for grade, count in totals["grades"].items())
    say(
        f"totals of {totals['modules']} modules ({totals['missing']} do not parse): {totals['lines']} lines, "
        f"{totals['functions']} functions, {totals['branches']} branches; grades: {grades}"
    )


def say(text: str) -> None:
    """Tell what goes on; where nobody reads on (`make demo | head`), the mesh has to come down all the same."""
    try:
        print(f"demo: {text}", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
