"""Reads and writes frames on the runtime's Unix socket, with one reused buffer.

Leaner than asyncio's streams, which ask for 256 KiB of fresh memory per read and wake the reader twice per frame. One
reader at a time. While a whole frame waits that nobody has asked for, nothing more is read, so that a runtime that makes
items faster than they can be sent is held up.
"""

import asyncio
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from asya_protocol.errors import FrameError
from asya_protocol.framing import FrameDecoder

READ_BYTES: Final = 64 * 1024
"""Read at once; a Unix socket holds about 200 KiB."""


class RuntimeWire(asyncio.BufferedProtocol):
    """One connection; made by ``connect``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._decoder = FrameDecoder()
        self._frames: deque[bytes] = deque()
        self._reader: asyncio.Future[bytes] | None = None
        self._room: asyncio.Future[None] | None = None
        self._trouble: Exception | None = None
        self._paused = False
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None

    @property
    def at_eof(self) -> bool:
        """Whether nothing more can be read."""
        return self._trouble is not None and not self._frames

    async def write(self, data: bytes) -> None:
        """Write, waiting while the runtime does not read.

        Raises:
            OSError: The runtime hung up.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("runtime hung up")
        self._transport.write(data)
        if self._transport.is_closing():
            raise ConnectionResetError("runtime hung up while the request was written")
        if self._room is not None:
            await self._room

    def end_writing(self) -> None:
        """Say that nothing more will be written."""
        if self._transport is not None:
            self._transport.write_eof()

    async def read_frame(self) -> bytes:
        """Read one frame.

        Raises:
            EOFError: The runtime hung up first.
            OSError: The connection broke.
            FrameError: The frame is longer than frames may be.
        """
        if self._frames:
            frame = self._frames.popleft()
            if not self._frames:
                self._resume()
            return frame
        if self._trouble is not None:
            raise self._trouble
        self._reader = self._loop.create_future()
        try:
            return await self._reader
        finally:
            self._reader = None

    async def read_to_end(self) -> None:
        """Discard what comes until the runtime closes the connection."""
        with suppress(EOFError, FrameError, OSError):
            while True:
                await self.read_frame()

    async def close(self) -> None:
        """Hang up at once, whatever is still unwritten; never raises."""
        if self._transport is not None:
            self._transport.abort()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({self._closed})

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_unix_connection makes
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        try:
            frames = self._decoder.feed(bytes(self._buffer[:nbytes]))
        except FrameError as exc:
            self._end(exc)
            return
        for frame in frames:
            if self._reader is not None and not self._reader.done():
                self._reader.set_result(frame)
            else:
                self._frames.append(frame)
        if self._frames and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Hold writers up."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def eof_received(self) -> bool:
        """Note that nothing more comes; the transport closes itself."""
        try:
            self._decoder.close()
        except FrameError as exc:
            self._end(EOFError(f"failed to read response from runtime: {exc}"))
        else:
            self._end(EOFError("failed to read response from runtime: connection closed"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits."""
        self._end(exc or EOFError("failed to read response from runtime: connection closed"))
        if self._room is not None and not self._room.done():
            self._room.set_exception(ConnectionResetError("runtime hung up while the request was written"))
        self._closed.set_result(None)

    def _end(self, trouble: Exception) -> None:
        if self._trouble is None:
            self._trouble = trouble
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(self._trouble)

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()


async def connect(socket: Path) -> RuntimeWire:
    """Connect to a runtime.

    Raises:
        OSError: Nobody listens.
    """
    _, wire = await asyncio.get_running_loop().create_unix_connection(RuntimeWire, str(socket))
    return wire
