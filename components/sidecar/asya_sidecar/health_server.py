"""The sidecar's HTTP endpoints, in a thread of their own: ``/metrics``, ``/health``, ``/ready`` and ``/work``.

``/work`` names the envelopes that handlers are at work on, by id alone, and answers this machine alone: a pod of somebody else
has no business with ids. Connections are counted: beyond some, the next one is closed at once, so that idle ones of a stranger
can take neither all threads nor the memory of this process.

A thread, so that a stalled event loop cannot answer its own liveness probe: ``/health`` reads a beat that the loop leaves.
"""

import ipaddress
import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from asya_protocol import names
from asya_protocol.errors import SettingsError

log: Final = logging.getLogger(__name__)

IDLE_S: Final = 120.0
"""A connection is kept so long without a request: longer than scrapes and probes are apart, shorter than a client's absence."""
FIRST_S: Final = 5.0
"""So long a connection may take for its first request."""
CONNECTIONS: Final = 64
"""At a time, a thread each; probes and scrapes need a handful."""
Check = Callable[[], str | None]
"""Returns ``None`` when all is well, else what is not."""


class _BoundedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver has no narrower ones
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, _request: Any, _client_address: Any) -> None:  # noqa: ANN401 - as above
        log.debug("http connection broken", exc_info=True)


class Endpoints:
    """A small HTTP server; ``close`` ends it."""

    def __init__(
        self, addr: str, registry: CollectorRegistry, *, health: Check, ready: Check, work: Callable[[], object]
    ) -> None:
        host, port = _split(addr)
        routes = {"/health": health, "/ready": ready}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = FIRST_S

            def do_GET(self) -> None:
                self.connection.settimeout(IDLE_S)
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    encode, content_type = choose_encoder(self.headers.get("Accept") or "")
                    self._answer(200, encode(registry), content_type)
                elif path == "/work" and _is_loopback(self.client_address[0]):
                    self._answer(200, json.dumps(work()).encode(), "application/json")
                elif path in routes:
                    problem = routes[path]()
                    self._answer(200 if problem is None else 503, (problem or "OK").encode(), "text/plain")
                else:
                    self._answer(404, b"not found; see /metrics, /health, /ready, /work\n", "text/plain")

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                log.debug("http request", extra={"request": format % args})

        try:
            self._server = _BoundedServer((host, port), Handler)
        except OSError as exc:
            raise SettingsError("ASYA_METRICS_ADDR", f"cannot listen on {addr!r}: {exc}") from exc
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """``host:port`` that it listens on."""
        host, port = self._server.server_address[:2]
        return f"{host if isinstance(host, str) else host.decode()}:{port}"

    def announce(self, socket_dir: Path) -> None:
        """Write the address beside the runtime's socket, for callers that let the system choose the port."""
        target = socket_dir / names.SIDECAR_ADDRESS_NAME
        temporary = target.with_suffix(".tmp")
        temporary.write_text(self.address, encoding="utf-8")
        temporary.replace(target)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _split(addr: str) -> tuple[str, int]:
    host, separator, port = addr.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise SettingsError("ASYA_METRICS_ADDR", f"{addr!r} is not host:port")
    return host.strip("[]"), int(port)
