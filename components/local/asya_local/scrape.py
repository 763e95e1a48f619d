"""Fetch a sidecar's metrics page."""

import asyncio

from asya_local.probe import get
from asya_local.tally import Reading, read_metrics


async def scrape(address: str) -> Reading | None:
    """Read ``http://address/metrics``; ``None`` when there is no usable answer (it starts, ends or is stuck)."""
    try:
        return read_metrics(await get(address, "/metrics"))
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return None
