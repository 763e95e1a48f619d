"""A wait that is longer than a broker's longest delay goes in hops, on every broker, and ends no earlier."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from asya_protocol import names
from asya_protocol.envelope import Envelope, Route, format_time
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from tests.support.broker_bench import BrokerBench, receive_one

AHEAD_S, LONGEST_S = 2.5, 1.0


async def test_a_wait_goes_in_hops_of_the_longest_delay(bench: BrokerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, queue = await bench.transport(), await bench.queue()
    monkeypatch.setattr(type(transport), "max_delay_s", LONGEST_S)
    hop = Hop(names.QueueNames().actor(queue))
    consumer = await transport.consume(queue)
    admission = Admission(hop)
    performer = Performer(
        transport, consumer, hop, Metrics("asya_actor", hop.actor, transport.name), admission=admission
    )
    begins = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
    headers = {names.HEADER_NOT_BEFORE: format_time(begins), names.HEADER_ATTEMPT: 2}
    sent = Envelope("e1", Route((hop.actor,)), msgspec.Raw(b"1"), headers=headers)
    await transport.send(queue, sent.dump())
    hops = 0
    while isinstance(found := await admission.let_in((delivery := await receive_one(consumer)).body), Decision):
        assert found.result == "waiting"
        await performer.perform(found, delivery, None)
        hops += 1
    assert datetime.now(UTC) >= begins
    assert hops >= 1
    assert isinstance(found, Work) and (found.attempt, found.delivery) == (2, 1)
    await consumer.ack(delivery)
