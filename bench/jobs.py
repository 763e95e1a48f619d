"""No-op jobs through the embedded mesh and through its peers, in one run: who does how many per second?

Every line is a process of its own that starts from a filled queue and is measured from the first job to the last.
Enqueueing is measured apart. ``python -m bench.jobs [--jobs N] [--without-peers]``; docs/performance.md explains.
"""

import argparse
import importlib.util
import time
from dataclasses import dataclass
from typing import Final

from bench.brokers import RabbitMqServer
from bench.embedded import HANDLERS
from bench.figures import SECTION, Bound, Report
from bench.run import run_apart
from tests.support.runtime_process import envelope, running

JOBS: Final = 20_000
FIRST: Final = Bound(1, at_least=True, source=f"{SECTION}: the first of all in one process")
OTHER_PROCESS, SAME_PROCESS = "job in a process of its own", "job in the worker's process"


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table; each peer has the setting of its own that was fastest.

    Attributes:
        name: For people.
        arguments: Module and its arguments, the number of jobs left out.
        shape: Where broker and job live.
        url: Whether it needs RabbitMQ.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    shape: str
    url: bool = False


MESH: Final = (
    Contender("mesh, 1 call at once", "bench.embedded", (), f"{OTHER_PROCESS}, output sent on"),
    Contender("mesh, 4 calls at once", "bench.embedded", ("--concurrency=4",), f"{OTHER_PROCESS}, output sent on"),
)
PEERS: Final = (
    Contender("Dramatiq StubBroker, 8 threads", "bench.peers", ("dramatiq", "--threads=8"), SAME_PROCESS),
    Contender("Taskiq InMemoryBroker", "bench.peers", ("taskiq",), f"{SAME_PROCESS}, no queue: a kick runs it"),
    Contender("Celery memory, solo", "bench.peers", ("celery",), SAME_PROCESS),
    Contender("Dramatiq RabbitMQ, 8 threads", "bench.peers", ("dramatiq", "--threads=8"), SAME_PROCESS, url=True),
    Contender("Taskiq RabbitMQ, 100 at once", "bench.peers", ("taskiq", "--threads=100"), SAME_PROCESS, url=True),
    Contender("Celery RabbitMQ, solo", "bench.peers", ("celery",), SAME_PROCESS, url=True),
)


def bare_calls_per_s(calls: int) -> float:
    """Call the runtime over its socket with nothing around it: what no mesh with one call at once can exceed."""
    with running("bench_handlers.echo", environ={"PYTHONPATH": HANDLERS}) as runtime, runtime.connect() as client:
        client.hello()
        client.call_2(envelope(None))
        began_s = time.perf_counter()
        for _ in range(calls):
            client.call_2(envelope(None))
        return calls / (time.perf_counter() - began_s)


def measure(report: Report, *, jobs: int = JOBS, peers: bool = True) -> None:
    """Run everyone, one after the other; embedded brokers first."""
    report.conditions.update(jobs=jobs, payload_bytes=0)
    print(f"{jobs} no-op jobs")
    report.add("runtime alone, called over its socket", bare_calls_per_s(min(jobs, 5000)), "calls/s", note="no mesh")
    best_mesh = max(run_one(report, contender, jobs, "") for contender in MESH)
    if not peers:
        return
    best_peer = max(run_one(report, contender, jobs, "") for contender in PEERS if not contender.url)
    report.add("embedded mesh beside the best embedded peer", best_mesh / best_peer, "x", FIRST)
    with RabbitMqServer() as server:
        for contender in PEERS:
            if contender.url:
                run_one(report, contender, jobs, server.url)


def run_one(report: Report, contender: Contender, jobs: int, url: str) -> float:
    """Run one contender and report it; returns its jobs per second."""
    kind, *options = contender.arguments if contender.module == "bench.peers" else ("", *contender.arguments)
    more = [f"--url={url}"] if url else []
    run = run_apart(contender.module, *([kind] if kind else []), str(jobs), *options, *more)
    name = contender.name
    report.add(name, run.per_s, "jobs/s", note=contender.shape)
    if run.enqueue_s:
        report.add(f"{name}: enqueueing", jobs / run.enqueue_s, "jobs/s")
    report.add(f"{name}: CPU per 1,000", run.cpu_s / jobs * 1000, "s")
    report.add(f"{name}: memory", run.resident_mib, "MiB")
    return run.per_s


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="No-op jobs through the embedded mesh and its peers.")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--without-peers", action="store_true")
    chosen = parser.parse_args()
    missing = importlib.util.find_spec("dramatiq") is None
    if missing and not chosen.without_peers:
        parser.error("the peers are not installed here; run: make bench, or add --without-peers")
    report = Report("jobs")
    measure(report, jobs=chosen.jobs, peers=not chosen.without_peers)
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
