"""What is held of a queue: how much, in which order it is handed to workers, and what others get of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from asya_protocol.errors import LeaseLost
from asya_sidecar.core.window import Pace
from asya_sidecar.intake import Intake
from asya_sidecar.metrics import Metrics
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import Consumer, Delivery, Depth, QueueSpec

QUEUE = "asya-ocr"


@dataclass
class Clock:
    """Turned by hand."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Stage:
    """An intake at work, and nobody who takes anything from it."""

    admin: MemoryAdmin
    transport: MemoryTransport
    intake: Intake
    pace: Pace
    clock: Clock
    consumer: Consumer
    metrics: Metrics

    async def send(self, *names: str) -> None:
        for name in names:
            await self.transport.send(QUEUE, name.encode())

    async def until(self, depth: Depth) -> None:
        async with asyncio.timeout(30):
            while await self.admin.measure(QUEUE) != depth:
                await asyncio.sleep(0.01)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    broker = MemoryBroker()
    admin, transport = MemoryAdmin(broker.open_session()), MemoryTransport(broker.open_session())
    await admin.create(QUEUE, QueueSpec())
    await transport.connect()
    pace, clock = Pace(at_once=1, mean_s=0.01), Clock()
    consumer = await transport.consume(QUEUE)
    metrics = Metrics("asya_actor", "ocr", "memory")
    intake = Intake(consumer, pace, metrics, workers=lambda: 1, clock=clock)
    stage = Stage(admin, transport, intake, pace, clock, consumer, metrics)
    tasks = [asyncio.create_task(intake.fetch()), asyncio.create_task(intake.keep_free())]
    yield stage
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await transport.close()
    await admin.close()


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


async def test_what_no_handler_has_seen_comes_first_again(stage: Stage) -> None:
    await stage.send("1", "2", "3")
    await stage.until(Depth(ready=0, in_flight=3))
    unseen = [*await stage.intake.next_batch(), *await stage.intake.next_batch()]
    stage.intake.take_back(unseen)
    assert bodies([*await stage.intake.next_batch(), *await stage.intake.next_batch()]) == [b"1", b"2"]
    assert (stage.intake.held, stage.intake.waiting) == (3, 1)


@pytest.mark.parametrize(("mean_s", "slow_after_s"), [(0.01, 0.75), (2.0, 4.0)])
async def test_what_waits_behind_a_slow_call_is_there_for_others_until_the_call_ends(
    stage: Stage, mean_s: float, slow_after_s: float
) -> None:
    """Also what comes while the fetcher asks for more; nothing is lost by the question that is taken back."""
    await stage.send("1", "2", "3")
    await stage.until(Depth(ready=0, in_flight=3))
    (running,) = await stage.intake.next_batch()
    stage.pace.calls["runtime"], stage.pace.mean_s = stage.clock.now_s, mean_s
    stage.clock.now_s += slow_after_s
    await asyncio.sleep(0.6)  # not synchronisation: nothing is to happen
    assert await stage.admin.measure(QUEUE) == Depth(ready=0, in_flight=3)
    stage.clock.now_s += 0.01
    await stage.until(Depth(ready=2, in_flight=1))
    await stage.send("4")
    await asyncio.sleep(0.6)  # as above
    assert await stage.admin.measure(QUEUE) == Depth(ready=3, in_flight=1)
    assert (stage.intake.held, stage.intake.waiting) == (1, 0)
    stage.pace.calls.clear()
    stage.pace.mean_s = 0.01
    stage.intake.settled(running)
    stage.intake.make_room()
    await stage.until(Depth(ready=0, in_flight=4))


async def test_leases_that_are_extended_and_those_that_are_lost_are_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = 0

    async def extend(held: list[Delivery], lease_s: float) -> None:
        nonlocal times
        times += 1
        if times == 2:
            raise LeaseLost("somebody else has it")

    def counted(name: str) -> float:
        return stage.metrics.registry.get_sample_value(f"asya_actor_{name}_total", {"queue": "ocr"}) or 0.0

    monkeypatch.setattr(type(stage.consumer), "lease_s", 0.03)
    monkeypatch.setattr(stage.consumer, "extend", extend)
    await stage.send("a", "b")
    await stage.until(Depth(0, 2))
    keeper = asyncio.create_task(stage.intake.keep_leases())
    async with asyncio.timeout(30):
        while counted("lease_extensions") < 4:
            await asyncio.sleep(0.01)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert counted("leases_lost") == 1
