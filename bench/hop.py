"""What one hop costs: one sidecar and one runtime with a handler that returns what it got.

On RabbitMQ with quorum queues (what we make) and classic ones (what Asya 0.1.1 made), every send confirmed; on SQS as
LocalStack plays it. ``python -m bench.hop [--full] [--only memory,reports,quorum,classic,sqs]``; docs/performance.md explains.
"""

import argparse
import asyncio
import os
from collections import Counter
from typing import Final

from bench.brokers import CREDENTIALS, LocalStackServer, RabbitMqServer, count_requests
from bench.envelopes import PAYLOAD, envelope
from bench.figures import SECTION, Bound, Report, percentile
from bench.one_hop import SOURCE, TARGET, OneHop, Throughput, bare_interpreter_mib
from bench.reporting import measure_reports
from lab.servers.memory import memory_broker

THROUGHPUT: Final = Bound(1950, at_least=True, source=f"{SECTION}: 1.5 x Asya 0.1.1's 1,300/s", quoted=True)
LATENCY_MS: Final = Bound(1.4, source=f"{SECTION}: Asya 0.1.1's p50", quoted=True)
SATURATED: Final = Bound(0.4, source=f"{SECTION}; Asya 0.1.1: 3")
TRICKLE: Final = Bound(3, source=f"{SECTION}; Asya 0.1.1: 3")
SIDECAR_MIB: Final = {"rabbitmq": Bound(45, source=SECTION), "sqs": Bound(60, source=SECTION)}
RUNTIME_MIB: Final = Bound(6, source=f"{SECTION}: above a bare interpreter")
LATENCY_PAUSE_S: Final = 0.01
TRICKLE_PAUSE_S: Final = 1.0
CASES: Final = ("memory", "reports", "quorum", "classic", "sqs")
MOVING: Final = ("ReceiveMessage", "SendMessage", "DeleteMessage", "ChangeMessageVisibility")
"""Requests that move envelopes, batches included; measuring and making queues is this program's own doing."""


async def measure_memory(report: Report, environ: dict[str, str], count: int) -> None:
    """Throughput on a memory broker in a process of its own, as `asya local` has it."""
    print("memory broker in a process of its own", flush=True)
    async with OneHop(environ) as hop:
        await hop.fill([envelope(0, PAYLOAD)] * count)
        result = await hop.throughput(count)
        report.add("memory: throughput", result.per_s, "envelopes/s")
        add_costs(report, "memory", "", result)


async def measure_rabbitmq(report: Report, url: str, kind: str, count: int, samples: int) -> None:
    """Throughput, CPU, memory and latency on one kind of queue."""
    environ = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": url}
    body = envelope(0, PAYLOAD)
    classic_on = url if kind == "classic" else ""
    print(f"RabbitMQ, {kind} queues", flush=True)
    async with OneHop(environ, classic_on=classic_on) as hop:
        await hop.fill([body] * count)
        result = await hop.throughput(count)
        report.add(f"{kind}: throughput", result.per_s, "envelopes/s", THROUGHPUT if kind == "quorum" else None)
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
        await hop.fill([body] * count)
        before = count_requests(server)
        result = await hop.throughput(count, poll_s=0.2)
        moved = moving(count_requests(server) - before)
        report.add("sqs: throughput", result.per_s, "envelopes/s", note="LocalStack is the limit")
        add_costs(report, "sqs", "sqs", result)
        report.conditions["sqs_saturated_requests"] = dict(moved)
        report.add("sqs: requests per envelope and hop, saturated", requests_each(moved, count), "", SATURATED)
        await hop.fill([body])  # The sidecar waits in a long poll from here on.
        await hop.wait_outputs(count + 1, 0.2)
        before = count_requests(server)
        for _ in range(trickled):
            await asyncio.sleep(TRICKLE_PAUSE_S)
            await hop.fill([body])
        await hop.wait_outputs(count + 1 + trickled, 0.2)
        await asyncio.sleep(TRICKLE_PAUSE_S)  # The last deletion comes after the last output.
        moved = moving(count_requests(server) - before)
        report.conditions["sqs_trickle_requests"] = dict(moved)
        each = requests_each(moved, trickled)
        # One request per envelope was this producer's own send.
        report.add("sqs: requests per envelope and hop, trickle", each and each - 1, "", TRICKLE)


def moving(counts: Counter[str]) -> Counter[str]:
    """Keep the requests that move envelopes."""
    return Counter({name: count for name, count in counts.items() if name.removesuffix("Batch") in MOVING})


def requests_each(moved: Counter[str], envelopes: int) -> float | None:
    """Requests per envelope; ``None`` where the server keeps no log of them."""
    return moved.total() / envelopes if moved else None


def add_costs(report: Report, case: str, transport: str, result: Throughput) -> None:
    """Report CPU and memory of a run."""
    for part, cpu_s in result.cpu_s.items():
        report.add(f"{case}: CPU of the {part} per 1,000 envelopes", cpu_s * 1000, "s")
    report.add(f"{case}: memory of the sidecar", result.resident_mib["sidecar"], "MiB", SIDECAR_MIB.get(transport))
    resident, private = bare_interpreter_mib()
    above, own = result.resident_mib["runtime"] - resident, result.private_mib["runtime"] - private
    report.add(f"{case}: memory of the runtime above an interpreter, private", own, "MiB", RUNTIME_MIB)
    report.add(f"{case}: the same with what processes share", above, "MiB")


def measure(report: Report, *, full: bool = False, only: tuple[str, ...] = CASES, count: int = 0) -> None:
    """Measure the cases, each with servers of its own."""
    count = count or (40_000 if full else 8_000)
    report.conditions.update(payload_bytes=len(envelope(0, PAYLOAD)), envelopes=count, concurrency=1)
    if "memory" in only:
        with memory_broker() as environ:
            asyncio.run(measure_memory(report, environ, count))
    if "reports" in only:
        with memory_broker() as environ:
            asyncio.run(measure_reports(report, environ, count))
    if {"quorum", "classic"} & set(only):
        with RabbitMqServer() as rabbitmq:
            for kind in ("quorum", "classic"):
                if kind in only:
                    asyncio.run(measure_rabbitmq(report, rabbitmq.url, kind, count, 2000 if full else 300))
    if "sqs" in only:
        os.environ.update(CREDENTIALS)
        with LocalStackServer() as localstack:
            asyncio.run(measure_sqs(report, localstack, max(count // 4, 100), 60 if full else 15))


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="What one hop costs.")
    parser.add_argument("--full", action="store_true", help="longer runs")
    parser.add_argument("--only", default=",".join(CASES), help=f"some of {','.join(CASES)}")
    parser.add_argument("--count", type=int, default=0, help="envelopes in a run")
    chosen = parser.parse_args()
    report = Report("hop")
    measure(report, full=chosen.full, only=tuple(chosen.only.split(",")), count=chosen.count)
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
