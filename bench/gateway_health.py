"""How soon a gateway says that it lives while others call it with the largest arguments that it lets in.

The largest call is just below both bounds (`ASYA_GATEWAY_MAX_CALL_BYTES`, `ASYA_GATEWAY_MAX_CALL_ELEMENTS`), and each of its
elements is checked against a schema. Callers and the one who asks for health are sockets in this process.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.figures import Bound, Report, percentile
from tests.support.gateway_process import Gateway

SOON: Final = Bound(50, source="issue of locked doors: /health within 50 ms beside the largest call that is let in")
SECONDS: Final = 20.0
CALLERS: Final = 2
EVERY_S: Final = 0.02
ELEMENTS: Final = 99_000
TOOLS: Final = (
    "tools: [{name: large, route: [bench-actor], "
    "parameters: {items: {type: array, required: true, items: {type: number}}}}]"
)
HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def measure(report: Report, environ: dict[str, str]) -> None:
    """Ask for health alone, then beside the largest calls.

    Args:
        report: Takes the figures.
        environ: Of a gateway whose broker has the queue of ``bench-actor``.
    """
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder) / "tools.yaml"
        tools.write_text(TOOLS)
        with Gateway({**environ, "ASYA_CONFIG_PATH": str(tools)}) as gateway:
            assert gateway.port is not None, gateway.lines
            alone_s, _ = asyncio.run(_ask(gateway.port, callers=0))
            beside_s, answers = asyncio.run(_ask(gateway.port, callers=CALLERS))
            assert gateway.stop() == 0
    size = len(_call()) / 1024
    report.add("/health alone, p99", percentile(alone_s, 99) * 1000, "ms")
    said = (
        f"{CALLERS} callers, {size:.0f} KiB and {ELEMENTS} elements a call, {sum(answers.values())} answers: {answers}"
    )
    report.add("/health beside the largest calls, p99", percentile(beside_s, 99) * 1000, "ms", SOON, said)
    report.add("/health beside the largest calls, slowest", max(beside_s) * 1000, "ms")


def _call() -> bytes:
    body = json.dumps({"name": "large", "arguments": {"items": [1000000 + n for n in range(ELEMENTS)]}}).encode()
    head = (
        b"POST /tools/call HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    return head % len(body) + body


async def _ask(port: int, *, callers: int) -> tuple[list[float], dict[int, int]]:
    """Seconds that each answer of /health took, and how often calls were answered with which status."""
    until_s = time.perf_counter() + SECONDS
    answers: dict[int, int] = {}
    took_s: list[float] = []
    request = _call()

    async def call() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            while time.perf_counter() < until_s:
                status = await _answered(reader, writer, request)
                answers[status] = answers.get(status, 0) + 1

    async def health() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            while (began_s := time.perf_counter()) < until_s:
                assert await _answered(reader, writer, HEALTH) == 200
                took_s.append(time.perf_counter() - began_s)
                await asyncio.sleep(EVERY_S)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(health())
        for _ in range(callers):
            tasks.create_task(call())
    return took_s, answers


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split()[1])
