"""A real PostgreSQL for tests: installed from the distribution's package, in a folder of its own, gone afterwards.

``python -m lab.servers.postgres install`` installs the package where it is missing.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.sql
import pytest

from lab.installs.apt import apt_install
from lab.servers.ports import free_port
from lab.waits import wait_until

PACKAGE = "postgresql"
START_TIMEOUT_S = 180.0


def find_programs() -> Path | None:
    """Find the folder of initdb and postgres; Debian keeps it off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def install() -> None:
    """Install the server where it is missing."""
    if find_programs() is None:
        apt_install(PACKAGE)


class PostgresServer:
    """One server; ``stop`` and ``start`` keep its data and its port."""

    def __init__(self) -> None:
        programs = find_programs()
        if programs is None:
            raise RuntimeError("no PostgreSQL here; run: python -m lab.servers.postgres install")
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="asya-postgres-"))
        # It refuses to run as root.
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        self._port = free_port()
        command = ["initdb", "-D", str(self._folder / "data"), "-U", "asya", "--auth=trust", "--no-sync"]
        subprocess.run(
            [self._programs / command[0], *command[1:]],
            user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"postgresql://asya@127.0.0.1:{self._port}/postgres"

    def new_database(self) -> str:
        """Make a database that nothing has used yet, and return its URL."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url.removesuffix("postgres") + name

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-p", str(self._port), "-h", "127.0.0.1", "-k", str(self._folder), "-F"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self._folder / "data"), *options],
                user=self._user, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, START_TIMEOUT_S, "Postgres answers", (self._folder / "log").read_text)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End it at once, cutting every connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown
            self._process.wait(90)
            self._process = None

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the tests of this process."""
    if find_programs() is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL here; run: python -m lab.servers.postgres install")
        pytest.skip("no PostgreSQL here; run: python -m lab.servers.postgres install")
    server = PostgresServer()
    server.start()
    yield server
    server.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        sys.exit("usage: python -m lab.servers.postgres install")
