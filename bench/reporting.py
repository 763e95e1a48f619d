"""What telling a gateway costs a hop: the same hop without a gateway, and beside a real one that knows every envelope.

The gateway keeps its envelopes in SQLite and shares the machine, so its own processor time is in the loss of throughput; the
sidecar's CPU is what reports cost by themselves.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from asya_gateway.records.record import Record
from asya_gateway.store.factory import open_envelope_store
from bench.envelopes import ACTOR, PAYLOAD, envelope
from bench.figures import Report
from bench.one_hop import OneHop, Throughput


async def measure_reports(report: Report, environ: dict[str, str], count: int) -> None:
    """Throughput, CPU and latency of a hop on the memory broker, without and with a gateway."""
    print("memory broker, without and with a gateway", flush=True)
    without = await _throughput(environ, count)
    with tempfile.TemporaryDirectory(prefix="asya-bench-") as folder:
        url = f"sqlite:{folder}/gateway.db"
        await _know(url, count)
        with _gateway({**environ, "ASYA_DATABASE_URL": url}) as address:
            beside, told = await _told(environ, count, address)
    for case, result in (("without", without), ("with", beside)):
        report.add(f"reports: throughput {case} a gateway", result.per_s, "envelopes/s")
        report.add(f"reports: CPU of the sidecar {case} a gateway, per 1,000", result.cpu_s["sidecar"] * 1000, "s")
    for result_word in ("delivered", "coalesced", "dropped", "refused", "failed"):
        report.add(f"reports: {result_word} per envelope", told[result_word] / count, "")
    report.add("reports: memory of the sidecar with a gateway", beside.resident_mib["sidecar"], "MiB")


async def _throughput(environ: Mapping[str, str], count: int) -> Throughput:
    async with OneHop(environ) as hop:
        await hop.fill([envelope(number, PAYLOAD) for number in range(count)])
        return await hop.throughput(count)


async def _told(environ: Mapping[str, str], count: int, address: str) -> tuple[Throughput, Counter[str]]:
    async with OneHop(environ, ASYA_GATEWAY_URL=address) as hop:
        await hop.fill([envelope(number, PAYLOAD) for number in range(count)])
        result = await hop.throughput(count)
        return result, await asyncio.to_thread(_count_reports, hop.metrics_address)


def _count_reports(address: str) -> Counter[str]:
    """Read the sidecar's own count of what became of its reports."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        text = page.read().decode()
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("asya_actor_gateway_reports_total{"):
            labels, _, value = line.rpartition(" ")
            found[labels.partition('result="')[2].partition('"')[0]] += int(float(value))
    return found


async def _know(url: str, count: int) -> None:
    """Let the database know every envelope, as if each had been called."""
    store = open_envelope_store(url, 1, 4)
    await store.open(lambda _: None)
    now = datetime.now(UTC)
    for number in range(count):
        await store.create(Record(id=f"b{number}", actors=(ACTOR,), created_at=now, updated_at=now))
    await store.close()


@contextmanager
def _gateway(environ: Mapping[str, str]) -> Iterator[str]:
    """Run a gateway; yields its URL."""
    settings = {"ASYA_GATEWAY_AUTH": "off", "ASYA_GATEWAY_HOST": "127.0.0.1", "ASYA_GATEWAY_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "asya_gateway"],
        env={**os.environ, **settings, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if '"gateway listens"' in line:
                    yield f"http://127.0.0.1:{json.loads(line)['port']}"
                    break
            else:
                raise RuntimeError("the gateway did not start")
        finally:
            process.terminate()
            process.communicate(timeout=30)
