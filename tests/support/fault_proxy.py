"""Stands between sidecars and a real gateway, and does to requests what networks and gateways in trouble do."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Fault = Callable[[str, int], str]
"""From a request's path and how many of that kind came before to ``pass``, ``500``, ``slow`` or ``cut``."""
SLOW_S = 0.5


class FaultProxy:
    """Forwards to ``port`` unless its fault says otherwise; use as a context manager.

    Attributes:
        fault: Decides; may be changed at any time.
        seen: Requests by the last part of their path and what was done.
    """

    def __init__(self, port: int, fault: Fault) -> None:
        self.fault = fault
        self.seen: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.rsplit("/", 1)[-1]
                with outer._lock:
                    action = outer.fault(kind, sum(count for (name, _), count in outer.seen.items() if name == kind))
                    outer.seen[kind, action] += 1
                if action == "500":
                    self.answer(500, b"Internal Server Error\n")
                    return
                if action == "slow":
                    time.sleep(SLOW_S)
                status, content = forward(port, self.path, body, dict(self.headers))
                if action == "cut":  # the gateway has it, and nobody is told
                    self.close_connection = True
                    return
                self.answer(status, content)

            def answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def forward(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 502, b"Bad Gateway\n"
    finally:
        connection.close()
