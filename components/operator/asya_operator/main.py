"""Starts and ends one operator process.

Start: settings, credentials, endpoints, no older operator, lease, watches. End (SIGTERM, SIGINT): reconciles under way are
finished or dropped (the next process repeats them), the lease is given back, exit code 0. A start that cannot succeed is one
line and code 1; a lost lease, or an older operator that is back, is code 1 too, so that the pod starts afresh.
"""

import asyncio
import logging
import os
import socket
import sys
import time
import uuid
from pathlib import Path
from typing import Final

from asya_kube import resources
from asya_kube.api import ApiError, ApiUnavailable, KubeApi
from asya_operator.controller import Controller
from asya_operator.elder import Elders
from asya_operator.event_recorder import Recorder
from asya_operator.kept_queues import KeptQueues
from asya_operator.lease import Election, hold_apart, lease_name
from asya_operator.metrics import Metrics
from asya_operator.poller import Depths, Poller
from asya_operator.probes import Endpoints
from asya_operator.queues import Queues
from asya_operator.reconcile import Reconciler
from asya_operator.settings import OperatorSettings, read_settings
from asya_operator.specs.companions import knows_native_histograms
from asya_operator.surroundings import Surroundings
from asya_operator.tracing import open_reconcile_tracing
from asya_operator.world import World
from asya_process.command import runtime_file
from asya_process.entry import run_process, unless_stopped
from asya_process.signals import stop_event
from asya_protocol.errors import SettingsError

log: Final = logging.getLogger("asya_operator")

STALL_S: Final = 60.0
"""A loop that left no beat for so long is stuck."""
STOP_S: Final = 8.0
"""How long the end may take."""


def main() -> None:
    """Run an operator until it is told to stop; the exit code says whether it could start and ended in order."""
    noisy = ("kopf", "aiohttp", "asyncio")
    ended_well = run_process("operator", lambda: read_settings(sys.argv[1:], os.environ), run, noisy=noisy)
    raise SystemExit(0 if ended_well else 1)


async def run(settings: OperatorSettings) -> bool:
    """Run one operator until SIGTERM or SIGINT; false when the lease was lost, or an older operator is back.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    stop = stop_event()
    process = _Process(settings, read_runtime(settings.runtime_script))
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
    installed = runtime_file()
    if installed is None:
        raise SettingsError("ASYA_RUNTIME_SCRIPT_PATH", f"{script} does not exist, and asya_runtime is not installed")
    return Path(installed).read_text(encoding="utf-8")


class _Process:
    """The parts of one operator process."""

    def __init__(self, settings: OperatorSettings, runtime_source: str) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._tracing = open_reconcile_tracing(settings.traces, self._metrics.registry)
        self._api = KubeApi(self._metrics.observe_call)
        places = {name: each.place for name, each in settings.transports.by_name.items()}
        self._world = World(settings.operator_class, places, settings.crew_namespace)
        self._queues = Queues(
            self._api, settings.runtime_namespace, settings.queue_names, manage=settings.manage_queues
        )
        self._depths = Depths()
        self._kept = KeptQueues(self._api, settings.runtime_namespace, settings.operator_class)
        self._reconciler = Reconciler(
            api=self._api,
            world=self._world,
            queues=self._queues,
            depths=self._depths,
            recorder=Recorder(self._api),
            settings=settings,
            runtime_source=runtime_source,
            kept=self._kept,
        )
        self._controller = Controller(
            self._world,
            self._reconciler,
            self._metrics,
            settings.workers,
            self._api,
            namespaces=settings.namespaces,
            tracing=self._tracing,
        )
        self._endpoints = Endpoints(self._metrics, healthy=self._stalled, ready=self._unready)
        self._elders = Elders(self._api, settings.pod or socket.gethostname(), settings.runtime_namespace)
        self._election: Election | None = None
        self._open = False
        self._leading = False

    async def run(self, stop: asyncio.Event) -> bool:
        """Work until told to stop; false when the lease was lost, or an older operator is back."""
        settings = self._settings
        await self._endpoints.start(settings.metrics_addr, settings.probe_addr)
        await self._api.__aenter__()
        self._open = True
        log.info("Transport registry loaded", extra={"count": len(settings.transports.by_name)})
        lost: asyncio.Task[None] | None = None
        if not settings.namespaces:
            await unless_stopped(self._elders.until_none(), stop)
            if stop.is_set():
                return True
        if settings.leader_elect:
            lease = lease_name(settings.operator_class)
            identity = f"{socket.gethostname()}_{uuid.uuid4()}"
            self._election = Election(self._api, settings.runtime_namespace, identity, lease)
            await unless_stopped(self._election.acquire(), stop)
            if stop.is_set():
                return True
            lost = asyncio.create_task(
                hold_apart(settings.runtime_namespace, identity, self._election.renewed_s, lease)
            )
        self._leading = True
        self._metrics.leader.set(1)
        await self._check_cluster()
        self._world.kept.update(await self._kept.load())
        return await self._work(stop, lost)

    async def close(self) -> None:
        """Give back the lease and disconnect."""
        if self._election is not None:
            await self._election.release()
        await self._queues.close()
        if self._open:
            await self._api.__aexit__(None, None, None)
        await self._endpoints.close()
        await asyncio.to_thread(self._tracing.close)

    async def _work(self, stop: asyncio.Event, lost: "asyncio.Task[None] | None") -> bool:
        settings = self._settings
        poller = Poller(
            world=self._world,
            queues=self._queues,
            depths=self._depths,
            transports=settings.transports,
            enqueue=self._controller.enqueue,
            every_s=settings.queue_check_s,
            metrics=self._metrics,
        )
        watching = asyncio.create_task(self._controller.run(stop))
        polling = asyncio.create_task(poller.run())
        looking = asyncio.create_task(Surroundings(self._api, self._queues.versions, self._metrics).run())
        yielding = None if settings.namespaces else asyncio.create_task(self._elders.until_one())
        tasks = [task for task in (watching, polling, looking, lost, yielding) if task is not None]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return not any(task is not None and task.done() for task in (lost, yielding))
        finally:
            stop.set()
            for background in (polling, looking, lost, yielding):
                if background is not None:
                    background.cancel()
            await asyncio.wait(tasks, timeout=STOP_S)

    async def _check_cluster(self) -> None:
        """See which optional kinds the cluster knows."""
        monitor, actor = resources.POD_MONITOR, resources.ACTOR
        try:
            found = await self._api.get(resources.CRD, None, f"{monitor.plural}.{monitor.group}")
            self._reconciler.pod_monitors = found is not None
            self._reconciler.native_histograms = found is not None and knows_native_histograms(found)
            if await self._api.get(resources.CRD, None, f"{actor.plural}.{actor.group}") is None:
                log.warning("the AsyncActor CRD is not installed yet; apply deploy/operator/crd.yaml")
        except ApiUnavailable:
            raise
        except ApiError as exc:
            if not self._settings.namespaces:
                raise
            # With rights in some namespaces only, nobody may read definitions, which belong to the cluster.
            log.info("no PodMonitors: definitions cannot be read", extra={"error": str(exc)})

    def _stalled(self) -> str | None:
        if not self._leading:
            return None
        silent_s = time.monotonic() - self._controller.beat_s
        return f"no beat for {silent_s:.0f}s" if silent_s > STALL_S else None

    def _unready(self) -> str | None:
        return self._elders.waits_for if self._open else "starting"
