"""A real runtime as a child process, and a client that speaks both protocols to it.

Every wait is bounded. The socket folder is short-named because a Unix socket's path ends at 107 bytes.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.waits import wait_until

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "components" / "runtime" / "asya_runtime.py"
HANDLERS = ROOT / "tests" / "support" / "handlers"
WAIT_S = 60.0
POLL_S = 0.005


class Client:
    """One connection to a runtime."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def finish_writing(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send(self, body: bytes | object) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._socket.sendall(struct.pack(">I", len(data)) + data)

    def receive(self) -> bytes | None:
        """One frame, or none when the runtime closed the connection."""
        header = self._read(4)
        return None if header is None else self._read(struct.unpack(">I", header)[0])

    def _read(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                piece = self._socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def hello(self, **more: object) -> dict[str, Any]:
        self.send({"asya": {"protocol": 2, **more}})
        frame = self.receive()
        assert frame is not None, "the runtime closed the connection instead of answering the hello"
        document: dict[str, Any] = json.loads(frame)
        return document

    def call(self, body: bytes | object) -> list[Any] | None:
        """Compatible exchange: one frame there, one frame back."""
        self.send(body)
        frame = self.receive()
        return None if frame is None else json.loads(frame)

    def call_2(self, body: bytes | object, timeout_s: float | None = None) -> tuple[list[list[Any]], list[Any] | None]:
        """Our exchange, hello already said: the items of each ``more`` frame, and the final array."""
        self.send({"asya": {"timeout_s": timeout_s}})
        self.send(body)
        more: list[list[Any]] = []
        while True:
            frame = self.receive()
            document = None if frame is None else json.loads(frame)
            if isinstance(document, dict):
                assert set(document) == {"more"}, document
                more.append(document["more"])
                continue
            return more, document

    def stream(self, body: bytes | object) -> tuple[list[tuple[int, Any]], list[Any] | None]:
        """Our exchange, hello said with ``pieces=True``: the pieces with their numbers, and all items."""
        self.send({"asya": {}})
        self.send(body)
        pieces: list[tuple[int, Any]] = []
        items: list[Any] = []
        while True:
            frame = self.receive()
            document = None if frame is None else json.loads(frame)
            if isinstance(document, dict):
                pieces += enumerate(document.get("pieces", []), document.get("first", 0))
                items += document.get("more", [])
                continue
            return pieces, None if document is None else items + document


class RuntimeProcess:
    """One runtime process with a socket folder of its own."""

    def __init__(
        self,
        handler: str,
        *,
        python: str = sys.executable,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        stdout: int = subprocess.DEVNULL,
        runtime: str | Path = RUNTIME,
    ) -> None:
        self.folder = folder
        self.socket_path = folder / "asya-runtime.sock"
        self.ready_path = folder / "runtime-ready"
        self.log_path = folder / "stderr"
        settings = {"ASYA_HANDLER": handler, "ASYA_SOCKET_DIR": str(folder), "PYTHONPATH": str(HANDLERS)}
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ASYA_", "PYTHON"))}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [python, str(runtime)],
                env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **settings, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> Self:
        def ready() -> bool:
            assert self.process.poll() is None, f"runtime ended with {self.process.returncode}:\n{self.log}"
            return self.ready_path.exists()

        wait_until(ready, WAIT_S, "the runtime is ready", lambda: self.log, poll_s=POLL_S)
        return self

    def wait_log(self, text: str) -> None:
        wait_until(lambda: text in self.log, WAIT_S, f"{text!r} in the log", lambda: self.log, poll_s=POLL_S)

    def connect(self) -> Client:
        return Client(self.socket_path)

    def wait_exit(self) -> int:
        return self.process.wait(WAIT_S)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode


@contextmanager
def socket_folder() -> Iterator[Path]:
    """A short-named temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="asya-rt-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    handler: str,
    *,
    python: str = sys.executable,
    stdout: int = subprocess.DEVNULL,
    ready: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[RuntimeProcess]:
    """Start a runtime and end it; with ``ready`` it is awaited first."""
    with socket_folder() as folder:
        runtime = RuntimeProcess(handler, python=python, folder=folder, environ=environ, stdout=stdout)
        try:
            if ready:
                runtime.wait_ready()
            yield runtime
        finally:
            runtime.stop()


def envelope(payload: object, **more: object) -> dict[str, object]:
    """A small envelope on its way to its only actor."""
    return {"id": "e1", "route": {"actors": ["a"], "current": 0}, "payload": payload, **more}
