"""Starts and ends one operator process.

Start: settings, credentials, endpoints, lease, watches. End (SIGTERM, SIGINT): reconciles under way are finished or dropped
(the next process repeats them), the lease is given back, exit code 0. A start that cannot succeed is one line and code 1; a
lost lease is code 1 too, so that the pod starts afresh.
"""

import asyncio
import importlib.util
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from asya_kube import resources
from asya_kube.api import KubeApi
from asya_operator.controller import Controller
from asya_operator.event_recorder import Recorder
from asya_operator.lease import Election, hold_apart
from asya_operator.metrics import Metrics
from asya_operator.poller import Depths, Poller
from asya_operator.probes import Endpoints
from asya_operator.queues import Queues
from asya_operator.reconcile import Reconciler
from asya_operator.settings import OperatorSettings, read_settings
from asya_operator.world import World
from asya_process.logs import log_json
from asya_protocol import names
from asya_protocol.errors import AsyaError, SettingsError

log: Final = logging.getLogger("asya_operator")

STALL_S: Final = 60.0
"""A loop that left no beat for so long is stuck."""
STOP_S: Final = 8.0
"""How long the end may take."""


def main() -> None:
    """Run an operator until it is told to stop; the exit code says whether it could start and ended in order."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        source = read_runtime(settings.runtime_script)
    except SettingsError as exc:
        sys.stderr.write(f"asya-operator: {exc}\n")
        raise SystemExit(1) from None
    log_json(settings.log_level, noisy=("kopf", "aiohttp", "asyncio"))
    names.use_queue_prefix(settings.queue_prefix)
    try:
        ended_well = asyncio.run(run(settings, source))
    except AsyaError as exc:
        log.error("operator cannot run", extra={"error": str(exc), "error_type": type(exc).__name__})  # noqa: TRY400 - the cause is in the text
        raise SystemExit(1) from None
    raise SystemExit(0 if ended_well else 1)


async def run(settings: OperatorSettings, runtime_source: str) -> bool:
    """Run one operator until SIGTERM or SIGINT; false when the lease was lost.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})  # __main__ blocked them
    process = _Process(settings, runtime_source)
    try:
        return await process.run(stop)
    finally:
        try:
            async with asyncio.timeout(STOP_S):
                await process.close()
        except TimeoutError:
            log.warning("connections did not close in time", extra={"waited_s": STOP_S})
        log.info("operator stopped")


def read_runtime(script: Path) -> str:
    """The text of the runtime that goes into every actor's namespace.

    Raises:
        SettingsError: There is none.
    """
    if script.is_file():
        return script.read_text(encoding="utf-8")
    # Found, not imported: importing it would set up logging and read the environment of a handler.
    spec = importlib.util.find_spec("asya_runtime")
    if spec is None or spec.origin is None:
        raise SettingsError("ASYA_RUNTIME_SCRIPT_PATH", f"{script} does not exist, and asya_runtime is not installed")
    return Path(spec.origin).read_text(encoding="utf-8")


class _Process:
    """The parts of one operator process."""

    def __init__(self, settings: OperatorSettings, runtime_source: str) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._api = KubeApi(self._metrics.observe_call)
        self._world = World()
        self._queues = Queues(self._api, settings.runtime_namespace, manage=settings.manage_queues)
        self._depths = Depths()
        self._reconciler = Reconciler(
            api=self._api,
            world=self._world,
            queues=self._queues,
            depths=self._depths,
            recorder=Recorder(self._api),
            settings=settings,
            runtime_source=runtime_source,
        )
        self._controller = Controller(self._world, self._reconciler, self._metrics, settings.workers, self._api)
        self._endpoints = Endpoints(self._metrics, healthy=self._stalled, ready=self._unready)
        self._election: Election | None = None
        self._open = False
        self._leading = False

    async def run(self, stop: asyncio.Event) -> bool:
        """Work until told to stop; false when the lease was lost."""
        settings = self._settings
        await self._endpoints.start(settings.metrics_addr, settings.probe_addr)
        await self._api.__aenter__()
        self._open = True
        log.info("Transport registry loaded", extra={"count": len(settings.transports.by_name)})
        lost: asyncio.Task[None] | None = None
        if settings.leader_elect:
            identity = f"{socket.gethostname()}_{uuid.uuid4()}"
            self._election = Election(self._api, settings.runtime_namespace, identity)
            if not await _first(self._election.acquire(), stop):
                return True
            lost = asyncio.create_task(hold_apart(settings.runtime_namespace, identity, self._election.renewed_s))
        self._leading = True
        self._metrics.leader.set(1)
        await self._check_cluster()
        return await self._work(stop, lost)

    async def close(self) -> None:
        """Give back the lease and disconnect."""
        if self._election is not None:
            await self._election.release()
        await self._queues.close()
        if self._open:
            await self._api.__aexit__(None, None, None)
        await self._endpoints.close()

    async def _work(self, stop: asyncio.Event, lost: "asyncio.Task[None] | None") -> bool:
        settings = self._settings
        poller = Poller(
            world=self._world,
            queues=self._queues,
            depths=self._depths,
            transports=settings.transports,
            enqueue=self._controller.enqueue,
            every_s=settings.queue_check_s,
        )
        watching = asyncio.create_task(self._controller.run(stop))
        polling = asyncio.create_task(poller.run())
        tasks = [task for task in (watching, polling, lost) if task is not None]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return lost is None or not lost.done()
        finally:
            stop.set()
            for background in (polling, lost):
                if background is not None:
                    background.cancel()
            await asyncio.wait(tasks, timeout=STOP_S)

    async def _check_cluster(self) -> None:
        """See which optional kinds the cluster knows."""
        monitor = resources.POD_MONITOR
        found = await self._api.get(resources.CRD, None, f"{monitor.plural}.{monitor.group}")
        self._reconciler.pod_monitors = found is not None
        actor = resources.ACTOR
        if await self._api.get(resources.CRD, None, f"{actor.plural}.{actor.group}") is None:
            log.warning("the AsyncActor CRD is not installed yet; apply deploy/operator/crd.yaml")

    def _stalled(self) -> str | None:
        if not self._leading:
            return None
        silent_s = time.monotonic() - self._controller.beat_s
        return f"no beat for {silent_s:.0f}s" if silent_s > STALL_S else None

    def _unready(self) -> str | None:
        return None if self._open else "starting"


async def _first(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Wait for work or for the stop signal; whether the work was done first."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    return False
