"""An actor's sidecar inside this process: the only module here that wires a sidecar's parts together."""

import asyncio
from pathlib import Path
from typing import Final

from asya.testing.actor import Actor
from asya_protocol import names
from asya_sidecar.admission import Admission
from asya_sidecar.core.admit import Hop
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.pipeline import Pipeline as Sidecar
from asya_sidecar.runtime_client import RuntimeClient
from asya_store.claims import ClaimCheck
from asya_transport.port import Transport

BATCH_WAIT_S: Final = 0.05
"""How long a batch is filled; the mesh's own default."""
DRAIN_S: Final = 1.0
"""Only a run that was given up leaves anything to drain."""


async def run_sidecar(
    name: str, actor: Actor, *, socket_dir: Path, transport: Transport, desk: ClaimCheck, stop: asyncio.Event
) -> None:
    """Work for one actor until ``stop`` is set.

    Args:
        name: The actor's.
        actor: How it should be.
        socket_dir: Where its runtime listens.
        transport: Knows its queue by the actor's plain name.
        desk: Where large payloads are left.
        stop: Ends it.

    Raises:
        TransportError: Its queue cannot be consumed.
    """
    hop = Hop(actor=name, retry=actor.retry, max_deliveries=actor.max_deliveries, timeout_s=actor.timeout_s)
    batch_size = actor.batch_size or 1
    consumer = await transport.consume(names.QueueNames().queue(name), prefetch=actor.concurrency * batch_size)
    metrics = Metrics("asya_actor", name, transport.name)
    admission = Admission(hop, claims=desk)
    sidecar = Sidecar(
        hop=hop,
        consumer=consumer,
        performer=Performer(transport, consumer, hop, metrics, admission=admission),
        runtimes=[RuntimeClient(socket_dir) for _ in range(actor.concurrency)],
        metrics=metrics,
        admission=admission,
        batch_size=batch_size,
        batch_wait_s=BATCH_WAIT_S,
        drain_timeout_s=DRAIN_S,
    )
    await sidecar.run(stop)
