"""The servers of an evaluation, in one process that `make up PROFILE=...` leaves running and `make down` ends.

``python -m tools.stack.servers FOLDER HOST NEED...`` starts them, forwards an address that pods see to each, writes
``servers.json`` and waits for its end. They keep nothing over a restart.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tools.stack.errors import StackError
from tools.stack.quick_start import Servers
from tools.tree import ROOT

_PATIENCE_S: Final = 180.0
"""LocalStack may have to be installed first."""
_END_S: Final = 30.0


def running(folder: Path) -> Servers | None:
    """The servers that run; none when they do not."""
    file = folder / "servers.json"
    if not file.exists():
        return None
    known = json.loads(file.read_text(encoding="utf-8"))
    if not _alive(int(known.pop("pid"))):
        file.unlink()
        return None
    return Servers(**known)


def start(folder: Path, host: str, needs: tuple[str, ...]) -> Servers:
    """Start them, unless they run; returns when they answer.

    Raises:
        StackError: They did not start; names their log.
    """
    found = running(folder)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    print(f"stack: starting {' and '.join(needs)} beside the cluster", flush=True)
    with log.open("wb") as output:
        begun = subprocess.run(
            [sys.executable, "-m", "tools.stack.servers", str(folder), host, *needs],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    pid_file = folder / "pid"
    pid = int(pid_file.read_text(encoding="utf-8")) if begun.returncode == 0 else 0
    ends = time.monotonic() + _PATIENCE_S
    while pid and time.monotonic() < ends and _alive(pid):
        found = running(folder)
        if found is not None:
            return found
        time.sleep(0.2)
    stop(folder, pid)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise StackError(f"the servers beside the cluster did not start: {' '.join(last)} (all of it: {log})")


def stop(folder: Path, pid: int = 0) -> None:
    """End them and forget them; fine when they do not run."""
    file = folder / "servers.json"
    if file.exists():
        pid = int(json.loads(file.read_text(encoding="utf-8"))["pid"])
    if pid and _alive(pid):
        os.kill(pid, signal.SIGTERM)
        ends = time.monotonic() + _END_S
        while _alive(pid) and time.monotonic() < ends:
            time.sleep(0.1)
    file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve(folder: Path, host: str, needs: list[str]) -> None:
    """Leave the caller, who only wanted them started, and run them until SIGTERM."""
    pid = os.fork()
    if pid:
        (folder / "pid").write_text(str(pid), encoding="utf-8")
        return
    os.setsid()  # Ctrl-C is for the engine.
    from tests.support.forward import forwarded
    from tests.support.localstack import LocalStackServer
    from tests.support.rabbitmq import RabbitMqServer, install

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        if "aws" in needs:
            aws = stack.enter_context(LocalStackServer())
            ports["aws"] = stack.enter_context(forwarded(host, aws.port))
        if "rabbitmq" in needs:
            install()
            broker = stack.enter_context(RabbitMqServer())
            ports["amqp"] = stack.enter_context(forwarded(host, broker.port))
            ports["management"] = stack.enter_context(forwarded(host, broker.management_port))
        draft = folder / "servers.draft"
        draft.write_text(json.dumps({**asdict(Servers(host, **ports)), "pid": os.getpid()}), encoding="utf-8")
        draft.replace(folder / "servers.json")
        while True:
            signal.pause()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
