"""Calls per second of one gateway: kept in Postgres and sent to a RabbitMQ with confirms, beside the same without a database.

The callers are plain sockets in this process, so that little of the machine is theirs; all share its cores with the gateway,
Postgres and RabbitMQ. Every call is answered after its envelope is in the database and confirmed by the broker.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asya_protocol import names
from asya_transport.factory import open_admin
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from bench import gateway_health as health
from bench.figures import Bound, Report, percentile
from bench.run import cpu_s, resident_mib
from lab.servers.postgres import PostgresServer
from lab.servers.rabbitmq import RabbitMqServer
from tests.support.gateway_process import Gateway

CALLS: Final = Bound(500, at_least=True, source="issue of the gateway: 500 calls a second on two cores, or the ceiling")
POSTGRES_S: Final = 60.0
MEMORY_S: Final = 20.0
WARM_UP_S: Final = 2.0
CALLERS: Final = 32
TOOLS: Final = "tools: [{name: bench, route: [bench-actor], parameters: {text: {type: string, required: true}}}]"
BODY: Final = json.dumps({"name": "bench", "arguments": {"text": "x" * 200}}).encode()
REQUEST: Final = (
    b"POST /tools/call HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)


def measure(report: Report) -> None:
    """Run both stores on one broker."""
    with RabbitMqServer() as rabbitmq, _postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        tools = Path(folder) / "tools.yaml"
        tools.write_text(TOOLS)
        environ = {
            "ASYA_TRANSPORT": "rabbitmq",
            "ASYA_RABBITMQ_URL": rabbitmq.url,
            "ASYA_CONFIG_PATH": str(tools),
            "ASYA_GATEWAY_AUTH": "off",
        }
        asyncio.run(_make_queue(environ))
        kept = _run(report, "Postgres", {**environ, "ASYA_DATABASE_URL": postgres.new_database()}, POSTGRES_S)
        fast = _run(report, "memory", {**environ, "ASYA_DATABASE_URL": "memory:"}, MEMORY_S)
        health.measure(report, {**environ, "ASYA_DATABASE_URL": "memory:"})
        report.add("Postgres as a share of memory", kept / fast, "", None, "calls per second, same run and broker")


def _run(report: Report, store: str, environ: dict[str, str], seconds: float) -> float:
    with Gateway(environ) as gateway:
        assert gateway.port is not None, gateway.lines
        asyncio.run(_load(gateway.port, WARM_UP_S))
        before_s, began_s = cpu_s(gateway.pid), time.perf_counter()
        took_s = asyncio.run(_load(gateway.port, seconds))
        wall_s = time.perf_counter() - began_s
        per_s = len(took_s) / wall_s
        bound = CALLS if store == "Postgres" else None
        report.add(f"{store}: calls", per_s, "/s", bound, f"{CALLERS} callers for {wall_s:.0f} s, {len(took_s)} calls")
        report.add(f"{store}: answer, p50", percentile(took_s, 50) * 1000, "ms")
        report.add(f"{store}: answer, p99", percentile(took_s, 99) * 1000, "ms")
        report.add(f"{store}: CPU of the gateway", (cpu_s(gateway.pid) - before_s) / len(took_s) * 1000, "s per 1,000")
        report.add(f"{store}: memory of the gateway", resident_mib(gateway.pid) - resident_mib(), "MiB")
        assert gateway.stop() == 0
    return per_s


async def _load(port: int, seconds: float) -> list[float]:
    """Call as often as the gateway answers; seconds that each answer took.

    Raises:
        RuntimeError: A call was not answered with an envelope.
    """
    until_s = time.perf_counter() + seconds
    took_s: list[float] = []
    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(_caller(port, until_s, took_s))
    return took_s


async def _caller(port: int, until_s: float, took_s: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        while (began_s := time.perf_counter()) < until_s:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            took_s.append(time.perf_counter() - began_s)
            if b"200 OK" not in head[:20] or b"isError" in body:
                raise RuntimeError(f"a call failed: {head!r} {body!r}")


async def _make_queue(environ: dict[str, str]) -> None:
    admin = open_admin(read_transport_settings(environ))
    await admin.create(names.QueueNames().queue("bench-actor"), QueueSpec())
    await admin.close()


@contextlib.contextmanager
def _postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    try:
        yield server
    finally:
        server.close()
