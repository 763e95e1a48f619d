"""Takes the samples of the console's charts while the gateway runs, whether somebody looks or not."""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Final

from asya_gateway.actors.board import ActorBoard
from asya_gateway.actors.history import CallTimes, History
from asya_gateway.actors.view import ActorView

log: Final = logging.getLogger(__name__)


async def keep_history(board: ActorBoard, calls: CallTimes, history: History, every_s: float) -> None:
    """Take one sample after another until cancelled; one that fails is a gap."""
    while True:
        await asyncio.sleep(every_s)
        try:
            found = await board.glance(every_s)
            times = calls.take()
            history.add(time.time(), [_with_calls(actor, times.get(actor.name)) for actor in found])
        except Exception:
            log.exception("no sample of the actors")


def _with_calls(actor: ActorView, times: tuple[float, float] | None) -> ActorView:
    """What a source says of calls goes before what was reported here: it has heard of all of them."""
    if times is None or actor.p50_s is not None:
        return actor
    return replace(actor, p50_s=times[0], p99_s=times[1])
