"""A TCP forwarder, so that pods reach a server that listens on this machine's loopback only."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

CHUNK_BYTES = 65536


@contextlib.contextmanager
def forwarded(host: str, target_port: int) -> Iterator[int]:
    """Forward ``host`` at a free port to 127.0.0.1 at ``target_port``; yields the free port.

    Runs in a thread of its own, so that a test may block.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"forward-{target_port}", daemon=True)
    thread.start()
    server = _run(loop, asyncio.start_server(lambda r, w: _relay(r, w, target_port), host, 0))
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        _run(loop, _end(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target_port: int) -> None:
    try:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target_port)
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
    except asyncio.CancelledError:
        pass  # only `_end` cancels, and the callback of asyncio's streams would print the exception
    finally:
        writer.transport.abort()
        there_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(60)
