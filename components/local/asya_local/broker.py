"""The mesh's broker and store: an existing one, or a process that the mesh starts, watches and ends.

The broker does not die with its supervisor, on purpose: it holds acknowledged envelopes. The next supervisor takes it
over by its record, and ``down`` ends it.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asya_local import localstack
from asya_local.errors import MeshError
from asya_local.processes import (
    MARKER,
    OsLauncher,
    ProcessRecord,
    ProcessSpec,
    RunningProcess,
    own_python,
    record_of,
)
from asya_local.state import BrokerRecord, Request, StateFolder

log: Final = logging.getLogger(__name__)

START_LIMIT_S: Final = 180.0
"""LocalStack answers 4 to 7 s after its start on a quiet machine; a busy one with two cores takes much longer."""
STOP_LIMIT_S: Final = 10.0
PORTS: Final = range(20_000, 32_000)
BUCKET: Final = "asya-results"
REGION: Final = "us-east-1"
WAIT_TIME_S: Final = 2
"""SQS long poll on one machine: short, so that a drain does not wait for it; a poll costs nothing here."""
_POLL_S: Final = 0.1

Started = Callable[[BrokerRecord], None]
"""Called with a broker's process as soon as it runs, so that it is always recorded."""


@dataclass(slots=True)
class Broker:
    """Where envelopes and results are.

    Attributes:
        transport_env: Leads sidecars and clients to the broker.
        store_env: Leads the crew and clients to the object store.
        record: The broker's process when it is ours.
        process: Handle of that process when this supervisor started it.
    """

    transport_env: Mapping[str, str]
    store_env: Mapping[str, str]
    record: BrokerRecord | None = None
    process: RunningProcess | None = None

    @property
    def alive(self) -> bool:
        """Whether its process lives; an existing broker is assumed to."""
        if self.process is not None and self.process.poll() is not None:
            return False
        return self.record is None or self.record.process.alive


async def open_broker(
    request: Request, state: StateFolder, environ: Mapping[str, str], previous: BrokerRecord | None, started: Started
) -> Broker:
    """Find or start the broker that a request names.

    Args:
        request: What the user asked for.
        state: The mesh's folder.
        environ: The supervisor's environment; AWS credentials for a given endpoint come from there.
        previous: Broker of an earlier supervisor or of an earlier life; taken over if it answers.
        started: Told of a process of ours, new or taken over.

    Raises:
        MeshError: It cannot be started; says why.
    """
    match request.transport:
        case "memory":
            return await _memory(state, environ, previous, started)
        case "sqs":
            return await _sqs(request, state, environ, previous, started)
        case "rabbitmq":
            return _rabbitmq(request, state)
    raise MeshError(f"transport {request.transport!r} is not one of memory, sqs, rabbitmq")


async def close_broker(record: BrokerRecord) -> None:
    """End a broker of ours, with all that it started."""
    if not record.process.alive:
        return
    _signal_group(record.process, signal.SIGTERM)
    deadline = asyncio.get_running_loop().time() + STOP_LIMIT_S
    while record.process.alive:
        if asyncio.get_running_loop().time() > deadline:
            _signal_group(record.process, signal.SIGKILL)
            return
        await asyncio.sleep(_POLL_S)


async def _memory(
    state: StateFolder, environ: Mapping[str, str], previous: BrokerRecord | None, started: Started
) -> Broker:
    path = state.run_dir / "memory.sock"
    env = {"ASYA_TRANSPORT": "memory", "ASYA_MEMORY_SOCKET": str(path)}
    store = folder_store(state.home)
    if previous is not None and previous.kind == "memory" and previous.process.alive and _listens(path):
        started(previous)
        return Broker(env, store, previous)
    spec = ProcessSpec(
        role="broker",
        actor="",
        argv=(*own_python(), "-m", "asya_transport.memory.server", str(path)),
        env={**environ, MARKER: state.mesh_id},
        cwd=state.home,
        log=state.logs / "memory-broker.log",
        with_parent=None,
    )
    process = OsLauncher().launch(spec)
    record = _record(process.pid, "memory", str(path))
    started(record)
    await _until(lambda: _listens(path), process.poll, spec.log, "the memory broker")
    return Broker(env, store, record, process)


