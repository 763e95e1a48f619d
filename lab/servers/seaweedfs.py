"""SeaweedFS as the Pulumi program runs it in a cluster: the same arguments and identities, on free ports, in a folder.

``python -m lab.servers.seaweedfs guard FOLDER`` is for ``shared.share``.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import pytest

from asya_oss import stores
from lab.installs.seaweedfs import seaweedfs
from lab.servers.ports import free_port
from lab.servers.rabbitmq import is_open
from lab.servers.shared import guard, session_folder, share
from lab.waits import wait_until

START_S: Final = 180.0
STOP_S: Final = 60.0
ACCESS_KEY: Final = "lab"
SECRET_KEY: Final = "lab-secret"
INNER: Final = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
"""Ports that are free in a pod, and may be taken here."""


class SeaweedServer:
    """One server; ``start`` after ``stop`` finds what it kept.

    Args:
        folder: Of its own.
        more: Arguments in place of the program's, or besides, by name.
    """

    def __init__(self, folder: Path | None = None, more: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-weed-")) if folder is None else folder
        self.port = free_port()
        self._inner = {name: str(free_port()) for name in (*INNER, "s3.port.grpc", "metricsPort")}
        self._more = dict(more or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, more: Mapping[str, str] | None = None) -> None:
        """Start and wait until S3 is open; ``more`` are arguments from now on."""
        self._more |= more or {}
        data, file, log = self.folder / "data", self.folder / "s3.json", self.folder / "output.log"
        data.mkdir(exist_ok=True, parents=True)
        file.write_text(stores.identities(ACCESS_KEY, SECRET_KEY), encoding="utf-8")
        sockets = {f"{part}.localSocket": f"{self.folder}/{part}.sock" for part in ("filer", "s3")}
        given = {**self._inner, **sockets, **self._more}
        argv = [
            *stores.arguments(str(data), str(file), self.port),
            *(f"-{key}={value}" for key, value in given.items()),
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(seaweedfs()), "-logtostderr=true", *argv],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        process = self._process

        def answers() -> bool:
            assert process.poll() is None, f"SeaweedFS ended with {process.returncode}:\n{log.read_text()[-3000:]}"
            return is_open(self.port)

        wait_until(answers, START_S, "SeaweedFS answers", lambda: log.read_text()[-3000:])

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_S)
            self._process = None

    def close(self) -> None:
        """End it and remove what it wrote."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def outer_ports(self) -> set[int]:
        """S3, metrics, and S3's second one, by which SeaweedFS's servers tell each other of identities."""
        return {self.port, *(int(self._inner[name]) for name in ("metricsPort", "s3.port.grpc"))}

    @property
    def pid(self) -> int:
        """Of its one process."""
        assert self._process is not None
        return self._process.pid


@pytest.fixture(scope="session")
def seaweedfs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of the session's server; use buckets of your own."""
    seaweedfs()
    yield from share(session_folder(tmp_path_factory, "seaweedfs-shared"), "lab.servers.seaweedfs")


if __name__ == "__main__":
    guard(Path(sys.argv[2]), SeaweedServer, lambda server: server.endpoint)
