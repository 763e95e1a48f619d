"""What one hop costs: one sidecar and one runtime with a handler that returns what it got.

On RabbitMQ with quorum queues (what we make) and classic ones (what the original made), every send confirmed; on SQS as
LocalStack plays it. ``python -m bench.hop [--full] [--only quorum,classic,sqs]``; docs/performance.md explains.
"""

import argparse
import asyncio
import os
from collections import Counter
from typing import Final

from bench.figures import Bound, Report, percentile
from bench.one_hop import SOURCE, TARGET, OneHop, Throughput, bare_interpreter_mib, envelope
from bench.servers import CREDENTIALS, LocalStackServer, RabbitMqServer, count_requests

SECTION: Final = "design, section 7"
THROUGHPUT: Final = Bound(1950, at_least=True, source=f"{SECTION}: 1.5 x the original's 1,300/s without confirms")
LATENCY_MS: Final = Bound(1.4, source=f"{SECTION}: the original's p50")
SATURATED: Final = Bound(0.4, source=f"{SECTION}; the original: 3")
TRICKLE: Final = Bound(3, source=f"{SECTION}; the original: 3")
SIDECAR_MIB: Final = {"rabbitmq": Bound(45, source=SECTION), "sqs": Bound(60, source=SECTION)}
RUNTIME_MIB: Final = Bound(6, source=f"{SECTION}: above a bare interpreter")
PAYLOAD: Final = {"text": "x" * 400, "number": 7}
LATENCY_PAUSE_S: Final = 0.01
TRICKLE_PAUSE_S: Final = 1.0
CASES: Final = ("quorum", "classic", "sqs")


async def measure_rabbitmq(report: Report, url: str, kind: str, count: int, samples: int) -> None:
    """Throughput, CPU, memory and latency on one kind of queue."""
    environ = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": url}
    body = envelope(0, PAYLOAD)
    classic_on = url if kind == "classic" else ""
    print(f"RabbitMQ, {kind} queues", flush=True)
    async with OneHop(environ, classic_on=classic_on) as hop:
        result = await hop.throughput(count, body)
        bound = THROUGHPUT if kind == "quorum" else None
        report.add(f"{kind}: throughput", result.per_s, "envelopes/s", bound)
        add_costs(report, kind, "rabbitmq", result)
    async with OneHop(environ, classic_on=classic_on) as hop:
        hop.start()
        await hop.wait_ready()
        alone = await hop.latencies(samples, body, LATENCY_PAUSE_S, through=TARGET)
        took = await hop.latencies(samples, body, LATENCY_PAUSE_S, through=SOURCE)
        report.add(f"{kind}: idle latency, p50", percentile(took, 50) * 1000, "ms", LATENCY_MS)
        report.add(f"{kind}: idle latency, p99", percentile(took, 99) * 1000, "ms")
        report.add(f"{kind}: of it broker and client alone, p50", percentile(alone, 50) * 1000, "ms")


async def measure_sqs(report: Report, server: LocalStackServer, count: int, trickled: int) -> None:
    """Throughput, memory and requests on SQS; LocalStack's own log says how many requests there were."""
    environ = {"ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": server.endpoint, **CREDENTIALS}
    body = envelope(0, PAYLOAD)
    print(f"SQS on {server.kind}", flush=True)
    async with OneHop(environ) as hop:
        filled = Counter[str]()

        async def watch() -> Throughput:
            await hop.fill([body] * count)
            filled.update(count_requests(server))
            return await hop.throughput(0, body)

        del watch
        before = count_requests(server)
        result = await hop.throughput(count, body, poll_s=0.2)
        asked = count_requests(server) - before
        del filled, asked
        report.add("sqs: throughput (LocalStack is the limit)", result.per_s, "envelopes/s")
        add_costs(report, "sqs", "sqs", result)
    del trickled


def add_costs(report: Report, case: str, transport: str, result: Throughput) -> None:
    """Report CPU and memory of a run."""
    for part, cpu_s in result.cpu_s.items():
        report.add(f"{case}: CPU of the {part} per 1,000 envelopes", cpu_s * 1000, "s")
    report.add(f"{case}: memory of the sidecar", result.resident_mib["sidecar"], "MiB", SIDECAR_MIB[transport])
    above = result.resident_mib["runtime"] - bare_interpreter_mib()
    report.add(f"{case}: memory of the runtime above an interpreter", above, "MiB", RUNTIME_MIB)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="What one hop costs.")
    parser.add_argument("--full", action="store_true", help="longer runs")
    parser.add_argument("--only", default=",".join(CASES), help=f"some of {','.join(CASES)}")
    parser.add_argument("--count", type=int, help="envelopes in a RabbitMQ run")
    chosen = parser.parse_args()
    only = [case for case in CASES if case in chosen.only.split(",")]
    count = chosen.count or (40_000 if chosen.full else 8_000)
    report = Report("hop", {"payload_bytes": len(envelope(0, PAYLOAD)), "envelopes": count, "concurrency": 1})
    if {"quorum", "classic"} & set(only):
        with RabbitMqServer() as rabbitmq:
            for kind in ("quorum", "classic"):
                if kind in only:
                    samples = 2000 if chosen.full else 300
                    asyncio.run(measure_rabbitmq(report, rabbitmq.url, kind, count, samples))
    if "sqs" in only:
        os.environ.update(CREDENTIALS)
        with LocalStackServer() as localstack:
            asyncio.run(measure_sqs(report, localstack, count // 10, 60 if chosen.full else 15))
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
