"""``asya-mcp-forward``: reaches a gateway in a cluster from this machine, by ``kubectl port-forward``.

Prints the URL and nothing else on stdout: ``export ASYA_TOOL_MCP_URL=$(asya-mcp-forward)``. The forward goes on in the
background and is found again by its record; ``--stop`` ends it. No process is looked for by name.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from asya_cli.exit_codes import CommandError, ExitCode
from asya_cli.forward_record import Forward, ForwardRecord, record_folder
from asya_cli.gateway_http import GatewayHttp
from asya_cli.marks import bad, good, say

PORTS: Final = range(8080, 9000)
SERVICE: Final = "asya-gateway"
SERVICE_PORT: Final = "http"
"""By name: 80 in Asya 0.1.1's Service, 8080 in others."""
CONTAINER_PORT: Final = 8080
POD_LIMIT: Final = "5m"
HEALTH_LIMIT_S: Final = 5.0
"""After kubectl listens; a pod that is still starting has five minutes before that."""
LISTEN_LIMIT_S: Final = 310.0
POLL_S: Final = 0.1
TAKEN: Final = ("address already in use", "unable to listen")


@dataclass(frozen=True, slots=True)
class Target:
    """What to forward to.

    Attributes:
        namespace: Its namespace.
        resource: ``service/<name>`` or ``deployment/<name>``.
        port: Of the service or of the container, number or name.
    """

    namespace: str
    resource: str
    port: str

    @property
    def name(self) -> str:
        """Names its record."""
        return f"{self.namespace}-{self.resource}-{self.port}"

    def argv(self, kubectl: str, local_port: int) -> list[str]:
        """What to run."""
        where = ["-n", self.namespace, f"--pod-running-timeout={POD_LIMIT}"]
        return [kubectl, "port-forward", *where, self.resource, f"{local_port}:{self.port}"]


