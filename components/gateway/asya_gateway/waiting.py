"""Waiting for an envelope: for its end or for its next event, whichever replica hears of it first."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Final

from asya_gateway.records.record import Event, Record, closing_event, with_runs
from asya_gateway.services import App

KEEPALIVE_S: Final = 15.0
KEEPALIVE: Final = b": keepalive\n\n"
STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "Connection": "keep-alive", "X-Accel-Buffering": "no"}


class InvalidWait(Exception):
    """Not a valid waiting time."""

    def __init__(self) -> None:
        super().__init__("wait must be a number of seconds, 0 or more")


def read_wait(value: object, longest_s: float) -> float:
    """Parse how long a caller will wait, in seconds, cut to what the gateway allows; the caller may ask again.

    Args:
        value: A number, its text, or ``None``.
        longest_s: What the gateway allows.

    Raises:
        InvalidWait: It is something else.
    """
    if value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        if value is None:
            return 0.0
        raise InvalidWait
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        raise InvalidWait from None
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidWait
    return min(seconds, longest_s)


async def wait_final(app: App, envelope_id: str, seconds: float) -> Record | None:
    """Return an envelope's record once it is final, or as it is at the end of the time; ``None`` of an unknown one."""
    ends_at_s = asyncio.get_running_loop().time() + seconds
    with app.pubsub.listening(envelope_id) as woken, app.metrics.streams.labels("wait").track_inprogress():
        while True:
            woken.clear()
            record = await app.store.get(envelope_id)
            if record is None or record.status.final or seconds <= 0 or app.pubsub.stopping:
                return record
            try:
                async with asyncio.timeout_at(ends_at_s):
                    await woken.wait()
            except TimeoutError:
                return await app.store.get(envelope_id)


async def follow(
    app: App, envelope_id: str, after: int = 0, *, silence_s: float = KEEPALIVE_S
) -> AsyncIterator[Event | None]:
    """Yield an envelope's events after a number up to the final one; ``None`` after every silence of so many seconds.

    Ends early when the gateway stops.
    """
    with app.pubsub.listening(envelope_id) as woken:
        while True:
            woken.clear()
            # In this order: when the record read is final, the history read after it has the final event.
            record = await app.store.get(envelope_id)
            for event in with_runs(await app.store.history(envelope_id, after)):
                after = event.seq
                yield event
                if event.status.final:
                    return
            if record is None or record.status.final:
                if record is not None and (after < record.events or not record.events):
                    yield closing_event(record)
                return
            if app.pubsub.stopping:
                return
            try:
                async with asyncio.timeout(silence_s):
                    await woken.wait()
            except TimeoutError:
                yield None
