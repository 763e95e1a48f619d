"""The link's way back to a broker, with a stand-in for pika's connection and a clock and pauses of the test's own."""

import asyncio
from collections.abc import Callable
from typing import Any

import pika.exceptions
import pytest

from asya_transport.rabbitmq import link as rabbitmq_link
from asya_transport.rabbitmq.link import REDIAL_FIRST_S, REDIAL_MOST_S, STABLE_S, Link
from asya_transport.settings import TransportSettings

DIALS = 40


class World:
    """A broker that accepts every dial and drops it after ``lives_s``, in virtual time."""

    def __init__(self, lives_s: float) -> None:
        self.lives_s = lives_s
        self.now_s = 1000.0
        self.dials = 0
        self.pauses: list[float] = []
        self.enough = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def connect(self, _parameters: object, **callbacks: Any) -> "Connection":
        self.dials += 1
        if self.dials >= DIALS:
            self.enough.set()
        return Connection(self, **callbacks)


class Connection:
    """Stands in for pika's connection: opens, and closes from the broker's side unless the test has seen enough."""

    def __init__(
        self,
        world: World,
        *,
        on_open_callback: Callable[[object], None],
        on_close_callback: Callable[[object, BaseException], None],
        **_: Any,
    ) -> None:
        self._world = world
        self._on_close = on_close_callback
        asyncio.get_running_loop().call_soon(self._open, on_open_callback)

    def _open(self, on_open: Callable[[object], None]) -> None:
        on_open(self)
        if not self._world.enough.is_set():
            asyncio.get_running_loop().call_later(0.001, self._drop)

    def _drop(self) -> None:
        self._world.now_s += self._world.lives_s
        self._on_close(self, pika.exceptions.StreamLostError("dropped"))

    def close(self) -> None:
        self._on_close(self, pika.exceptions.ConnectionClosedByClient(200, "bye"))


async def run(world: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a link be dropped until it has dialled often enough; returns the pauses between its dials."""
    monkeypatch.setattr(rabbitmq_link, "CoalescingConnection", world.connect)
    link = Link(TransportSettings(), clock=lambda: world.now_s, pause=world.pause)
    await link.open()
    async with asyncio.timeout(60):
        await world.enough.wait()
    await link.close()
    return world.pauses


async def test_a_broker_that_drops_every_connection_at_once_is_dialled_with_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Something about us makes it drop them; a loop without a pause would add load to whatever is wrong."""
    pauses = await run(World(lives_s=STABLE_S / 100), monkeypatch)
    assert len(pauses) == DIALS - 1
    assert REDIAL_FIRST_S / 2 <= pauses[0] <= REDIAL_FIRST_S
    assert all(REDIAL_MOST_S / 2 <= pause <= REDIAL_MOST_S for pause in pauses[10:])


async def test_a_connection_that_lived_is_dialled_again_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker's restart once a day has nothing to do with the one before."""
    assert await run(World(lives_s=STABLE_S), monkeypatch) == []
