"""Performing decisions: outputs first, settlement last, and never nothing. The broker is the shipped memory transport."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from asya_protocol.errors import LeaseLost, TransportUnavailable
from asya_protocol.reports import FinalBody
from asya_sidecar import performer as performing
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, Report, RetryLater, Send
from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.reporter import GatewayAway, GatewayReporter
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import Consumer, Delivery, Depth, QueueSpec
from tests.unit.sidecar.samples import envelope_bytes

LIMIT_BYTES = 2000


@dataclass
class Stage:
    """One delivery in hand, and a performer to settle it."""

    admin: MemoryAdmin
    transport: MemoryTransport
    consumer: Consumer
    delivery: Delivery
    work: Work
    performer: Performer

    async def depth(self, queue: str) -> Depth:
        return await self.admin.measure(queue)

    async def first(self, queue: str) -> Delivery:
        consumer = await self.transport.consume(queue)
        (delivery,) = await consumer.receive(1, 0.0)
        return delivery


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    broker = MemoryBroker(max_body_bytes=LIMIT_BYTES)
    admin, transport = MemoryAdmin(broker.open_session()), MemoryTransport(broker.open_session())
    for queue in ("asya-ocr", "asya-translate", "asya-error-end"):
        await admin.create(queue, QueueSpec())
    await transport.connect()
    body = envelope_bytes()
    await transport.send("asya-ocr", body)
    consumer = await transport.consume("asya-ocr")
    (delivery,) = await consumer.receive(1, 0.0)
    hop = Hop("ocr")
    work = admit(body, hop, datetime.now(UTC))
    assert isinstance(work, Work)
    performer = Performer(transport, consumer, hop, Metrics("asya_actor", "ocr", "memory"))
    yield Stage(admin, transport, consumer, delivery, work, performer)
    await transport.close()
    await admin.close()


def to(actor: str, size: int = 10) -> Send:
    return Send(actor, b'"' + b"x" * size + b'"', "routing")


async def test_outputs_are_confirmed_and_then_the_delivery_is_acknowledged(stage: Stage) -> None:
    """Both outputs are there, nothing is left in hand."""
    done = await stage.performer.perform(
        Decision(Ack(), "success", sends=(to("translate"), to("translate"))), stage.delivery, stage.work
    )
    assert done.result == "success"
    assert (await stage.depth("asya-translate")).ready == 2
    assert (await stage.depth("asya-ocr")).total == 0


async def test_a_retry_copy_waits_in_the_own_queue(stage: Stage) -> None:
    """Asya 0.1.1 is acknowledged only after its copy is confirmed."""
    await stage.performer.perform(Decision(RetryLater(b"{}", 60.0), "retried"), stage.delivery, stage.work)
    depth = await stage.depth("asya-ocr")
    assert (depth.ready, depth.in_flight, depth.delayed) == (0, 0, 1)


async def test_a_retry_copy_that_does_not_fit_becomes_a_dead_letter(stage: Stage) -> None:
    """Without its counters a retry would never end."""
    decision = Decision(RetryLater(b"x" * (LIMIT_BYTES + 1), 1.0), "retried")
    await stage.performer.perform(decision, stage.delivery, stage.work)
    dead = await stage.first("asya-ocr-dlq")
    assert "cannot be retried" in dead.attributes["asya-reason"]
    assert dead.body == stage.delivery.body


async def test_a_released_delivery_is_there_again(stage: Stage) -> None:
    """At no cost."""
    await stage.performer.perform(Decision(Release(), "released"), stage.delivery, stage.work)
    assert (await stage.depth("asya-ocr")).ready == 1


async def test_an_output_that_does_not_fit_goes_to_error_end(stage: Stage) -> None:
    """With the size, the limit and the input."""
    done = await stage.performer.perform(
        Decision(Ack(), "success", sends=(to("translate", LIMIT_BYTES),)), stage.delivery, stage.work
    )
    assert done.result == "failed"
    failure = json.loads((await stage.first("asya-error-end")).body)
    assert f"limit of {LIMIT_BYTES} bytes" in failure["payload"]["error"]
    assert failure["payload"]["original_payload"] == {"n": 1}
    assert (await stage.depth("asya-ocr")).total == 0


async def test_what_no_queue_takes_becomes_a_dead_letter(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the next actor nor error-end exists: the delivery itself is kept, with both reasons."""
    monkeypatch.setattr(performing, "MISSING_PATIENCE_S", 0.0)
    await stage.admin.delete("asya-error-end")
    done = await stage.performer.perform(Decision(Ack(), "success", sends=(to("nobody"),)), stage.delivery, stage.work)
    assert done.failed_reason == "error_queue_send_failed"
    dead = await stage.first("asya-ocr-dlq")
    assert "asya-nobody" in dead.attributes["asya-reason"]
    assert "asya-error-end" in dead.attributes["asya-reason"]


