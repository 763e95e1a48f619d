"""The end of a controller: looks stop at once, whatever kopf still does."""

import asyncio
from typing import Any

import kopf
import pytest

from asya_operator.controller import Controller
from asya_operator.metrics import Metrics
from asya_operator.world import Key, World


class Looks:
    """A stand-in for a reconciler whose look lasts until it is dropped."""

    def __init__(self) -> None:
        self.began, self.dropped = asyncio.Event(), asyncio.Event()

    async def reconcile(self, key: Key) -> float | None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.dropped.set()
        return None


async def test_a_look_is_dropped_at_once_while_the_watches_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    watches_end = asyncio.Event()

    async def watch(**_: Any) -> None:
        """Stands for kopf, which ends only some time after it is told to."""
        await watches_end.wait()

    monkeypatch.setattr(kopf, "operator", watch)
    looks, stop = Looks(), asyncio.Event()
    controller = Controller(World(), looks, Metrics(), workers=1)  # type: ignore[arg-type]
    running = asyncio.create_task(controller.run(stop))
    controller.look_at(("team", "ocr"))
    async with asyncio.timeout(60):
        await looks.began.wait()
        stop.set()
        await looks.dropped.wait()
        assert not running.done()
        watches_end.set()
        await running