async def _sqs(
    request: Request, state: StateFolder, environ: Mapping[str, str], previous: BrokerRecord | None, started: Started
) -> Broker:
    if request.endpoint is not None:
        keys = (environ.get("AWS_ACCESS_KEY_ID", "test"), environ.get("AWS_SECRET_ACCESS_KEY", "test"))
        return Broker(*_aws(request.endpoint, environ.get("AWS_REGION", REGION), keys))
    keys = ("test", "test")
    if previous is not None and previous.kind in ("localstack", "moto") and previous.process.alive:
        kind: localstack.Kind = "moto" if previous.kind == "moto" else "localstack"
        if await asyncio.to_thread(localstack.is_healthy, previous.address, kind):
            started(previous)
            return Broker(*_aws(previous.address, REGION, keys), previous)
        await close_broker(previous)
    # Restarted on the port that sidecars already know, when there was one.
    port = (
        int(previous.address.rpartition(":")[2]) if previous is not None and ":" in previous.address else _free_port()
    )
    python = Path(request.localstack_python) if request.localstack_python else None
    server = localstack.start(state.home / "localstack", port, ("sqs", "s3"), python=python)
    record = _record(server.pid, server.kind, server.endpoint)
    started(record)
    await _until(lambda: localstack.is_healthy(server.endpoint, server.kind), server.poll, server.log, server.kind)
    return Broker(*_aws(server.endpoint, REGION, keys), record, server)


def _rabbitmq(request: Request, state: StateFolder) -> Broker:
    if not request.rabbitmq_url:
        raise MeshError("--transport rabbitmq needs --rabbitmq-url amqp://user:password@host:port/vhost")
    env = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": request.rabbitmq_url}
    if request.rabbitmq_management_url:
        env["ASYA_RABBITMQ_MANAGEMENT_URL"] = request.rabbitmq_management_url
    return Broker(env, request.store or folder_store(state.home))


def folder_store(home: Path) -> dict[str, str]:
    """Environment of a store that is a folder: for transports that bring no S3."""
    return {"ASYA_STORE_URL": (home / "results").as_uri()}


def _aws(endpoint: str, region: str, keys: tuple[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    credentials = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "AWS_REGION": region}
    transport = {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": endpoint,
        "ASYA_AWS_REGION": region,
        "ASYA_SQS_WAIT_TIME_SECONDS": str(WAIT_TIME_S),
        **credentials,
    }
    store = {
        "ASYA_S3_ENDPOINT": endpoint,
        "ASYA_S3_BUCKET": BUCKET,
        "ASYA_S3_ACCESS_KEY": keys[0],
        "ASYA_S3_SECRET_KEY": keys[1],
        **credentials,
    }
    return transport, store


async def _until(ready: Callable[[], bool], poll: Callable[[], int | None], log_path: Path, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + START_LIMIT_S
    while not await asyncio.to_thread(ready):
        trouble = None
        if (code := poll()) is not None:
            trouble = f"ended with code {code}"
        elif asyncio.get_running_loop().time() > deadline:
            trouble = f"did not answer within {START_LIMIT_S:g} s"
        if trouble:
            raise MeshError(f"{what} {trouble}; its log {log_path} ends with:\n{_tail(log_path)}")
        await asyncio.sleep(_POLL_S)


def _record(pid: int, kind: str, address: str) -> BrokerRecord:
    process = record_of(pid, "broker")
    if process is None:
        raise MeshError(f"the {kind} broker ended right after its start")
    return BrokerRecord(process, kind, address)


def _signal_group(process: ProcessRecord, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except OSError as exc:
        log.debug("broker already gone", extra={"error": str(exc)})


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _free_port() -> int:
    """Find a port outside the range of ephemeral ports, since it is bound only seconds later."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else "(nothing)"