async def test_a_queue_that_is_made_a_moment_later_is_waited_for(stage: Stage) -> None:
    """An actor applied together with its producer is no wrong route."""
    performing_it = asyncio.ensure_future(
        stage.performer.perform(Decision(Ack(), "success", sends=(to("late"),)), stage.delivery, stage.work)
    )
    await asyncio.sleep(0)
    await stage.admin.create("asya-late", QueueSpec())
    assert (await performing_it).result == "success"


async def test_without_a_dead_letter_queue_error_end_keeps_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues of Asya 0.1.1's operator may have none."""
    await stage.admin.delete("asya-ocr-dlq", force=True)
    fallback = Send("error-end", b'{"id":"e1"}', "error_end")
    await stage.performer.perform(Decision(DeadLetter("why", fallback), "dead_lettered"), stage.delivery, stage.work)
    assert (await stage.depth("asya-error-end")).ready == 1
    assert (await stage.depth("asya-ocr")).total == 0


async def test_while_the_broker_is_away_the_delivery_is_given_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged whose output is not confirmed."""

    async def away(*_: object, **__: object) -> None:
        raise TransportUnavailable("away")

    monkeypatch.setattr(performing, "SEND_PATIENCE_S", 0.0)
    monkeypatch.setattr(stage.transport, "send", away)
    done = await stage.performer.perform(
        Decision(Ack(), "success", sends=(to("translate"),)), stage.delivery, stage.work
    )
    assert (done.result, done.settlement) == ("released", Release(performing.LONGEST_PAUSE_S))
    assert (await stage.depth("asya-ocr")).total == 1


@pytest.mark.parametrize(
    "decision", [Decision(RetryLater(b"{}", 1.0), "retried"), Decision(DeadLetter("why"), "dead_lettered")]
)
async def test_a_settlement_that_is_not_taken_gives_the_delivery_back(
    decision: Decision, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection lives, so that nobody else would: it would stay in hand and take a place of the prefetch for good."""

    async def refused(*_: object, **__: object) -> None:
        raise TransportUnavailable("the publisher's confirm did not come")

    monkeypatch.setattr(performing, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(stage.transport, "send", refused)
    monkeypatch.setattr(stage.consumer, "dead_letter", refused)
    assert await stage.performer.perform(decision, stage.delivery, stage.work) == decision
    assert await stage.depth("asya-ocr") == Depth(ready=1)


async def test_a_lease_that_is_lost_at_the_settlement_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise LeaseLost("somebody else has it")

    metrics = Metrics("asya_actor", "ocr", "memory")
    performer = Performer(stage.transport, stage.consumer, Hop("ocr"), metrics)
    monkeypatch.setattr(stage.consumer, "ack", lost)
    await performer.perform(Decision(Ack(), "success"), stage.delivery, stage.work)
    assert metrics.registry.get_sample_value("asya_actor_leases_lost_total", {"queue": "ocr"}) == 1


async def test_an_undelivered_final_report_keeps_the_delivery(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is acknowledged only when the gateway has it."""

    async def refuse(self: GatewayReporter, report: Report) -> None:
        raise GatewayAway(report.envelope_id, 30.0)

    monkeypatch.setattr(GatewayReporter, "deliver", refuse)
    performer = Performer(
        stage.transport,
        stage.consumer,
        replace(Hop("ocr"), is_end_actor=True),
        Metrics("asya_actor", "ocr", "memory"),
        reporter=GatewayReporter("http://127.0.0.1:1"),
    )
    decision = Decision(Ack(), "end_consumed", reports=(Report("final", "e1", FinalBody()),))
    done = await performer.perform(decision, stage.delivery, stage.work)
    # As a copy, so that no broker counts how long the gateway is away.
    assert isinstance(done.settlement, RetryLater)
    assert (done.result, done.settlement.delay_s) == ("released", 30.0)
    assert (await stage.depth("asya-ocr")).total == 1
    buried = Decision(DeadLetter("poison"), "dead_lettered", reports=(Report("final", "e1", FinalBody()),))
    assert (await performer.perform(buried, stage.delivery, stage.work)).settlement == DeadLetter("poison")
