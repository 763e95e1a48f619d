"""Starts and ends one sidecar process.

Start: settings, transport, HTTP endpoints, runtime, consumer, pipeline. End (SIGTERM, SIGINT): the pipeline drains, then the
reports, the transport and the endpoints close; exit code 0. A start that cannot succeed is one line and exit code 1.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from asya_process.logs import log_json
from asya_protocol import names
from asya_protocol.errors import AsyaError, QueueMissing, SettingsError
from asya_sidecar.admission import Admission
from asya_sidecar.dedup import Dedup
from asya_sidecar.health_server import Endpoints
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.pipeline import Pipeline
from asya_sidecar.reporter import GatewayReporter
from asya_sidecar.runtime_client import Features, RuntimeClient
from asya_sidecar.settings import SidecarSettings, read_settings
from asya_store.cancel_list import CancelList
from asya_store.claims import ClaimCheck
from asya_store.dedup import open_dedup
from asya_store.factory import open_store
from asya_transport.factory import open_transport
from asya_transport.port import Consumer, Transport

log: Final = logging.getLogger("asya_sidecar")

_T = TypeVar("_T")

STALL_S: Final = 90.0
"""A loop that left no beat and saw no poll for this long is stuck: the longest poll is 20 s, the longest pause 30 s."""


def main() -> None:
    """Run a sidecar until it is told to stop; the process's exit code says whether it could start."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as exc:
        sys.stderr.write(f"asya-sidecar: {exc}\n")
        raise SystemExit(1) from None
    log_json(settings.log_level)
    names.use_queue_prefix(settings.transport.queue_prefix)
    try:
        asyncio.run(run(settings))
    except AsyaError as exc:
        log.error("sidecar cannot run", extra={"error": str(exc), "error_type": type(exc).__name__})  # noqa: TRY400 - the cause is in the text
        raise SystemExit(1) from None


