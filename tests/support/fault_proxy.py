"""Stands between sidecars and a real gateway, and does to requests what networks and gateways in trouble do."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.support.post_server import PostServer

Fault = Callable[[str, int], str]
"""From a request's path and how many of that kind came before to ``pass``, ``500``, ``slow`` or ``cut``."""
SLOW_S = 0.5


class FaultProxy(PostServer):
    """Forwards to ``port`` unless its fault says otherwise; use as a context manager.

    Attributes:
        fault: Decides; may be changed at any time.
        seen: Requests by the last part of their path and what was done.
    """

    def __init__(self, port: int, fault: Fault) -> None:
        super().__init__(self._pass_on)
        self.fault = fault
        self.seen: Counter[tuple[str, str]] = Counter()
        self._port = port
        self._lock = threading.Lock()

    def _pass_on(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        kind = path.rsplit("/", 1)[-1]
        with self._lock:
            action = self.fault(kind, sum(count for (name, _), count in self.seen.items() if name == kind))
            self.seen[kind, action] += 1
        if action == "500":
            return 500, b"Internal Server Error\n"
        if action == "slow":
            time.sleep(SLOW_S)
        answer = forward(self._port, path, body, headers)
        return None if action == "cut" else answer  # cut: the gateway has it, and nobody is told


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
