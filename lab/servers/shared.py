"""One server for all processes of a test session, xdist's workers too; it ends after the last of them, however they end.

A guardian process owns the server. Every test process holds a shared file lock for as long as it lives, and the guardian
stops the server when it can take that lock alone, so that even a killed test run leaves no process. All meet in one folder.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from lab.waits import wait_until

POLL_S = 0.3
START_TIMEOUT_S = 240.0  # A loaded machine needs many times what an idle one does.


class Server(Protocol):
    """What a guardian can own."""

    def start(self) -> None:
        """Start and wait until it answers."""

    def close(self) -> None:
        """End it and remove what it wrote."""


S = TypeVar("S", bound=Server)


def session_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """Name the folder in which all processes of this session meet."""
    base = tmp_path_factory.getbasetemp()
    # Under xdist each process has a folder of its own below the session's.
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


def share(folder: Path, module: str, *arguments: str) -> Iterator[Any]:
    """Hold a share of the server that ``python -m MODULE guard FOLDER ...`` guards; yields what its guardian announced."""
    folder.mkdir(parents=True, exist_ok=True)
    announced, failure = folder / "announced.json", folder / "failure.txt"
    with (folder / "users.lock").open("w") as users:
        with (folder / "start.lock").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not announced.exists():
                failure.unlink(missing_ok=True)
                root = Path(__file__).resolve().parents[2]
                argv = [sys.executable, "-m", module, "guard", str(folder), *arguments]
                subprocess.run(argv, cwd=root, check=True, stdin=subprocess.DEVNULL)
                wait_until(lambda: announced.exists() or failure.exists(), START_TIMEOUT_S, f"{module}: a start")
                if failure.exists():
                    raise RuntimeError(failure.read_text())
        yield json.loads(announced.read_text())


def guard(folder: Path, make: Callable[[Path], S], announce: Callable[[S], object]) -> None:
    """Own a server until no test process holds a share of it; leaves the caller at once and goes on in the background.

    Args:
        folder: Where everyone meets.
        make: Builds the server, with a folder of its own.
        announce: JSON value that tells users where it is.
    """
    if os.fork():  # The server must outlive the test process that happened to come first.
        return
    os.setsid()
    with Path(os.devnull).open("r+b") as nothing:
        for descriptor in (1, 2):  # Else a pipe around the test run stays open as long as the server.
            os.dup2(nothing.fileno(), descriptor)
    server = make(folder / "server")
    announced = folder / "announced.json"
    try:
        server.start()
        draft = folder / "announced.draft"
        draft.write_text(json.dumps(announce(server)))
        draft.replace(announced)
        with (folder / "users.lock").open("w") as users:
            while not _alone(users.fileno()):
                time.sleep(POLL_S)
            # Newcomers wait at the users' lock until we are done, and then find nothing announced.
            announced.unlink(missing_ok=True)
            server.close()
            shutil.rmtree(folder / "server", ignore_errors=True)
    except Exception as exc:  # noqa: BLE001 - whoever waits for the server must learn of any failure
        server.close()
        # Before the waiting ones are told, as after that the folder may be the next server's.
        shutil.rmtree(folder / "server", ignore_errors=True)
        draft = folder / "failure.draft"
        draft.write_text(str(exc))
        draft.replace(folder / "failure.txt")
    finally:
        server.close()


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