async def run(settings: SidecarSettings) -> None:
    """Run one sidecar until SIGTERM or SIGINT.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})  # __main__ blocked them
    metrics = Metrics(settings.metrics_namespace, settings.hop.actor, settings.transport.name)
    state = _State()
    endpoints = None
    if settings.metrics_enabled:
        endpoints = Endpoints(
            settings.metrics_addr, metrics.registry, health=state.health, ready=state.ready, work=state.work
        )
        endpoints.announce(settings.socket_dir)
    transport = open_transport(settings.transport)
    try:
        await _work(settings, transport, metrics, state, stop)
    finally:
        await transport.close()
        if endpoints is not None:
            endpoints.close()
    log.info("sidecar stopped", extra={"actor": settings.hop.actor})


async def _work(
    settings: SidecarSettings, transport: Transport, metrics: Metrics, state: "_State", stop: asyncio.Event
) -> None:
    runtimes = [RuntimeClient(settings.socket_dir) for _ in range(settings.concurrency)]
    if not await _unless_stopped(runtimes[0].wait_ready(settings.runtime_ready_timeout_s), stop):
        if stop.is_set():
            return
        raise SettingsError(
            "ASYA_SOCKET_DIR",
            f"no runtime became ready in {settings.socket_dir} within {settings.runtime_ready_timeout_s:g}s; "
            "see the runtime's log, or raise ASYA_RUNTIME_READY_TIMEOUT",
        )
    await transport.connect()
    shape = _shape(settings, runtimes[0].features)
    del runtimes[shape.concurrency :]
    consumer = await _unless_stopped(_consume(settings, transport, shape.concurrency * shape.batch), stop)
    if consumer is None:
        return
    reporter = None
    if settings.gateway_url:
        reporter = GatewayReporter(settings.gateway_url, settings.gateway_token, metrics)
    store = open_store(settings.store)
    claims = ClaimCheck(store, settings.claim_over_bytes or sys.maxsize) if store is not None else None
    cancels = CancelList(store) if store is not None and settings.cancel_poll_s else None
    dedup = None
    if settings.dedup_window_s and not settings.hop.is_end_actor:
        dedup = Dedup(settings.hop, open_dedup(settings.dedup_url), settings.dedup_window_s)
    admission = Admission(settings.hop, cancels=cancels, listen_s=settings.cancel_poll_s, claims=claims, dedup=dedup)
    pipeline = Pipeline(
        hop=settings.hop,
        consumer=consumer,
        performer=Performer(transport, consumer, settings.hop, metrics, reporter=reporter, admission=admission),
        runtimes=runtimes,
        metrics=metrics,
        admission=admission,
        fixed_window=settings.transport.rabbitmq_prefetch,
        batch_size=shape.batch,
        batch_wait_s=settings.batch_wait_s,
        drain_timeout_s=settings.drain_timeout_s,
    )
    state.pipeline, state.consumer = pipeline, consumer
    log.info(
        "sidecar started",
        extra={"actor": settings.hop.actor, "transport": transport.name, **asdict(shape)},
    )
    reporting = asyncio.create_task(reporter.run()) if reporter else None
    try:
        await pipeline.run(stop)
    finally:
        if reporter is not None and reporting is not None:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            await reporter.close()


@dataclass(frozen=True, slots=True)
class Shape:
    """How many envelopes handlers get at once: ``concurrency`` calls of ``batch`` envelopes each."""

    concurrency: int
    batch: int


def _shape(settings: SidecarSettings, features: Features) -> Shape:
    """Agree with the runtime; what it does not announce it cannot do."""
    if settings.concurrency > features.concurrency:
        log.warning(
            "runtime runs fewer calls at once than asked for; set ASYA_CONCURRENCY in its environment too",
            extra={"asked": settings.concurrency, "runs": features.concurrency},
        )
    if features.batch is None and settings.batch_size is not None:
        log.warning("runtime takes no batches; set ASYA_BATCH_SIZE in its environment too")
    largest = features.batch or 1
    return Shape(min(settings.concurrency, features.concurrency), min(settings.batch_size or largest, largest))


async def _consume(settings: SidecarSettings, transport: Transport, prefetch: int) -> Consumer:
    """Open the consumer; the queue may be made a little later than this process."""
    queue = names.queue_name(settings.hop.actor)
    pause_s = settings.transport.queue_retry_backoff_s
    for attempt in range(1, settings.transport.queue_retry_max_attempts + 1):
        try:
            return await transport.consume(queue, prefetch=prefetch)
        except QueueMissing as exc:
            if attempt == settings.transport.queue_retry_max_attempts:
                raise
            log.warning("queue missing", extra={"error": str(exc), "attempt": attempt, "retry_in_s": pause_s})
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 30.0)
    raise QueueMissing(queue)


async def _unless_stopped(work: Coroutine[Any, Any, _T], stop: asyncio.Event) -> _T | None:
    """Wait for work or for the stop signal; ``None`` when the signal came first."""
    task = asyncio.ensure_future(work)
    signal_task = asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, signal_task), return_when=asyncio.FIRST_COMPLETED)
    signal_task.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


class _State:
    """What the endpoints know of the pipeline; read from their thread, so plain attribute reads only."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self.consumer: Consumer | None = None

    def health(self) -> str | None:
        """Live: the loop turned, or a poll completed, lately."""
        if self.pipeline is None or self.consumer is None:
            return None
        silent_s = time.monotonic() - max(self.pipeline.beat_s, self.consumer.last_poll_s)
        return f"no poll for {silent_s:.0f}s\n" if silent_s > STALL_S else None

    def work(self) -> object:
        """What is in hand."""
        return {} if self.pipeline is None else self.pipeline.work_in_hand()

    def ready(self) -> str | None:
        """Ready: consuming, and the runtime can take a call."""
        if self.pipeline is None:
            return "starting: runtime or queue not there yet\n"
        return None if self.pipeline.runtime_ready else "runtime not ready\n"
