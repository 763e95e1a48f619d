"""A real PostgreSQL for tests: the distribution's package, run in a temporary folder.

``python -m lab.servers.postgres install`` installs the package where it is missing. With ``POSTGRES=18`` in the environment
both mean that version, from another release of Debian (``lab/installs/debian.py``).
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
from typing import IO

import psycopg
import psycopg.sql
import pytest

from lab.installs import debian
from lab.installs.apt import apt_install
from lab.servers.ports import free_port
from lab.waits import wait_until

PACKAGE = "postgresql"
SUITES = {"18": "forky"}
"""Further versions, and the releases of Debian that have them."""
START_TIMEOUT_S = 180.0


def find_root() -> Path | None:
    """Find the folder of the release that has the version asked for; ``None`` is this machine itself."""
    version = os.environ.get("POSTGRES")
    return debian.root_of(SUITES[version], PACKAGE) if version else None


def find_programs() -> Path | None:
    """Find the folder of initdb and postgres; Debian keeps it off PATH."""
    if root := find_root():
        inside = Path(f"/usr/lib/postgresql/{os.environ['POSTGRES']}/bin")
        return inside if root.joinpath(*inside.parts[1:]).is_dir() else None
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def install() -> None:
    """Install the server where it is missing."""
    if version := os.environ.get("POSTGRES"):
        debian.install(SUITES[version], PACKAGE)
    elif find_programs() is None:
        apt_install(PACKAGE)


class PostgresServer:
    """One server; ``stop`` and ``start`` keep its data and its port."""

    def __init__(self, certificate: Path | None = None) -> None:
        """Make an empty one; nothing runs yet.

        Args:
            certificate: PEM file with its certificate, beside which lies its key as ``.key``; ``None`` speaks no TLS.
        """
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
        self._tls: tuple[str, ...] = ()
        self._run("initdb", "-U", "asya", "--auth=trust", "--no-sync", output=subprocess.DEVNULL).wait(START_TIMEOUT_S)
        if certificate is not None:
            self._tls = self._speaks_tls(certificate)

    def _speaks_tls(self, certificate: Path) -> tuple[str, ...]:
        options = ["-c", "ssl=on"]
        for suffix, name in ((certificate.suffix, "ssl_cert_file"), (".key", "ssl_key_file")):
            own = self._folder / name
            shutil.copyfile(certificate.with_suffix(suffix), own)
            own.chmod(0o600)
            if self._user is not None:
                os.chown(own, self._user, -1)
            options += ["-c", f"{name}={own}"]
        return tuple(options)

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
        options = ["-p", str(self._port), "-h", "127.0.0.1", "-k", str(self._folder), "-F", *self._tls]
        with (self._folder / "log").open("ab") as log:
            self._process = self._run("postgres", *options, output=log)
        wait_until(self._answers, START_TIMEOUT_S, "Postgres answers", (self._folder / "log").read_text)

    def _run(self, program: str, *options: str, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        argv, user = [str(self._programs / program), "-D", str(self._folder / "data"), *options], self._user
        if root := find_root():
            argv, user = debian.enter(root, argv, "nobody"), None
        return subprocess.Popen(
            argv, user=user, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

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
