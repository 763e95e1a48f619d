"""The servers of an evaluation, in one process that `make up PROFILE=...` leaves running and `make down` ends.

``python -m tools.stack.servers FOLDER HOST NEED...`` starts them, forwards an address that pods see to each, writes
``servers.json`` and waits for its end. They keep nothing over a restart. Their folder outlives one, so it knows their process
by pid and start time: after a restart the same pid may be somebody else's.
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
from typing import Any, Final

from asya_local.processes import ProcessRecord, end_recorded, record_of
from lab.checkout import ROOT
from tools.stack.errors import StackError
from tools.stack.quick_start import Servers

SERVERS: Final = "servers.json"
STARTED: Final = "process.json"
_PATIENCE_S: Final = 180.0
"""LocalStack may have to be installed first."""
_END_S: Final = 30.0


def running(folder: Path) -> Servers | None:
    """The servers that run; ``None`` when they do not."""
    known = _read(folder)
    if known is not None and known[1].alive:
        return known[0]
    (folder / SERVERS).unlink(missing_ok=True)
    return None


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
    process = None
    if begun.returncode == 0:
        process = ProcessRecord(**json.loads((folder / STARTED).read_text(encoding="utf-8")))
    ends = time.monotonic() + _PATIENCE_S
    while process is not None and time.monotonic() < ends and process.alive:
        found = running(folder)
        if found is not None:
            return found
        time.sleep(0.2)
    stop(folder, process)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise StackError(f"the servers beside the cluster did not start: {' '.join(last)} (all of it: {log})")


def stop(folder: Path, started: ProcessRecord | None = None) -> None:
    """End them and forget them; fine when they do not run.

    Args:
        folder: Theirs.
        started: Their process, where they have not written their record yet.

    Raises:
        StackError: They did not end, as when they are another user's.
    """
    known = _read(folder)
    process = known[1] if known is not None else started
    if process is not None:
        end_recorded(process, _END_S)
        if process.alive:
            raise StackError(
                f"the servers beside the cluster (process {process.pid}) do not end; are they another user's?"
            )
    (folder / SERVERS).unlink(missing_ok=True)


def _read(folder: Path) -> tuple[Servers, ProcessRecord] | None:
    """The record; ``None`` where there is none that says of which process it is: a pid alone may be anybody's by now."""
    try:
        document = json.loads((folder / SERVERS).read_text(encoding="utf-8"))
        process = ProcessRecord(**document.pop("process"))
        return Servers(**document), process
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _recorded(pid: int) -> dict[str, Any]:
    """A process as its record has it."""
    process = record_of(pid, "servers")
    if process is None:
        raise SystemExit(f"process {pid} has ended already")
    return asdict(process)


def serve(folder: Path, host: str, needs: list[str]) -> None:
    """Leave the caller, who only wanted them started, and run them until SIGTERM."""
    pid = os.fork()
    if pid:
        (folder / STARTED).write_text(json.dumps(_recorded(pid)), encoding="utf-8")
        return
    os.setsid()  # Ctrl-C is for the engine.
    from lab.servers.forward import forwarded
    from lab.servers.localstack import LocalStackServer
    from lab.servers.rabbitmq import RabbitMqServer, install

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
        draft.write_text(
            json.dumps({**asdict(Servers(host, **ports)), "process": _recorded(os.getpid())}), encoding="utf-8"
        )
        draft.replace(folder / SERVERS)
        while True:
            signal.pause()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
