"""Starts and ends one sidecar process.

Start: settings, transport, HTTP endpoints, runtime, consumer, pipeline. End (SIGTERM, SIGINT): the pipeline drains, then the
reports, the transport and the endpoints close; exit code 0. A start that cannot succeed is one line and exit code 1.
"""

import asyncio
import logging
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from asya_process.backoff import pauses
from asya_process.entry import run_process, unless_stopped
from asya_process.signals import stop_event
from asya_process.token_end import token_ends_s
from asya_protocol.errors import QueueMissing, SettingsError
from asya_sidecar.admission import Admission
from asya_sidecar.custom_metrics import CustomMetrics
from asya_sidecar.dedup import Dedup
from asya_sidecar.health_server import Endpoints
from asya_sidecar.limits import Limits
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.piece_sender import PieceSender
from asya_sidecar.pipeline import Pipeline
from asya_sidecar.reporter import GatewayReporter
from asya_sidecar.runtime_client import Features, RuntimeClient
from asya_sidecar.settings import SidecarSettings, read_settings
from asya_sidecar.tracing import HopTracing, open_hop_tracing
from asya_store.cancel_list import CancelList
from asya_store.claims import ClaimCheck
from asya_store.dedup import open_dedup
from asya_store.factory import open_store
from asya_store.limits.factory import open_limits
from asya_store.limits.limiter import Limiter
from asya_transport.factory import open_transport
from asya_transport.port import Consumer, Transport

log: Final = logging.getLogger("asya_sidecar")

STALL_S: Final = 90.0
"""A loop that left no beat and saw no poll for this long is stuck: the longest poll is 20 s, the longest pause 30 s."""


def main() -> None:
    """Run a sidecar until it is told to stop; the process's exit code says whether it could start."""
    run_process("sidecar", lambda: read_settings(os.environ), run)


async def run(settings: SidecarSettings) -> None:
    """Run one sidecar until SIGTERM or SIGINT.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    stop = stop_event()
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
    metrics.watch_requests(transport.requests)
    if not await _meet(settings, transport, runtimes[0], stop):
        return
    shape = _shape(settings, runtimes[0].features)
    del runtimes[shape.concurrency :]
    consumer = await unless_stopped(_consume(settings, transport, shape.concurrency * shape.batch), stop)
    if consumer is None:
        return
    reporter = None
    if settings.gateway_url:
        reporter = GatewayReporter(settings.gateway_url, settings.gateway_token, metrics)
        if settings.gateway_token and (ends_s := token_ends_s(settings.gateway_token)) is not None:
            metrics.show_token(ends_s)
    pieces = PieceSender(settings.gateway_url, settings.gateway_token, metrics)
    store = open_store(settings.store)
    claims = ClaimCheck(store, settings.claim_over_bytes or sys.maxsize) if store is not None else None
    cancels = CancelList(store) if store is not None and settings.cancel_poll_s else None
    dedup = None
    if settings.dedup_window_s and not settings.hop.is_end_actor:
        dedup = Dedup(settings.hop, open_dedup(settings.dedup_url), settings.dedup_window_s)
    limits = None
    if settings.hop.limits and not settings.hop.is_end_actor:
        limits = Limits(settings.hop, Limiter(open_limits(settings.limits_url)), metrics)
    admission = Admission(
        settings.hop,
        cancels=cancels,
        listen_s=settings.cancel_poll_s,
        claims=claims,
        dedup=dedup,
        limits=limits,
        metrics=metrics,
    )
    tracing = open_hop_tracing(settings.traces, settings.hop, transport.name, metrics)
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
        tracing=tracing,
        pieces=pieces,
    )
    state.pipeline, state.consumer = pipeline, consumer
    log.info(
        "sidecar started",
        extra={"actor": settings.hop.actor, "transport": transport.name, **asdict(shape)},
    )
    reporting = asyncio.create_task(reporter.run()) if reporter else None
    streaming = asyncio.create_task(pieces.run())
    noted = None if tracing is None else tracing.usage.note
    custom = CustomMetrics(metrics, settings.custom_metrics, noted) if settings.metrics_enabled else None
    if custom is not None:
        await custom.listen(settings.socket_dir)
    try:
        await pipeline.run(stop)
    finally:
        if custom is not None:
            await custom.close()
        # Side by side: each may take a share of what the drain has left of the grace.
        await asyncio.gather(
            _close_client(reporter, reporting), _close_client(pieces, streaming), _close_traces(tracing)
        )


async def _close_client(client: GatewayReporter | PieceSender | None, sending: "asyncio.Task[None] | None") -> None:
    if client is not None and sending is not None:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await client.close()


async def _close_traces(tracing: HopTracing | None) -> None:
    if tracing is not None:
        await asyncio.to_thread(tracing.close)


async def _meet(settings: SidecarSettings, transport: Transport, runtime: RuntimeClient, stop: asyncio.Event) -> bool:
    """Wait for the runtime and connect to the broker meanwhile; false when told to stop.

    Raises:
        SettingsError: No runtime became ready.
        TransportError: The broker cannot be reached.
    """
    connecting = asyncio.create_task(transport.connect())
    try:
        if await unless_stopped(runtime.wait_ready(settings.runtime_ready_timeout_s), stop):
            await connecting
            return True
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    if stop.is_set():
        return False
    raise SettingsError(
        "ASYA_SOCKET_DIR",
        f"no runtime became ready in {settings.socket_dir} within {settings.runtime_ready_timeout_s:g}s; "
        "see the runtime's log, or raise ASYA_RUNTIME_READY_TIMEOUT",
    )


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
    queue = settings.hop.queue_names.queue(settings.hop.actor)
    told = settings.transport
    waits = pauses(told.queue_retry_backoff_s, 30.0, told.queue_retry_max_attempts)
    for attempt, pause_s in enumerate(waits, 1):
        try:
            return await transport.consume(queue, prefetch=prefetch)
        except QueueMissing as exc:
            log.warning("queue missing", extra={"error": str(exc), "attempt": attempt, "retry_in_s": pause_s})
            await asyncio.sleep(pause_s)
    return await transport.consume(queue, prefetch=prefetch)


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
        """The deliveries that are held."""
        return {} if self.pipeline is None else self.pipeline.work_in_hand()

    def ready(self) -> str | None:
        """Ready: consuming, and the runtime can take a call."""
        if self.pipeline is None:
            return "starting: runtime or queue not there yet\n"
        return None if self.pipeline.runtime_ready else "runtime not ready\n"
