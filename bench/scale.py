"""How cost grows: with the number of actors, and with the size of a payload.

Actors share one process and one runtime here, so that what one more pipeline costs can be seen alone; in a cluster each has
a sidecar and a runtime of its own, whose memory ``bench.hop`` measures. ``python -m bench.scale [--full]``.
"""

import argparse
import asyncio
import resource
import time
from collections.abc import Mapping
from typing import Final

from bench.brokers import RabbitMqServer
from bench.embedded import open_mesh
from bench.envelopes import envelope
from bench.figures import Report, slope
from bench.one_hop import OneHop
from bench.run import resident_mib, run_apart
from lab.servers.memory import memory_broker

ACTORS: Final = (1, 10, 100)
SIZES_KIB: Final = (1, 16, 64, 256, 1024)
JOBS: Final = 10_000
IDLE_S: Final = 5.0
VOLUME_KIB: Final = 100 * 1024
"""What is sent of each size at most, so that large ones do not take minutes."""
FEWEST, MOST = 100, 3_000


async def idle(actors: int, seconds: float) -> tuple[float, float]:
    """Let actors wait for work; returns the share of a core that they use, and the process's memory in MiB."""
    async with open_mesh([f"bench-{number}" for number in range(actors)]) as mesh:
        await mesh.start()
        await asyncio.sleep(1.0)
        began_s = time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - began_s) / seconds, resident_mib()


def measure_actors(report: Report, jobs: int, idle_s: float) -> None:
    """The same number of envelopes over more and more actors, and the same actors idle."""
    idle_cpu: list[tuple[float, float]] = []
    memory: list[tuple[float, float]] = []
    for actors in ACTORS:
        run = run_apart("bench.embedded", str(jobs), f"--actors={actors}")
        report.add(f"{actors} actors: throughput of all", run.per_s, "envelopes/s")
        report.add(f"{actors} actors: CPU per 1,000 envelopes", run.cpu_s / jobs * 1000, "s")
        share, mib = asyncio.run(idle(actors, idle_s))
        idle_cpu.append((actors, share))
        memory.append((actors, mib))
        report.add(f"{actors} actors: idle CPU", share * 100, "% of a core")
    report.add("one more actor: idle CPU", slope(idle_cpu) * 100, "% of a core")
    report.add("one more actor: memory of its pipeline", slope(memory) * 1024, "KiB")


async def measure_sizes(report: Report, case: str, environ: Mapping[str, str]) -> None:
    """One hop with larger and larger payloads."""
    for size in SIZES_KIB:
        count = min(max(VOLUME_KIB // size, FEWEST), MOST)
        body = envelope(0, {"text": "x" * size * 1024})
        async with OneHop(environ) as hop:
            for start in range(0, count, 20):
                await hop.fill([body] * min(20, count - start))
            result = await hop.throughput(count, poll_s=0.01)
            report.add(f"{case}, {size} KiB: throughput", result.per_s, "envelopes/s")
            report.add(f"{case}, {size} KiB: volume", result.per_s * size / 1024, "MiB/s")
            report.add(f"{case}, {size} KiB: CPU of the sidecar per 1,000", result.cpu_s["sidecar"] * 1000, "s")
            report.add(f"{case}, {size} KiB: memory of the sidecar", result.resident_mib["sidecar"], "MiB")


def measure(report: Report, *, full: bool = False) -> None:
    """Actors, then sizes on two transports."""
    allow_files()
    report.conditions.update(actors=ACTORS, sizes_kib=SIZES_KIB)
    measure_actors(report, 4 * JOBS if full else JOBS, 4 * IDLE_S if full else IDLE_S)
    with memory_broker() as environ:
        asyncio.run(measure_sizes(report, "memory", environ))
    with RabbitMqServer() as server:
        asyncio.run(measure_sizes(report, "quorum", {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": server.url}))


def allow_files() -> None:
    """Raise the limit of open files as far as this user may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="How cost grows with actors and payloads.")
    parser.add_argument("--full", action="store_true", help="longer runs")
    chosen = parser.parse_args()
    report = Report("scale")
    measure(report, full=chosen.full)
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
