"""The HTTP server: its socket, timeouts and shutdown.

The only module besides ``main`` that knows uvicorn.
"""

import asyncio
import signal
import socket
from types import FrameType
from typing import Any, Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from asya_gateway.access.certificate import Certificate
from asya_gateway.app import build_app
from asya_gateway.services import App
from asya_gateway.settings import GatewaySettings
from asya_protocol.errors import SettingsError

KEEP_ALIVE_S: Final = 75
LARGEST_HEADER_BYTES: Final = 64 * 1024


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
    """Ends open streams as soon as it is signalled; uvicorn alone would wait for them.

    Raises:
        SettingsError: The certificate cannot be used.
    """

    def __init__(self, app: App) -> None:
        settings = app.settings
        self.certificate = certificate = (
            None if settings.tls is None else Certificate(*settings.tls, app.metrics.show_certificate)
        )
        self._pubsub = app.pubsub
        super().__init__(
            uvicorn.Config(
                build_app(app),
                http=patient(settings.request_timeout_s),
                ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(settings.drain_timeout_s) or 1,
                h11_max_incomplete_event_size=LARGEST_HEADER_BYTES,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._pubsub.stop()
        super().handle_exit(sig, frame)
        # uvicorn would raise the signal again when it is done; a stop that was asked for is exit code 0.
        self._captured_signals = [number for number in self._captured_signals if number == signal.SIGKILL]


def patient(timeout_s: float) -> type[asyncio.Protocol]:
    """Make a protocol class that closes connections on which no request's head arrives in time.

    uvicorn alone waits for a request's head without limit.
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
