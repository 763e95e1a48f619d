"""One GET over a plain socket to a process of the mesh, bounded in time and size."""

import asyncio
from typing import Final

LIMIT_S: Final = 2.0
MAX_BYTES: Final = 4 * 1024 * 1024


async def get(address: str, path: str) -> str:
    """Read ``http://address`` and a path.

    Raises:
        OSError: Nobody answers.
        TimeoutError: Not in time.
        ValueError: The answer is not 200, or too long.
    """
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(LIMIT_S):
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
            raise ValueError(f"more than {MAX_BYTES} bytes in an answer")
    return b"".join(parts)
