"""The HTTP server: where it listens, how long it is patient, its certificate, and how it ends.

The only module besides ``main`` that knows uvicorn.
"""

import asyncio
import logging
import signal
import socket
import ssl
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from asya_gateway.app import build_app
from asya_gateway.services import App
from asya_gateway.settings import GatewaySettings
from asya_protocol.errors import SettingsError

log: Final = logging.getLogger(__name__)

KEEP_ALIVE_S: Final = 75
LARGEST_HEADER_BYTES: Final = 64 * 1024
CERTIFICATE_LOOK_S: Final = 10.0


def listen(settings: GatewaySettings) -> socket.socket:
    """Open the socket.

    Raises:
        SettingsError: It cannot be opened.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        # Connections inherit it. asyncio leaves it out for a socket made like this, and every answer takes 40 ms more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        raise SettingsError("ASYA_GATEWAY_PORT", f"cannot listen on {settings.host}:{settings.port}: {exc}") from None
    return listener


class Server(uvicorn.Server):
    """Ends the streams as soon as the signal comes; uvicorn alone would wait for them.

    Raises:
        SettingsError: The certificate cannot be used.
    """

    def __init__(self, app: App) -> None:
        settings = app.settings
        self._wakeups = app.wakeups
        self._tls = None if settings.tls is None else Certificate(*settings.tls)
        tls = self._tls
        super().__init__(
            uvicorn.Config(
                build_app(app),
                http=patient(settings.request_timeout_s),
                ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(settings.drain_timeout_s) or 1,
                h11_max_incomplete_event_size=LARGEST_HEADER_BYTES,
            )
        )

    async def watch_certificate(self) -> None:
        """Follow the certificate until cancelled."""
        while self._tls is not None:
            await asyncio.sleep(CERTIFICATE_LOOK_S)
            await asyncio.to_thread(self._tls.refresh)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._wakeups.stop()
        super().handle_exit(sig, frame)
        # uvicorn would raise the signal again when it is done; a stop that was asked for is exit code 0.
        self._captured_signals = [number for number in self._captured_signals if number == signal.SIGKILL]


class Certificate:
    """A certificate that may be renewed while it serves; connections that are open keep the old one."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._content = self._read()
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError("ASYA_GATEWAY_TLS_CERT", f"{chain} with {key} cannot be used: {exc}") from None

    def refresh(self) -> bool:
        """Read the files again when they have changed; whether another certificate serves now."""
        try:
            content = self._read()
            if content == self._content:
                return False
            self._content = content
            # A chain and a key that do not fit must not reach the context that serves.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as exc:
            log.warning("certificate not renewed", extra={"error": str(exc)})
            return False
        log.info("certificate renewed")
        return True

    def _read(self) -> tuple[bytes, bytes]:
        return self._files[0].read_bytes(), self._files[1].read_bytes()


def patient(timeout_s: float) -> type[asyncio.Protocol]:
    """Make the protocol of a server that closes connections on which no request's head comes in time.

    uvicorn waits for the first one, and for the rest of one that has begun, without end.
    """

    class PatientProtocol(H11Protocol):
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:  # a head has come
                self._stop_waiting()
            elif self._waiting is None and self.conn.trailing_data[0]:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._waiting = self.loop.call_later(timeout_s, self._give_up)

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _give_up(self) -> None:
            self._waiting = None
            if self.conn.their_state is h11.IDLE:
                self.transport.close()

    return cast("type[Any]", PatientProtocol)
