"""Long polls: hold an answer back until an envelope is final or the caller's patience ends, whichever replica hears of it."""

import asyncio
import math

from asya_gateway.records.record import Record
from asya_gateway.requests import Rooms


class InvalidWait(Exception):
    """It is no time that one can wait."""

    def __init__(self) -> None:
        super().__init__("wait must be a number of seconds, 0 or more")


def read_wait(value: object, longest_s: float) -> float:
    """Read how long a caller will wait, in seconds; longer than the gateway allows is cut, for the caller may ask again.

    Args:
        value: A number, its text, or nothing.
        longest_s: What the gateway allows.

    Raises:
        InvalidWait: It is neither.
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


async def wait_final(here: Rooms, envelope_id: str, seconds: float) -> Record | None:
    """Return an envelope's record as soon as it is final, or as it is when the time is over; none of an unknown one."""
    ends_at_s = asyncio.get_running_loop().time() + seconds
    with here.wakeups.listening(envelope_id) as woken, here.metrics.streams.labels("wait").track_inprogress():
        while True:
            woken.clear()
            record = await here.store.get(envelope_id)
            if record is None or record.status.final or seconds <= 0 or here.wakeups.stopping:
                return record
            try:
                async with asyncio.timeout_at(ends_at_s):
                    await woken.wait()
            except TimeoutError:
                return await here.store.get(envelope_id)
