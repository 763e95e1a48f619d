"""A real RabbitMQ for tests: the distribution's package, run as a child process in a temporary folder.

``RabbitMqServer`` is one broker with a folder of its own (home, data, logs, configuration), free ports and its own
epmd, so that nothing on the machine is shared or changed. Fault tests own one and restart, kill or cut it.

All other tests of a session share one broker, also across xdist's processes. A guardian process owns that broker; each
test process holds a shared file lock for as long as it lives, and the guardian stops the broker when it can take the
lock alone, so that even a killed test run leaves no process.

Tests that depend on the broker's version run on ``versions()``: this machine's own package, and those of other releases of
Debian (``lab/installs/debian.py``). ``python -m lab.servers.rabbitmq install`` installs what is missing of them.
"""

import argparse
import base64
import functools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import pytest

from lab.installs import debian
from lab.installs.apt import apt_install
from lab.servers.ports import free_ports
from lab.servers.shared import guard, session_folder, share
from lab.waits import wait_until

START_TIMEOUT_S = 150.0  # A broker needs 5 s on two idle cores; loaded ones take many times that.
STOP_TIMEOUT_S = 90.0
# Statistics are sampled every 5 s by default; tests should not have to wait for that.
STATISTICS_INTERVAL_MS = 300
# As in the RabbitMQ that infra/oss runs: the default of half an hour is less than a handler may take.
CONSUMER_TIMEOUT_MS = 7 * 86_400_000
PACKAGE = "rabbitmq-server"
INSTALL_HINT = f"run `python -m lab.servers.rabbitmq install` (apt-get install {PACKAGE}), or brew install rabbitmq"


OWN = "own"
"""This machine's own package."""
SUITES = {"4.3": "forky", "4.0": "trixie"}
"""Further versions of the broker, and the releases of Debian that have them."""


def versions() -> list[str]:
    """Choose the versions to test on: the oldest and the newest, with ``BROKERS=all`` what lies between too."""
    return [OWN, *(SUITES if os.environ.get("BROKERS") == "all" else ("4.3",))]


