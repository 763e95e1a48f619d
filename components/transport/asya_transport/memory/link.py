"""One end of a memory broker's socket: splits the stream into frames, and writes all frames of a loop iteration at once.

Used by both sides. What a frame means is the owner's business; this knows only bytes.
"""

import asyncio
from collections.abc import Callable

from asya_protocol.errors import FrameError
from asya_protocol.framing import FrameDecoder


class FrameLink(asyncio.Protocol):
    """A connection that speaks frames.

    Args:
        on_frames: Called with the frames of one read, in order.
        on_lost: Called once when the connection is gone, with the reason if there is one.
    """

    def __init__(
        self, on_frames: Callable[[list[bytes]], None], on_lost: Callable[[BaseException | None], None]
    ) -> None:
        self._on_frames = on_frames
        self._on_lost = on_lost
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream socket always gives one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Cut frames; called by asyncio."""
        try:
            frames = self._decoder.feed(data)
        except FrameError:
            self.abort()
            return
        if frames:
            self._on_frames(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on; called by asyncio."""
        self._transport = None
        self._writable.set()
        self._on_lost(exc)

    def pause_writing(self) -> None:
        """The peer reads too slowly; called by asyncio."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The peer caught up; called by asyncio."""
        self._writable.set()

    @property
    def writable(self) -> bool:
        """The peer keeps up with what is written."""
        return self._writable.is_set()

    async def wait_writable(self) -> None:
        """Wait until the peer has caught up."""
        await self._writable.wait()

    def write(self, frame: bytes) -> None:
        """Send one frame at the end of this turn of the loop."""
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append(frame)

    def flush(self) -> None:
        """Send what was written."""
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(outgoing))

    def pause_reading(self) -> None:
        """Take no more frames for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take frames again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what was written, then disconnect."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Disconnect at once."""
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()
