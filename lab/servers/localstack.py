"""A real SQS and S3 for tests: ``asya_local.localstack`` installed once, started on a free port, stopped by its id.

``LocalStackServer`` is one server with a folder of its own; fault tests own one and pause, kill or restart it.
LocalStack keeps nothing over a restart: queues must be made again.

All other tests of a session share one server, also across xdist's processes, each with queue names of its own. A
guardian process owns that server; every test process holds a shared file lock for as long as it lives, and the
guardian stops the server when it can take the lock alone, so that even a killed test run leaves no process.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import pytest

from asya_local import localstack
from lab.servers.ports import free_port
from lab.servers.shared import guard, session_folder, share

SERVICES: Final = ("sqs", "s3")
START_TIMEOUT_S: Final = 200.0  # Eight seconds on two idle cores; loaded ones take many times that.
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class LocalStackServer:
    """One server; ``start`` after ``kill`` listens on the same port and has forgotten everything."""

    def __init__(self, folder: Path | None = None, services: Sequence[str] = SERVICES) -> None:
        self._services = services
        self._owns_folder = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="asya-localstack-")) if folder is None else folder
        self.port = free_port()
        self._server: localstack.CloudServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """URL for SQS and S3 clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def kind(self) -> localstack.Kind:
        """What runs: LocalStack, or moto in its place."""
        assert self._server is not None
        return self._server.kind

    def start(self) -> None:
        """Start and wait until it answers."""
        python = localstack.ensure_installed(lambda text: print(text, file=sys.stderr))
        self._server = localstack.start(self.folder, self.port, self._services, python=python)
        try:
            localstack.wait_ready(self._server, START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise

    def pause(self) -> None:
        """Let it answer nothing, as an overloaded or unreachable server."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was paused."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; what it held is gone."""
        if self._server is not None:
            self.resume()
            self._server.stop()
            self._server = None

    def restart(self) -> None:
        """End it and start it empty."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End it and remove what it wrote, when the folder is its own."""
        self.kill()
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None and self._server.poll() is None:
            os.killpg(self._server.pid, number)


def require_server() -> None:
    """Skip where it cannot be installed; fail where CI is set, because there it must be."""
    try:
        localstack.ensure_installed(lambda text: print(text, file=sys.stderr))
    except localstack.CloudError as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc))
        pytest.skip(str(exc))


# --- one server per test session: shared.py ---


@pytest.fixture(scope="session")
def localstack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of the session's server; use queue names of your own, and never pause it (own a LocalStackServer)."""
    require_server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield from share(session_folder(tmp_path_factory, "localstack-shared"), "lab.servers.localstack")


if __name__ == "__main__":
    # ``python -m lab.servers.localstack guard FOLDER``, as shared.share calls it.
    guard(Path(sys.argv[2]), LocalStackServer, lambda server: server.endpoint)