def find_server() -> Path | None:
    """Find the server's start script; the wrapper that Debian puts on PATH insists on its own user and folders."""
    debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if debian.exists():
        return debian
    found = shutil.which("rabbitmq-server", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/opt/homebrew/sbin")
    return Path(found) if found else None


def command(program: str, version: str = OWN) -> list[str] | None:
    """Make the command that runs one of the server's programs; ``None`` where that version is not installed."""
    if version == OWN:
        server = find_server()
        return None if server is None else [str(server.with_name(program))]
    root = debian.root_of(SUITES[version], PACKAGE)
    return debian.enter(root, [f"/usr/lib/rabbitmq/bin/{program}"]) if root.is_dir() else None


def install(version: str = OWN) -> None:
    """Install the server where it is missing, without letting its service start.

    Raises:
        RuntimeError: It cannot be installed here; says why.
    """
    if version != OWN:
        root = debian.install(SUITES[version], PACKAGE)
        found = [path.name for path in root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")]
        if not any(name.startswith(f"rabbitmq_server-{version}.") for name in found):
            raise RuntimeError(f"{SUITES[version]} has {found}, and not {version}: SUITES wants another release")
    elif find_server() is None:
        apt_install(PACKAGE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens."""

    url: str
    management_url: str


class RabbitMqServer:
    """One broker; ``start`` after ``stop`` or ``kill`` finds the same data and the same ports."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        version: str = OWN,
        settings: str = "",
        statistics_ms: int = STATISTICS_INTERVAL_MS,
    ) -> None:
        """Choose how it is set up; nothing runs yet.

        Args:
            folder: Where its files go; ``None`` is a temporary folder.
            version: One of ``versions()``; others than our own want their folder below ``/tmp``.
            settings: Further lines of ``rabbitmq.conf``.
            statistics_ms: How often each queue is sampled; RabbitMQ's own value is 5,000.
        """
        self.version = version
        self._settings = settings
        self._statistics_ms = statistics_ms
        self._owns_folder = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="asya-rabbitmq-")) if folder is None else folder
        self._ports: dict[str, int] = {}
        self._broker: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """AMQP port; the same after a restart."""
        return self._ports["amqp"]

    @property
    def management_port(self) -> int:
        """Port of the management API."""
        return self._ports["management"]

    @property
    def url(self) -> str:
        """AMQP URL of the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def management_url(self) -> str:
        """Management API, credentials included."""
        return f"http://guest:guest@127.0.0.1:{self._ports['management']}"

    @property
    def address(self) -> Address:
        """Both URLs."""
        return Address(self.url, self.management_url)

    def start(self) -> None:
        """Start and wait until it answers on both ports.

        Raises:
            RuntimeError: It is not installed, or did not come up; holds the end of its log.
        """
        server = command("rabbitmq-server", self.version)
        if server is None:
            raise RuntimeError(f"RabbitMQ is not installed: {INSTALL_HINT}")
        if not self._ports:
            self._ports = dict(zip(("amqp", "management", "distribution", "epmd"), free_ports(4), strict=True))
            self._write_files()
        environ = self._environ()
        try:
            with (self.folder / "output.log").open("ab") as log:
                # In the foreground (no -daemon), so that it ends with us and the machine's own epmd is not touched.
                self._epmd = spawn([*epmd(self.version), "-port", str(self._ports["epmd"])], environ, log)
                wait_until(lambda: is_open(self._ports["epmd"]), 60.0, "epmd answers", self._tail)
                self._broker = spawn(server, environ, log)
            self._reaper = self._spawn_reaper([self._broker.pid, self._epmd.pid])
            wait_until(self._answers, START_TIMEOUT_S, "RabbitMQ answers", self._tail)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop in good order; the data stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would; the data stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start, keeping data and ports."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and remove everything that it wrote, when the folder is its own."""
        self.kill()
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def management(self, method: str, path: str) -> Any:
        """Call the management API, e.g. ``management("GET", "/api/queues")``; returns the parsed answer."""
        return call_management(self.management_url, method, path)

    def evaluate(self, expression: str) -> str:
        """Let the broker evaluate an Erlang expression, such as one that changes a setting while it runs."""
        control = command("rabbitmqctl", self.version)
        assert control is not None, INSTALL_HINT
        argv = [*control, "eval", expression]
        answer = subprocess.run(argv, env=self._environ(), capture_output=True, text=True, check=False, timeout=120)
        if answer.returncode != 0:
            raise RuntimeError(f"rabbitmqctl eval {expression}: {answer.stdout}{answer.stderr}")
        return answer.stdout.strip()

    def cut_connections(self) -> int:
        """Close every client connection from the broker's side; returns how many there were."""
        names = [connection["name"] for connection in self.management("GET", "/api/connections")]
        for name in names:
            self.management("DELETE", f"/api/connections/{urllib.parse.quote(name, safe='')}")
        return len(names)

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self._ports['amqp']}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._ports['management']}\n"
            f"collect_statistics_interval = {self._statistics_ms}\nconsumer_timeout = {CONSUMER_TIMEOUT_MS}\n"
            f"loopback_users = none\ndisk_free_limit.absolute = 50MB\nlog.file.level = info\n{self._settings}\n"
        )
        (self.folder / "advanced.config").write_text(
            f"[{{rabbit, [{{quorum_tick_interval, {self._statistics_ms}}}]}}].\n"
        )

    def _environ(self) -> dict[str, str]:
        home = self.folder / "home"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_NODENAME": "asya@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The start script then becomes the broker instead of staying as its parent: our pid is the broker's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _answers(self) -> bool:
        if self._broker is not None and self._broker.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended with code {self._broker.returncode}:\n{self._tail()}")
        return speaks_amqp(self.port) and bool(answers_http(self.management_url))

    def _spawn_reaper(self, pids: list[int]) -> subprocess.Popen[bytes]:
        """Start a shell that waits for our end, however that comes, and then ends the broker.

        Its input is a pipe that only we hold; reading from it ends when we do.
        """
        folder = shlex.quote(str(self.folder))
        remove = f"; sleep 1; rm -rf {folder}" if self._owns_folder else ""
        script = f"read -r _; kill -9 {' '.join(map(str, pids))}{remove}"
        quiet = subprocess.DEVNULL
        argv = ["/bin/sh", "-c", script]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)

    def _end(self, how: signal.Signals) -> None:
        if self._reaper is not None:
            # First, so that it never ends another process that got the same number.
            self._reaper.kill()
            self._reaper.communicate()
            self._reaper = None
        for process, with_signal in ((self._broker, how), (self._epmd, signal.SIGTERM)):
            if process is None or process.poll() is not None:
                continue
            process.send_signal(with_signal)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._broker = self._epmd = None

    def _tail(self) -> str:
        logs = [*sorted((self.folder / "log").glob("*.log")), self.folder / "output.log"]
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in logs if log.exists())


