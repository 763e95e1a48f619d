"""The sidecar's loop where something goes wrong inside it: each envelope is settled, and the others go on."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from asya_protocol.envelope import Route
from asya_protocol.reply import Item
from asya_sidecar import pipeline as looping
from asya_sidecar.admission import Admission
from asya_sidecar.core.admit import Hop
from asya_sidecar.core.call_outcome import Outcome, Replied
from asya_sidecar.core.window import Pace
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.pipeline import Pipeline
from asya_sidecar.runtime_client import RuntimeNotReady
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import Consumer, Depth, QueueSpec
from tests.unit.sidecar.samples import envelope_bytes


class Runtime:
    """Stands where a runtime's client does: each call waits for its turn."""

    def __init__(self) -> None:
        self.had: list[str] = []
        self.up = True
        self.turns = asyncio.Semaphore(0)

    def let(self, calls: int = 1000) -> None:
        """Let so many calls end."""
        for _ in range(calls):
            self.turns.release()

    async def wait_ready(self, timeout_s: float) -> bool:
        await asyncio.sleep(0.01)
        return self.up

    async def ready(self) -> None:
        if not self.up:
            raise RuntimeNotReady("away")

    async def close(self) -> None:
        """Nothing to close."""

    async def call(self, bodies: Sequence[bytes], timeout_s: float, on_items: object, _: object) -> list[Outcome]:
        names = [json.loads(body)["id"] for body in bodies]
        self.had += names
        if "breaks" in names:
            raise ZeroDivisionError("a defect")
        await self.turns.acquire()
        return [Replied((Item(msgspec.Raw(b"1"), Route(("ocr", "translate"), 1)),)) for _ in bodies]


class BrokenAdmission(Admission):
    """Fails on one envelope as a defect would."""

    async def let_in(self, body: bytes) -> Any:
        if json.loads(body)["id"] == "breaks the gate":
            raise ZeroDivisionError("a defect")
        return await super().let_in(body)


@dataclass
class Stage:
    """A pipeline at work on the shipped memory broker."""

    admin: MemoryAdmin
    transport: MemoryTransport
    consumer: Consumer
    runtime: Runtime
    pace: Pace
    stop: asyncio.Event

    async def send(self, *names: str) -> None:
        for name in names:
            await self.transport.send("asya-ocr", envelope_bytes(id=name))

    async def until(self, queue: str, depth: Depth) -> None:
        async with asyncio.timeout(60):
            while await self.admin.measure(queue) != depth:
                await asyncio.sleep(0.01)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    broker = MemoryBroker()
    admin, transport = MemoryAdmin(broker.open_session()), MemoryTransport(broker.open_session())
    for queue in ("asya-ocr", "asya-translate", "asya-error-end"):
        await admin.create(queue, QueueSpec())
    await transport.connect()
    consumer = await transport.consume("asya-ocr")
    pace = Pace(at_once=1)
    hop, metrics, runtime = Hop("ocr", max_deliveries=1), Metrics("asya_actor", "ocr", "memory"), Runtime()
    performer = Performer(transport, consumer, hop, metrics)
    runtimes: Any = [runtime]
    pipeline = Pipeline(
        hop=hop, consumer=consumer, performer=performer, runtimes=runtimes, metrics=metrics, pace=pace,
        admission=BrokenAdmission(hop), drain_timeout_s=0.2,
    )  # fmt: skip
    stop = asyncio.Event()
    running = asyncio.create_task(pipeline.run(stop))
    yield Stage(admin, transport, consumer, runtime, pace, stop)
    runtime.let()
    stop.set()
    await running
    await transport.close()
    await admin.close()


