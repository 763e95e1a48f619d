"""Serves a memory broker on a Unix socket, so that processes of one machine share it.

``python -m asya_transport.memory.server PATH`` serves until SIGTERM or SIGINT. A connection that drops gives its
deliveries back. Everything is lost when the server ends: that is what a memory broker is.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from asya_process.signals import stop_event
from asya_protocol.errors import AsyaError, SettingsError, TransportError
from asya_transport.memory import requests
from asya_transport.memory.broker import LocalSession, MemoryBroker
from asya_transport.memory.link import FrameLink
from asya_transport.settings import read_transport_settings

_PROBE_S: Final = 1.0
"""A server that listens takes a connection at once; one that is stopped holds its queue of connections longer."""


class MemoryServer:
    """A memory broker behind a Unix socket.

    Args:
        broker: What is served; the caller may use it directly as well.
        path: The socket; a file left by a dead server is replaced, a living server's is not.
    """

    def __init__(self, broker: MemoryBroker, path: Path) -> None:
        self._broker = broker
        self._path = path
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: Another server already listens there, or the socket cannot be made.
        """
        try:
            _make_room(self._path)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._open, str(self._path), backlog=512)
            self._path.chmod(0o600)
        except OSError as exc:
            raise TransportError(f"cannot listen on {self._path}: {exc}") from exc

    async def close(self) -> None:
        """Stop listening, drop every connection and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.link.abort()
        await self._server.wait_closed()
        await self._idle.wait()
        self._server = None
        self._path.unlink(missing_ok=True)

    def _open(self) -> FrameLink:
        connection = _Connection(self._broker.open_session(), self._forget)
        self._connections.add(connection)
        self._idle.clear()
        return connection.link

    def _forget(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()


class _Connection:
    """One client: its session, and its receives that wait."""

    def __init__(self, session: LocalSession, on_end: "Callable[[_Connection], None]") -> None:
        self._session = session
        self._on_end = on_end
        self._receives: dict[int, asyncio.Task[None]] = {}
        self._resuming: asyncio.Task[None] | None = None
        self.link = FrameLink(self._on_frames, self._on_lost)

    def _on_frames(self, received: list[bytes]) -> None:
        for frame in received:
            try:
                number, request = requests.decode_request.decode(frame)
            except msgspec.DecodeError:
                self.link.abort()  # not our client; nothing it says later can be trusted
                return
            self._serve(number, request)
        if not self.link.writable and self._resuming is None:
            self.link.pause_reading()
            self._resuming = asyncio.ensure_future(self._resume())

    def _serve(self, number: int, request: requests.AnyRequest) -> None:
        match request:
            case requests.Receive():
                task = asyncio.ensure_future(self._receive(number, request))
                self._receives[number] = task
                task.add_done_callback(lambda _: self._receives.pop(number, None))
            case requests.Cancel():
                if waiting := self._receives.get(request.receive):
                    waiting.cancel()
            case _:
                try:
                    reply = requests.encode_value(number, request(self._session))
                except AsyaError as exc:
                    reply = requests.encode_error(number, exc)
                self.link.write(reply)

    async def _receive(self, number: int, request: requests.Receive) -> None:
        try:
            taken = await self._session.receive(request.consumer, request.queue, request.limit, request.wait_s)
        except AsyaError as exc:
            self.link.write(requests.encode_error(number, exc))
        else:
            self.link.write(requests.encode_value(number, taken))

    async def _resume(self) -> None:
        await self.link.wait_writable()
        self._resuming = None
        self.link.resume_reading()

    def _on_lost(self, _: BaseException | None) -> None:
        for task in list(self._receives.values()):
            task.cancel()
        self._session.end(lost=True)
        self._on_end(self)


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionError:
            path.unlink(missing_ok=True)
            return
    raise TransportError(f"another memory broker already listens on {path}")


async def _serve(path: Path, max_body_bytes: int) -> None:
    ended = stop_event()
    server = MemoryServer(MemoryBroker(max_body_bytes=max_body_bytes), path)
    await server.start()
    await ended.wait()
    await server.close()


def main(arguments: list[str]) -> int:
    """Serve until told to end; the exit code is 1 when the socket cannot be had, 2 when a setting is wrong."""
    parser = argparse.ArgumentParser(prog="asya_transport.memory.server", description=__doc__)
    parser.add_argument("path", type=Path, help="Unix socket to listen on")
    chosen = parser.parse_args(arguments)
    try:
        settings = read_transport_settings({**os.environ, "ASYA_TRANSPORT": "memory"})
        asyncio.run(_serve(chosen.path, settings.memory_max_body_bytes))
    except AsyaError as exc:
        print(f"memory broker: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