def epmd(version: str) -> list[str]:
    """Make the command of Erlang's port mapper, which lies beside ``erl``."""
    if version != OWN:
        return debian.enter(debian.root_of(SUITES[version], PACKAGE), ["/usr/bin/epmd"])
    found = shutil.which("epmd")
    if found is None:
        raise RuntimeError("epmd (Erlang's port mapper) is not on PATH, though RabbitMQ is installed")
    return [found]


def spawn(argv: list[str], environ: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C in a terminal reaches only us."""
    return subprocess.Popen(
        argv, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def is_open(port: int) -> bool:
    """Whether something listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def speaks_amqp(port: int) -> bool:
    """Whether a broker greets; its port may be open before."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def call_management(management_url: str, method: str, path: str, body: object = None) -> Any:
    """Call the management API with a body of JSON and parse its answer; ``None`` for an empty one."""
    parts = urllib.parse.urlsplit(management_url)
    credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http on this machine, never a file URL
            text = answer.read()
    except urllib.error.HTTPError as exc:
        with exc:  # It holds the socket.
            if method == "DELETE" and exc.code == 404:
                return None
            raise RuntimeError(f"{method} {path}: {exc.code} {exc.read()[:500]!r}") from None
    return json.loads(text) if text else None


def answers_http(management_url: str) -> Any:
    """Ask for the overview; ``None`` while the management API is not up."""
    try:
        return call_management(management_url, "GET", "/api/overview")
    except (OSError, RuntimeError, ValueError):
        return None


# --- one broker per test session: shared.py ---


def require_server(version: str = OWN) -> None:
    """Skip where the server is not installed; fail where CI is set, because there it must be."""
    if command("rabbitmq-server", version) is not None:
        return
    reason = f"RabbitMQ ({version}) is not installed: {INSTALL_HINT}"
    if os.environ.get("CI") and not (version != OWN and debian.why_not()):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def shared_server(tmp_path_factory: pytest.TempPathFactory, version: str = OWN) -> Iterator[Address]:
    """Hold a share of the session's broker of a version; never restart it, others use it too."""
    require_server(version)
    folder = session_folder(tmp_path_factory, f"rabbitmq-{version}")
    for address in share(folder, "lab.servers.rabbitmq", version):
        yield Address(**address)


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The session's broker of this machine's own version (fault tests own a ``RabbitMqServer``)."""
    with shared_server(tmp_path_factory) as address:
        yield address


@pytest.fixture(scope="session")
def rabbitmq_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Address]]:
    """The session's brokers by version, started when first asked for."""
    with ExitStack() as held:
        yield functools.cache(lambda version: held.enter_context(shared_server(tmp_path_factory, version)))


@pytest.fixture(scope="session")
def rabbitmq_url(rabbitmq_server: Address) -> str:
    """AMQP URL of the session's broker."""
    return rabbitmq_server.url


@pytest.fixture(scope="session")
def rabbitmq_management_url(rabbitmq_server: Address) -> str:
    """Management API of the session's broker, credentials included."""
    return rabbitmq_server.management_url


def main(arguments: list[str]) -> int:
    """Install the servers, or guard a session's broker."""
    parser = argparse.ArgumentParser(prog="python -m lab.servers.rabbitmq")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install RabbitMQ where it is missing")
    guarding = commands.add_parser("guard", help="run a session's broker in the background")
    guarding.add_argument("folder", type=Path)
    guarding.add_argument("version")
    chosen = parser.parse_args(arguments)
    if chosen.command == "guard":
        version = chosen.version
        guard(chosen.folder, lambda folder: RabbitMqServer(folder, version=version), lambda made: asdict(made.address))
        return 0
    for version in versions():
        try:
            install(version)
        except RuntimeError as exc:
            print(f"rabbitmq ({version}): {exc}", file=sys.stderr)
            if version == OWN or (os.environ.get("CI") and not debian.why_not()):
                return 1
        else:
            print(f"rabbitmq ({version}): installed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
