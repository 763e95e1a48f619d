"""The memory broker under a clock of the test's own."""

import asyncio

import pytest

from asya_protocol import names
from asya_protocol.errors import EnvelopeTooLarge, LeaseLost, QueueMissing
from asya_transport.memory.broker import LocalSession, MemoryBroker
from asya_transport.memory.requests import Ack, Delete, Drain, Measure, Release, Send
from asya_transport.port import Depth, QueueSpec

QUEUE = "asya-ocr"


class Clock:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def open_broker(**options: int) -> tuple[MemoryBroker, Clock, LocalSession]:
    clock = Clock()
    broker = MemoryBroker(clock=clock, **options)
    session = broker.open_session()
    broker.create(QUEUE, QueueSpec(max_deliveries=3))
    return broker, clock, session


async def test_envelopes_come_in_the_order_in_which_they_were_sent() -> None:
    _, _, session = await open_broker()
    for number in range(5):
        await session.ask(Send(QUEUE, str(number).encode(), 0.0, None))
    taken = await session.receive(1, QUEUE, 3, 0.0) + await session.receive(1, QUEUE, 3, 0.0)
    assert [each.body for each in taken] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_delay_ends_when_its_time_has_come() -> None:
    _, clock, session = await open_broker()
    await session.ask(Send(QUEUE, b"late", 10.0, None))
    assert await session.ask(Measure(QUEUE)) == Depth(0, delayed=1)
    clock.now_s += 9.9
    assert await session.receive(1, QUEUE, 1, 0.0) == []
    clock.now_s += 0.2
    assert [each.body for each in await session.receive(1, QUEUE, 1, 0.0)] == [b"late"]


async def test_what_a_dropped_connection_held_comes_back_in_front_and_in_order() -> None:
    broker, _, session = await open_broker()
    lost = broker.open_session()
    for number in range(4):
        await session.ask(Send(QUEUE, str(number).encode(), 0.0, None))
    taken = await lost.receive(1, QUEUE, 3, 0.0)
    lost.end(lost=True)
    again = await session.receive(1, QUEUE, 4, 0.0)
    assert [(each.body, each.delivery_count) for each in again] == [(b"0", 2), (b"1", 2), (b"2", 2), (b"3", 1)]
    with pytest.raises(LeaseLost):
        await lost.ask(Ack(taken[0].tag))


async def test_an_envelope_lost_as_often_as_the_spec_allows_becomes_a_dead_letter() -> None:
    broker, _, session = await open_broker()
    await session.ask(Send(QUEUE, b"{}", 0.0, {"source": "s"}))
    for _ in range(3):
        lost = broker.open_session()
        await lost.receive(1, QUEUE, 1, 0.0)
        lost.end(lost=True)
    assert await session.ask(Measure(QUEUE)) == Depth(0)
    (dead,) = await session.receive(1, names.dlq_name(QUEUE), 1, 0.0)
    assert (dead.body, dead.attributes["source"], dead.attributes[names.ATTRIBUTE_QUEUE]) == (b"{}", "s", QUEUE)
    assert "lost 3 times" in dead.attributes[names.ATTRIBUTE_REASON]


async def test_releasing_and_closing_never_make_a_dead_letter() -> None:
    broker, _, session = await open_broker()
    await session.ask(Send(QUEUE, b"{}", 0.0, None))
    for _ in range(10):
        other = broker.open_session()
        (delivery,) = await other.receive(1, QUEUE, 1, 0.0)
        await other.ask(Release(delivery.tag))
        await other.receive(1, QUEUE, 1, 0.0)
        await other.close()
    assert await session.ask(Measure(QUEUE)) == Depth(1)
    assert await session.ask(Measure(names.dlq_name(QUEUE))) == Depth(0)


async def test_a_receiver_woken_and_cancelled_passes_its_wake_up_on() -> None:
    _, _, session = await open_broker()
    first = asyncio.ensure_future(session.receive(1, QUEUE, 1, 60.0))
    second = asyncio.ensure_future(session.receive(2, QUEUE, 1, 60.0))
    for _ in range(3):
        await asyncio.sleep(0)
    await session.ask(Send(QUEUE, b"{}", 0.0, None))  # wakes the first
    first.cancel()
    assert [each.body for each in await asyncio.wait_for(second, 60)] == [b"{}"]
    assert first.cancelled()


async def test_deleting_a_queue_by_force_ends_receives_and_leases() -> None:
    _, _, session = await open_broker()
    await session.ask(Send(QUEUE, b"{}", 0.0, None))
    (delivery,) = await session.receive(1, QUEUE, 1, 0.0)
    waiting = asyncio.ensure_future(session.receive(2, QUEUE, 1, 60.0))
    for _ in range(3):
        await asyncio.sleep(0)
    assert await session.ask(Delete(QUEUE, False)) is False
    assert await session.ask(Delete(QUEUE, True)) is True
    with pytest.raises(QueueMissing):
        await asyncio.wait_for(waiting, 60)
    with pytest.raises(LeaseLost):
        await session.ask(Ack(delivery.tag))
    await session.close()


async def test_the_body_limit_is_a_setting() -> None:
    _, _, session = await open_broker(max_body_bytes=4)
    await session.ask(Send(QUEUE, b"1234", 0.0, None))
    with pytest.raises(EnvelopeTooLarge, match="5 bytes"):
        await session.ask(Send(QUEUE, b"12345", 0.0, None))


async def test_draining_forgets_delayed_envelopes_and_spares_those_in_flight() -> None:
    _, _, session = await open_broker()
    for delay_s in (0.0, 0.0, 5.0):
        await session.ask(Send(QUEUE, b"{}", delay_s, None))
    await session.receive(1, QUEUE, 1, 0.0)
    assert await session.ask(Drain(QUEUE)) == 2
    assert await session.ask(Measure(QUEUE)) == Depth(0, in_flight=1)
