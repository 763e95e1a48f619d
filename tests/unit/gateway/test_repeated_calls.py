"""Repeated calls whose first one died between the database and the broker."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from asya_gateway.calls import SENDING_S, Calls, KeyReused
from asya_gateway.records.body import evidence_of
from asya_gateway.records.call_key import call_key
from asya_gateway.records.lifecycle import Progress, Sending
from asya_gateway.records.record import Record
from asya_gateway.store.memory import MemoryStore
from asya_gateway.tools.toolbox import Toolbox
from asya_manifest.explanation import explain
from asya_manifest.tools import parse_tools
from asya_protocol.envelope import format_time, parse_envelope
from asya_protocol.names import QueueNames
from asya_protocol.not_before import read_not_before
from asya_transport.port import Transport

KEY = call_key("me", "k", "t", {})


class Broker:
    """Stands in for a transport: keeps what is sent."""

    max_delay_s = 900.0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.delays: list[float] = []

    async def send(self, queue: str, body: bytes, *, delay_s: float = 0.0) -> None:
        self.sent.append(body)
        self.delays.append(delay_s)


class Bench:
    """Calls on a store with a clock that is turned by hand, and a call that died before it sent its envelope."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.broker, self.store = Broker(), MemoryStore(lambda: self.now)
        toolbox = Toolbox(None)
        toolbox.tools = parse_tools([("f", "tools: [{name: t, route: [a]}]")])
        self.calls = Calls(toolbox, self.store, cast("Transport", self.broker), QueueNames())

    async def die(self) -> None:
        await self.store.create_once(Record("dead", ("a",), self.now, self.now), Sending(), KEY, SENDING_S)


async def test_a_repetition_sends_what_a_dead_call_did_not_once() -> None:
    bench = Bench()
    await bench.die()
    bench.now += timedelta(seconds=SENDING_S)
    answers = await asyncio.gather(*(bench.calls.call("t", {}, "me", KEY) for _ in range(5)))
    assert [answer.envelope_id for answer in answers] == ["dead"] * 5
    assert len(bench.broker.sent) == 1
    assert b'"id":"dead"' in bench.broker.sent[0]


async def test_what_a_sidecar_has_told_of_is_not_sent_again() -> None:
    bench = Bench()
    await bench.die()
    await bench.store.report("dead", Progress(("a",), 0, "received"))
    bench.now += timedelta(seconds=SENDING_S)
    assert (await bench.calls.call("t", {}, "me", KEY)).envelope_id == "dead"
    assert bench.broker.sent == []


async def test_a_repetition_waits_for_a_call_that_is_still_sending() -> None:
    bench = Bench()
    await bench.die()
    waiting = asyncio.create_task(bench.calls.call("t", {}, "me", KEY))
    await asyncio.sleep(0)
    assert not waiting.done()
    await bench.store.claim_sent(KEY)
    async with asyncio.timeout(60):
        assert ((await waiting).envelope_id, (await waiting).calls) == ("dead", 2)
    assert bench.broker.sent == []


async def test_other_arguments_are_refused_or_another_call_where_the_key_is_a_number() -> None:
    bench = Bench()
    first = await bench.calls.call("t", {"n": 1}, "me", call_key("me", "k", "t", {"n": 1}))
    with pytest.raises(KeyReused):
        await bench.calls.call("t", {"n": 2}, "me", call_key("me", "k", "t", {"n": 2}))
    numbered = [
        await bench.calls.call("t", {"n": n}, "me", call_key("me", ["s", 7], "t", {"n": n}, strict=False))
        for n in (1, 2)
    ]
    assert len({first.envelope_id, *(answer.envelope_id for answer in numbered)}) == 3
    assert len(bench.broker.sent) == 3


async def test_a_call_for_later_rests_with_the_broker_and_its_tools_time_runs_from_then_on() -> None:
    bench = Bench()
    bench.calls.toolbox.tools = parse_tools([("f", "tools: [{name: t, route: [a], timeout: 60}]")])
    begins = datetime.now(UTC) + timedelta(hours=1)
    answer = await bench.calls.call("t", {}, "me", not_before=begins)
    assert bench.broker.delays == [900.0]
    sent = parse_envelope(bench.broker.sent[0])
    assert read_not_before(sent.headers) == begins
    assert sent.deadline is not None and timedelta(seconds=60) <= sent.deadline - begins < timedelta(seconds=61.1)
    record = await bench.store.get(answer.envelope_id)
    assert record is not None
    evidence = evidence_of(record, await bench.store.history(record.id), None, begins.timestamp() - 600)
    assert explain(evidence).because == f"it waits at a until {format_time(begins)}, for another 10m0s"
    evidence = evidence_of(record, await bench.store.history(record.id), None, begins.timestamp() + 1)
    assert explain(evidence).because == "it waits in the queue of a"
