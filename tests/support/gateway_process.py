"""A gateway in a process of its own, and plain requests to it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

TOOLS = """
tools:
  - name: echo
    description: Sends back what it gets
    parameters:
      text: {type: string, required: true}
      times: {type: integer, default: 1}
    route: [echo, shout]
    progress: true
    metadata: {team: docs}
  - {name: brief, route: [echo], timeout: 1}
  - {name: lost, route: [no-such-actor]}
"""
LIMIT_S = 60.0  # Of whatever is done at once by a machine that has time.
SESSION = {"Mcp-Session-Id": "mcp-session-00000000-0000-4000-8000-000000000000"}


class Gateway:
    """One process, of this checkout or, by its ``python``, of another release; ``port`` is its own choice unless given."""

    def __init__(self, environ: Mapping[str, str], python: str = sys.executable) -> None:
        own = {"ASYA_GATEWAY_PORT": "0", "ASYA_GATEWAY_HOST": "127.0.0.1", "ASYA_GATEWAY_SWEEP": "0.2s"}
        self._process = subprocess.Popen(
            [python, "-m", "asya_gateway"],
            env={"PATH": os.environ["PATH"], **own, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._ports: queue.Queue[int | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._ports.get(timeout=120)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self.port is not None, self.lines
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def client(self, token: str = "") -> httpx2.AsyncClient:
        """Open a client."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=LIMIT_S, trust_env=False)

    def stop(self) -> int:
        """End it as a cluster does, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a lost machine does."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end."""
        code = self._process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        elif self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if '"gateway listens"' in line:
                self._ports.put(json.loads(line)["port"])
        self._ports.put(None)


def show(url: str, envelope_id: str) -> dict[str, Any]:
    """Read one envelope."""
    shown: dict[str, Any] = httpx2.get(f"{url}/envelopes/{envelope_id}", timeout=LIMIT_S, trust_env=False).json()
    return shown


def parse_events(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a stream: number and content of every event."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            assert fields["event"] == "update"
            yield int(fields["id"]), json.loads(fields["data"])


def report_to(url: str, envelope_id: str, kind: str, token: str = "", **body: object) -> None:
    """Report as a sidecar does."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    where = f"{url}/envelopes/{envelope_id}/{kind}"
    answer = httpx2.post(where, json=body, headers=headers, timeout=LIMIT_S, trust_env=False)
    assert answer.status_code == 200, answer.text
