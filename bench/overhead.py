"""What it costs to be seen: metrics and traces on and off, by turns in one run, so that a busy machine spoils all alike.

``python -m bench.overhead [--full]``. The witness is the CPU that a sidecar uses for an envelope: throughput beside it is what
others on the machine leave. Of several runs the one that took least counts, as others only ever add. "again" is the first case
once more: what differs there is noise, and less than that is no finding. ``watching`` measures the same part by part, which a
busy machine spoils far less, and there metrics are held to their bound: they are counted though nobody shows them.
"""

import argparse
import asyncio
import statistics
from collections.abc import Mapping
from typing import Final

from bench.envelopes import PAYLOAD, envelope
from bench.figures import Bound, Report
from bench.one_hop import OneHop, Throughput
from bench.watching import counting_us, off_mib, recorded_us, unrecorded_us
from lab.servers.memory import memory_broker
from lab.servers.otlp import OtlpReceiver

BASE: Final = "as installed"
METRICS: Final = Bound(3, source="metrics on against off")
TENTH: Final = Bound(5, source="10 % sampling")
MEMORY: Final = Bound(4, source="tracing off")


def cases(collector: str) -> dict[str, Mapping[str, str]]:
    """Variables of the sidecar, by name; the first is what the others are held against."""
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
    return {
        BASE: {},
        "again": {},
        "metrics page off": {"ASYA_METRICS_ENABLED": "false"},
        "traces, 10 %": {**traces, "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        "traces, all": {**traces, "OTEL_TRACES_SAMPLER_ARG": "1"},
    }


async def measure_overhead(report: Report, *, count: int, rounds: int) -> None:
    """Run every case so often, by turns, on a memory broker."""
    found: dict[str, list[Throughput]] = {}
    with memory_broker() as environ, OtlpReceiver() as collector:
        for number in range(rounds):
            for name, settings in cases(collector.http_url).items():
                async with OneHop(environ, **settings) as hop:
                    await hop.fill([envelope(0, PAYLOAD)] * count)
                    found.setdefault(name, []).append(await hop.throughput(count))
                    print(f"round {number + 1}: {name}: {found[name][-1].per_s:.0f}/s", flush=True)
        report.add("traces: spans that came", len(collector.spans), "spans")
    base = found[BASE]
    report.add(f"{BASE}: CPU of the sidecar", _cpu_us(base), "us per envelope")
    report.add(f"{BASE}: private memory of the sidecar", _mib(base), "MiB")
    _by_parts(report, _cpu_us(base))
    for name, runs in found.items():
        if name == BASE:
            continue
        sign = -1 if name.endswith("off") else 1  # said as what having them costs
        costs = sign * (_cpu_us(runs) / _cpu_us(base) - 1) * 100
        report.add(f"{name}: CPU of the sidecar", costs, "% of as installed", TENTH if name == "traces, 10 %" else None)
        report.add(f"{name}: throughput", sign * (1 - _per_s(runs) / _per_s(base)) * 100, "% less")
        report.add(f"{name}: private memory", _mib(runs) - _mib(base), "MiB more")


def _by_parts(report: Report, base_us: float) -> None:
    """What the parts add up to, against a hop as installed, which has its metrics and no traces."""
    counted, passed, recorded = counting_us(), unrecorded_us(), recorded_us()
    report.add("parts: metrics of an envelope", counted, "us")
    report.add("parts: an envelope that is not recorded", passed, "us")
    report.add("parts: an envelope that is recorded", recorded, "us")
    report.add("parts: memory for traces that are off", off_mib(), "MiB", MEMORY)
    report.add("parts: metrics", counted / (base_us - counted) * 100, "% of a hop", METRICS)
    tenth = 0.9 * passed + 0.1 * recorded
    report.add("parts: traces, 10 %", tenth / base_us * 100, "% of a hop", TENTH)


def _cpu_us(runs: list[Throughput]) -> float:
    return min(run.cpu_s["sidecar"] for run in runs) * 1e6


def _per_s(runs: list[Throughput]) -> float:
    return max(run.per_s for run in runs)


def _mib(runs: list[Throughput]) -> float:
    return statistics.median(run.private_mib["sidecar"] for run in runs)


def measure(report: Report, *, full: bool) -> None:
    """Run all of it."""
    asyncio.run(measure_overhead(report, count=20_000 if full else 4_000, rounds=5 if full else 3))


def main() -> None:
    """Run it alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs, for figures that are kept")
    report = Report("overhead")
    measure(report, full=parser.parse_args().full)
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
