"""Periodic work: failing envelopes whose deadline has passed, deleting old histories and records.

The database decides what is due, so that deadlines survive restarts and all replicas may sweep.
"""

import asyncio
import logging
from typing import Final

from asya_gateway.metrics import Metrics
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

BATCH: Final = 100
FORGET: Final = 1000
PURGE_EVERY_S: Final = 3600.0
DEAD_CALLBACKS_S: Final = 30 * 24 * 3600.0
"""How long a callback that could not be delivered is kept for a person to redrive it."""


async def keep_house(
    store: EnvelopeStore, metrics: Metrics, sweep_s: float, history_s: float, kept_s: float | None = None
) -> None:
    """Sweep until cancelled; while the store is unavailable, try again."""
    loop = asyncio.get_running_loop()
    purge_at_s = loop.time()
    while True:
        try:
            while len(expired := await store.expire(BATCH)) == BATCH:
                metrics.timed_out.inc(BATCH)
                log.info("envelopes timed out", extra={"count": BATCH})
            if expired:
                metrics.timed_out.inc(len(expired))
                log.info("envelopes timed out", extra={"count": len(expired)})
            if loop.time() >= purge_at_s:
                await store.purge(history_s)
                while kept_s is not None and (gone := await store.forget(kept_s, FORGET)):
                    log.info("old envelopes forgotten", extra={"count": gone})
                await store.deliveries.forget(DEAD_CALLBACKS_S)
                purge_at_s = loop.time() + PURGE_EVERY_S
        except StoreUnavailable as exc:
            log.warning("deadlines not looked for", extra={"error": str(exc)})
        await asyncio.sleep(sweep_s)