async def test_a_line_about_an_envelope_has_the_fields_by_which_it_is_found(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of docs/logs.md; of a defect as of what went well."""
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "x-asya-attempt": 2}
    stage.runtime.let()

    def lines() -> list[dict[str, Any]]:
        told = {"envelope settled", "a defect"}
        return [record.__dict__ for record in caplog.records if record.message in told]

    with caplog.at_level(logging.INFO, "asya_sidecar"):
        for name in ("fine", "breaks"):
            await stage.transport.send("asya-ocr", envelope_bytes(id=name, headers=headers))
        async with asyncio.timeout(60):
            while len(lines()) < 3:
                await asyncio.sleep(0.01)
    assert {(line["message"], line["envelope_id"]) for line in lines()} == {
        ("envelope settled", "fine"),
        ("a defect", "breaks"),
        ("envelope settled", "breaks"),
    }
    for line in lines():
        assert (line["actor"], line["hop"], line["attempt"], line["trace_id"]) == ("ocr", 0, 2, "a" * 32)


@pytest.mark.parametrize("name", ["breaks", "breaks the gate"])
async def test_a_defect_costs_the_envelope_that_meets_it_and_no_other(stage: Stage, name: str) -> None:
    stage.runtime.let()
    await stage.send(name, "fine")
    await stage.until("asya-ocr-dlq", Depth(ready=1))
    await stage.until("asya-translate", Depth(ready=1))
    await stage.until("asya-ocr", Depth(ready=0))
    (dead,) = await (await stage.transport.consume("asya-ocr-dlq")).receive(1, 0.0)
    assert json.loads(dead.body)["id"] == name
    assert "defect of the sidecar: ZeroDivisionError: a defect" in dead.attributes["asya-reason"]


async def test_a_settlement_that_breaks_costs_an_attempt(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    settle, failures = stage.consumer.ack, [ZeroDivisionError("a defect")]

    async def ack(delivery: Any) -> None:
        if failures:
            raise failures.pop()
        await settle(delivery)

    monkeypatch.setattr(stage.consumer, "ack", ack)
    stage.runtime.let()
    await stage.send("e1", "e2")
    await stage.until("asya-ocr", Depth(ready=0))
    await stage.until("asya-translate", Depth(ready=2))
    await stage.until("asya-ocr-dlq", Depth(ready=1))


async def test_a_handler_that_has_become_slow_keeps_only_what_it_runs(stage: Stage) -> None:
    """What it had taken ahead goes to whoever has time for it."""
    stage.pace.mean_s = 0.001
    await stage.send(*(f"e{number}" for number in range(40)))
    async with asyncio.timeout(60):
        while (await stage.admin.measure("asya-ocr")).in_flight < 40:
            await asyncio.sleep(0.01)
    stage.pace.mean_s = 10.0
    stage.runtime.let(1)
    await stage.until("asya-ocr", Depth(ready=38, in_flight=1))
    assert stage.runtime.had == ["e0", "e1"]


async def test_a_runtime_that_stays_away_keeps_nothing_from_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what waits for it here, nor what the broker would push to it; when it is back it goes on."""
    paused: list[bool] = []
    pause = stage.consumer.pause

    async def note() -> None:
        paused.append(stage.runtime.up)
        await pause()

    monkeypatch.setattr(stage.consumer, "pause", note)
    monkeypatch.setattr(looping, "RUNTIME_PATIENCE_S", 0.2)
    stage.pace.mean_s = 0.001
    await stage.send(*(f"e{number}" for number in range(10)))
    async with asyncio.timeout(60):
        while (await stage.admin.measure("asya-ocr")).in_flight < 10:
            await asyncio.sleep(0.01)
    stage.runtime.up = False
    stage.runtime.let(1)
    await stage.until("asya-ocr", Depth(ready=9))
    assert set(paused) == {False}
    stage.runtime.up = True
    stage.runtime.let()
    await stage.until("asya-translate", Depth(ready=10))


async def test_a_settlement_that_a_drain_cuts_off_is_given_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sending = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        sending.set()
        await asyncio.Event().wait()

    await stage.send("e1")
    monkeypatch.setattr(stage.transport, "send", never)
    stage.runtime.let()
    await sending.wait()
    stage.stop.set()
    await stage.until("asya-ocr", Depth(ready=1))
