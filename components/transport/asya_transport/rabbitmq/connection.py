"""pika's connection on asyncio's own transport, with the hot path's frames read and written beside pika.

pika's adapter moves bytes by itself: a system call for each frame, two more to be told that the socket takes them, and a
buffer that is copied for every frame. Here asyncio's transport moves them, one write holds what a turn of the loop produced,
and one read is handled in one turn.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pika
from pika.adapters import asyncio_connection

from asya_transport.rabbitmq.hot_frames import FrameReader

READ_BYTES: Final = 64 * 1024
"""Read at once: some hundred envelopes of usual size."""


class CoalescingConnection(asyncio_connection.AsyncioConnection):
    """Writes what one turn of the event loop produced at once, and reads the hot path's frames by itself."""

    _transport: Any  # Pika's own; its type stubs leave the adapters' side out.
    bytes_sent: int
    bytes_received: int

    def __init__(self, parameters: pika.URLParameters, **callbacks: Any) -> None:  # noqa: ANN401 - pika's own, passed on
        self._unwritten: list[bytes] = []
        self._late: list[Callable[[], None]] = []
        self._due = False
        loop = callbacks.pop("custom_ioloop")
        self._loop: asyncio.AbstractEventLoop = loop
        self.frames = FrameReader(super()._on_data_available)  # type: ignore[misc]  # as above
        super().__init__(parameters, custom_ioloop=_Streams(loop), **callbacks)

    def emit(self, data: bytes) -> None:
        """Write whole frames at the end of this turn; for channels that are open."""
        self._unwritten.append(data)
        self.bytes_sent += len(data)
        self._schedule()

    def before_write(self, late: Callable[[], None]) -> None:
        """Call back once, before anything else that pika writes and at the latest before this turn's write."""
        self._late.append(late)
        self._schedule()

    def _schedule(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._write)

    def _adapter_emit_data(self, data: bytes) -> None:
        """Take bytes for the broker; the hook that pika's adapters implement."""
        self._run_late()  # What pika writes may close the channel that they are for.
        self._unwritten.append(data)
        self._schedule()

    def _run_late(self) -> None:
        if self._late:
            late, self._late = self._late, []
            for callback in late:
                callback()

    def _write(self) -> None:
        self._run_late()
        self._due = False
        data, self._unwritten = b"".join(self._unwritten), []
        if self._transport is not None and data:  # Else the connection was lost meanwhile.
            self._transport.write(data)

    def _on_data_available(self, data_in: bytes) -> None:
        """Take bytes from the broker; the hook of pika's connection, which gets what is not of the hot path."""
        before = self.bytes_received
        self.frames.feed(data_in)
        if self.bytes_received == before:
            self.bytes_received += len(data_in)  # Traffic, for the heartbeat's watch.


class _Streams(asyncio_connection._AsyncioIOServicesAdapter):
    """Gives pika asyncio's transport in place of its own."""

    _loop: asyncio.AbstractEventLoop
    _schedule_and_wrap_in_io_ref: Callable[[Coroutine[Any, Any, Any], Callable[[Any], None]], Any]

    def create_streaming_connection(
        self,
        protocol_factory: Callable[[], Any],
        sock: Any,  # noqa: ANN401 - a socket, as pika made it
        on_done: Callable[[Any], None],
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> Any:  # noqa: ANN401 - pika's own handle
        """See ``pika.adapters.utils.nbio_interface.AbstractIOServices``."""

        async def connect() -> tuple[asyncio.Transport, Any]:
            transport, bridge = await self._loop.create_connection(
                lambda: _Bridge(protocol_factory()),
                sock=sock,
                ssl=ssl_context,
                server_hostname=(server_hostname or "") if ssl_context is not None else None,
            )
            return transport, bridge.protocol

        return self._schedule_and_wrap_in_io_ref(connect(), on_done)


class _Bridge(asyncio.BufferedProtocol):
    """Tells pika what asyncio's transport says; one buffer serves all reads."""

    def __init__(self, protocol: Any) -> None:  # noqa: ANN401 - pika's stream protocol
        self.protocol = protocol
        self._buffer = memoryview(bytearray(READ_BYTES))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand pika the transport."""
        self.protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell pika that it is gone."""
        self.protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what was read."""
        self.protocol.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        """Tell pika; the transport closes itself."""
        return bool(self.protocol.eof_received())
