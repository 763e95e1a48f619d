"""Fetch a sidecar's metrics page: one GET over a plain socket, bounded in time and size."""

import asyncio
from typing import Final

from asya_local.tally import Reading, read_metrics

LIMIT_S: Final = 2.0
MAX_BYTES: Final = 4 * 1024 * 1024


async def scrape(address: str) -> Reading | None:
    """Read ``http://address/metrics``; none when there is no usable answer (it starts, ends or is stuck)."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return read_metrics(await _get(address, "/metrics"))
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return None


async def _get(address: str, path: str) -> str:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        # HTTP/1.0: the server closes after its answer, so the answer's end needs no parsing.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        answer = await _read_all(reader)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError(f"{address}{path} answered {head[:60]!r}")
    return body.decode("utf-8")


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := await reader.read(65536):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes of metrics")
    return b"".join(parts)
