"""Stands where a gateway does, over real HTTP: records what it takes, and answers as a test wants."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Answer = Callable[[str, dict[str, Any]], tuple[int, Any]]
"""From path and body of a request to status and document."""


def like_the_original(path: str, _body: dict[str, Any]) -> tuple[int, Any]:
    """It has no route for many reports."""
    return (404, {}) if path == "/reports" else (200, {})


class RecordingGateway:
    """One gateway; use as a context manager.

    Attributes:
        answer: What it says; may be changed at any time.
        posts: Path and body of each request that it took, which is one that it answered with 2xx.
        refused: Paths of the others.
    """

    def __init__(self, answer: Answer = like_the_original) -> None:
        self.answer = answer
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, document = outer.answer(self.path, body)
                if status < 300:
                    outer.posts.append((self.path, body))
                else:
                    outer.refused.append(self.path)
                content = json.dumps(document).encode()
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
