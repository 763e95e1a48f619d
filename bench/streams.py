"""Streams of handlers through one gateway: does every piece arrive in its order, how late, and what does a handler lose by it?

A local mesh on the memory transport: one actor whose coroutines yield pieces at a pace, one gateway, readers in this process by
plain sockets, all on the same cores. Each piece says when it was yielded. Beside it the same calls that yield nothing.
``python -m bench.streams [--streams N] [--per-s N] [--seconds N]``.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from asya_local import mesh
from bench.figures import Bound, Report, percentile
from tests.support.mesh import running_mesh, short_home, write_actor

SOURCE: Final = "issue of agents: 200 streams of 50 pieces a second on two cores"
LATE: Final = Bound(250, source=SOURCE)
ALL: Final = Bound(1, at_least=True, source=SOURCE)
SHARE: Final = Bound(0.95, at_least=True, source=SOURCE)
STREAMS, PER_S, SECONDS = 200, 50.0, 10.0
HANDLER: Final = """\
import asyncio
import time


async def handle(p):
    began = time.monotonic()
    for n in range(p["of"]):
        await asyncio.sleep(max(0.0, began + (n + 1) / p["per_s"] - time.monotonic()))
        if p["stream"]:
            yield "FLY", {"n": n, "at": time.time(), "text": "token "}
    yield {"of": p["of"], "took_s": time.monotonic() - began}
"""
TOOLS: Final = """\
tools:
  - name: tokens
    route: [tokens]
    parameters: {of: {type: integer}, per_s: {type: number}, stream: {type: boolean}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway listens, and a token for it."""

    port: int
    token: str
    open: list[asyncio.StreamWriter] = field(default_factory=list)


@dataclass(slots=True)
class Heard:
    """What readers were told."""

    late_s: list[float] = field(default_factory=list)
    lost: int = 0
    disordered: int = 0
    took_s: list[float] = field(default_factory=list)


async def read(place: Place, payload: dict[str, Any], heard: Heard) -> None:
    """Start one call and read its stream to its end, by a plain socket: little of the machine is the reader's."""
    started = await (await ask(place, "POST", "/tools/call", {"name": "tokens", "arguments": payload})).read()
    body = json.loads(started.partition(b"\r\n\r\n")[2])
    envelope_id = json.loads(body["content"][0]["text"])["envelope_id"]
    expected = 0
    for kind, data in [pair async for pair in events(place, f"/envelopes/{envelope_id}/stream?pieces=true", heard)]:
        if kind == b"partial":
            heard.disordered += data["n"] != expected
            expected = data["n"] + 1
        elif kind == b"gap":
            heard.lost += data["lost"]
            expected += data["lost"]
        elif data.get("status") in ("succeeded", "failed"):
            heard.took_s.append((data.get("result") or {}).get("took_s", 0.0))


async def ask(place: Place, method: str, path: str, document: object = None) -> asyncio.StreamReader:
    """Send one request on a connection of its own, whose answer is then read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    place.open.append(writer)  # one that nobody holds is closed
    body = b"" if document is None else json.dumps(document).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {place.token}\r\nConnection: close\r\n"
    )
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return reader


async def events(place: Place, path: str, heard: Heard) -> AsyncIterator[tuple[bytes, Any]]:
    """Yield kind and data of each event of a stream, and note how late each piece is."""
    reader, kind = await ask(place, "GET", path), b""
    while line := await reader.readline():
        if line.startswith(b"event: "):
            kind = line[7:-1]
        elif line.startswith(b"data: "):
            data = json.loads(line[6:])
            if kind == b"partial":
                heard.late_s.append(time.time() - data["at"])
            yield kind, data


async def run(home: Path, streams: int, payload: dict[str, Any]) -> tuple[Heard, float]:
    """Read so many streams at once; what was heard, and how long all of it took."""
    heard, began_s = Heard(), time.perf_counter()
    info = mesh.find(home)
    assert info is not None
    place = Place(urlsplit(info.gateway_url).port or 0, info.gateway_token_file.read_text().strip())
    async with asyncio.TaskGroup() as group:
        for _ in range(streams):
            group.create_task(read(place, payload, heard))
    return heard, time.perf_counter() - began_s


def measure(report: Report, streams: int = STREAMS, per_s: float = PER_S, seconds: float = SECONDS) -> None:
    """Stream, and do the same without a stream."""
    count = round(per_s * seconds)
    report.conditions.update(streams=streams, pieces_per_s=per_s, pieces=count)
    payload = {"of": count, "per_s": per_s}
    with tempfile.TemporaryDirectory(prefix="asya-bench-") as name:
        folder = Path(name)
        write_actor(
            folder, "tokens", HANDLER, scaling={"enabled": False}, sidecar={"concurrency": min(streams, 1000)},
            timeout={"processing": "10m"},
        )  # fmt: skip
        (folder / "tools.yaml").write_text(TOOLS)
        options = mesh.UpOptions(manifests=(folder,), transport="memory", home=short_home())
        with running_mesh(options) as running:
            running.up()
            asyncio.run(run(running.home, 1, {**payload, "of": 1, "stream": True}))
            silent, _ = asyncio.run(run(running.home, streams, {**payload, "stream": False}))
            heard, took_s = asyncio.run(run(running.home, streams, {**payload, "stream": True}))
    tell(report, heard, silent, streams * count, took_s)


def tell(report: Report, heard: Heard, silent: Heard, pieces: int, took_s: float) -> None:
    """Report what was heard beside what was yielded."""
    arrived = len(heard.late_s)
    late_ms = [each * 1000 for each in heard.late_s]
    report.add(
        "pieces that arrived, or were told as lost", (arrived + heard.lost) / pieces, "of 1", ALL, f"of {pieces}"
    )
    report.add("pieces told as lost", heard.lost, "")
    report.add("pieces out of order", heard.disordered, "", Bound(0, source=SOURCE))
    report.add("pieces read", arrived / took_s, "/s")
    for percent in (50, 99):
        bound = LATE if percent == 99 else None
        report.add(f"from yield to reader, p{percent}", percentile(late_ms, percent), "ms", bound)
    report.add("calls against calls that stream nothing", _mean(silent.took_s) / _mean(heard.took_s), "x", SHARE)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--per-s", type=float, default=PER_S)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args()
    report = Report("streams")
    measure(report, chosen.streams, chosen.per_s, chosen.seconds)
    report.print()
    print(f"kept in {report.save()}")


if __name__ == "__main__":
    main()