def main(words: Sequence[str] | None = None) -> None:
    """Forward, or find a forward; exit code 1 when the gateway cannot be reached."""
    arguments = _parser().parse_args(words)
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except CommandError as error:
        bad(error.cause)
        if error.cure:
            say(f"Try: {error.cure}")
        sys.exit(ExitCode.FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asya-mcp-forward", description=__doc__, allow_abbrev=False)
    parser.add_argument("-n", "--namespace", default="asya-e2e", help="the gateway's namespace (default: %(default)s)")
    parser.add_argument("-s", "--service", default=SERVICE, help="the gateway's Service (default: %(default)s)")
    parser.add_argument("-d", "--deployment", help="forward to a Deployment instead, to its container's port")
    parser.add_argument(
        "-p", "--port", help=f"port there, number or name (default: {SERVICE_PORT}, of a Deployment {CONTAINER_PORT})"
    )
    parser.add_argument(
        "-l", "--local-port", type=int, help=f"port here (default: the first free one of {PORTS[0]} to {PORTS[-1]})"
    )
    parser.add_argument("--check-health", action=argparse.BooleanOptionalAction, default=True, help="ask /health first")
    parser.add_argument("--keep-alive", action="store_true", help="stay, and end the forward with this command")
    parser.add_argument("--stop", action="store_true", help="end the forward that runs in the background")
    return parser


def _run(arguments: argparse.Namespace) -> ExitCode:
    if arguments.deployment:
        target = Target(
            arguments.namespace, f"deployment/{arguments.deployment}", arguments.port or str(CONTAINER_PORT)
        )
    else:
        target = Target(arguments.namespace, f"service/{arguments.service}", arguments.port or SERVICE_PORT)
    record = ForwardRecord(record_folder(os.environ), target.name)
    with record.locked():
        running = record.read()
        if arguments.stop:
            if running is not None:
                record.end(running)
                good(f"Ended the forward at {running.url} (pid {running.process.pid})")
            else:
                say("No forward is running")
            return ExitCode.SUCCESS
        forward = _found(record, running, arguments) or _started(record, target, arguments)
    if arguments.keep_alive:
        return _stay(record, forward)
    print(forward.url, flush=True)
    return ExitCode.SUCCESS


def _found(record: ForwardRecord, running: Forward | None, arguments: argparse.Namespace) -> Forward | None:
    """The forward that runs already, if it serves; one that does not is ended."""
    if running is None:
        return None
    elsewhere = arguments.local_port and not running.url.endswith(f":{arguments.local_port}")
    if not elsewhere and (not arguments.check_health or _healthy(running.url)):
        good(f"A forward runs already at {running.url} (pid {running.process.pid})")
        return running
    say(f"The forward at {running.url} (pid {running.process.pid}) is of no use any more; starting a new one")
    record.end(running)
    return None


def _started(record: ForwardRecord, target: Target, arguments: argparse.Namespace) -> Forward:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CommandError("kubectl is not on PATH", "asya doctor")
    for port in _ports(arguments.local_port):
        forward, process = _start(record, target, kubectl, port)
        problem = _until_listening(process, port, record.log)
        if problem is None and arguments.check_health and not _until_healthy(forward.url, process):
            problem = f"the gateway does not answer at {forward.url}/health within {HEALTH_LIMIT_S:g} s"
        if problem is None:
            good(f"{target.resource} of {target.namespace} is at {forward.url} (pid {forward.process.pid})")
            return forward
        record.end(forward)
        if arguments.local_port is None and any(text in problem.lower() for text in TAKEN):
            continue  # somebody was quicker
        raise CommandError(problem, f"kubectl get -n {target.namespace} {target.resource}")
    raise CommandError(f"no port of {PORTS[0]} to {PORTS[-1]} is free", "name one with --local-port")


def _start(record: ForwardRecord, target: Target, kubectl: str, port: int) -> "tuple[Forward, subprocess.Popen[bytes]]":
    from asya_local.processes import ProcessRecord, record_of

    argv = target.argv(kubectl, port)
    say(f"Running {' '.join(['kubectl', *argv[1:]])}")
    with record.log.open("wb") as log:
        # Its output must not be ours: $(...) would wait for its end.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    known = record_of(process.pid, "forward") or ProcessRecord(process.pid, time.time(), "forward")
    forward = Forward(known, f"http://localhost:{port}")
    record.write(forward)
    return forward, process


def _until_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> str | None:
    """Wait until kubectl listens; why it does not, if so."""
    deadline_s = time.monotonic() + LISTEN_LIMIT_S
    while True:
        if (code := process.poll()) is not None:
            return f"kubectl ended with code {code}: {_said(log)}"
        if f":{port} ->" in _said(log):
            return None
        if time.monotonic() > deadline_s:
            return f"kubectl does not forward after {LISTEN_LIMIT_S:g} s: {_said(log)}"
        time.sleep(POLL_S)


def _until_healthy(url: str, process: "subprocess.Popen[bytes]") -> bool:
    deadline_s = time.monotonic() + HEALTH_LIMIT_S
    while process.poll() is None:
        if _healthy(url):
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return False


def _healthy(url: str) -> bool:
    try:
        return GatewayHttp(url).request("GET", "/health", limit_s=HEALTH_LIMIT_S).status_code == 200
    except CommandError:
        return False


def _stay(record: ForwardRecord, forward: Forward) -> ExitCode:
    """Say where it is and wait for its end or for a signal; then leave nothing behind."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(ExitCode.SUCCESS)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        print(forward.url, flush=True)
        say("Ctrl-C ends it")
        while forward.process.alive:
            time.sleep(POLL_S)
    finally:
        record.end(forward)
    bad(f"The forward has ended: {_said(record.log)}")
    return ExitCode.FAILED


def _said(log: Path) -> str:
    try:
        return " ".join(log.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ""


def _ports(wanted: int | None) -> Iterator[int]:
    """The port that was asked for, or those that are free now."""
    if wanted is not None:
        yield wanted
        return
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


if __name__ == "__main__":
    main()
