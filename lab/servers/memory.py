"""A memory broker in a process of its own, as the local mesh runs it."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.waits import wait_until


def answers(path: Path) -> bool:
    """Say whether a server listens; the socket's file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def memory_broker() -> Iterator[dict[str, str]]:
    """Run a broker; yields the environment that points a sidecar at it."""
    with tempfile.TemporaryDirectory(prefix="asya-memory-") as folder:
        path = Path(folder) / "broker.sock"
        broker = subprocess.Popen([sys.executable, "-m", "asya_transport.memory.server", str(path)])
        try:
            wait_until(lambda: answers(path) or broker.poll() is not None, 120, "the memory broker listens")
            assert broker.poll() is None, "memory broker ended"
            yield {"ASYA_TRANSPORT": "memory", "ASYA_MEMORY_SOCKET": str(path)}
        finally:
            broker.terminate()
            broker.wait(60)


@pytest.fixture
def memory_environ() -> Iterator[dict[str, str]]:
    """Environment of a broker for one test."""
    with memory_broker() as environ:
        yield environ
