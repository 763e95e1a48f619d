"""Passes over a dead letter queue in memory: nothing is lost, whatever ends them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from asya_protocol.errors import EnvelopeRefused, LeaseLost, QueueMissing, TransportError, TransportUnavailable
from asya_transport.dead_letters.filter import parse_condition
from asya_transport.dead_letters.redrive import Selection, Tally, browse, count_dead_letters, purge, redrive
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryTransport
from asya_transport.port import Delivery, QueueSpec

QUEUE, DEAD = "asya-ocr", "asya-ocr-dlq"


class Desk:
    """A broker with one actor's queues, and what stands in them."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.broker.create(QUEUE, QueueSpec())
        self.transport = WatchedTransport(self.broker)
        self.admin = MemoryAdmin(self.broker.open_session())

    async def dead_letter(self, *ids: str, headers: Mapping[str, object] | None = None) -> None:
        for each in ids:
            document = {"id": each, "route": {"actors": ["ocr"]}, "headers": headers, "payload": {"of": each}}
            await self.bury_bytes(json.dumps(document).encode())

    async def bury_bytes(self, body: bytes) -> None:
        marks = {"asya-reason": "crashed", "asya-queue": QUEUE}
        await MemoryTransport(self.broker.open_session()).send(DEAD, body, attributes=marks)

    async def bodies(self, queue: str) -> list[bytes]:
        """Look through another connection, which gives everything back."""
        session = self.broker.open_session()
        found = await session.receive(-1, queue, 100_000, 0)
        await session.close()
        return [delivery.body for delivery in found]

    async def ids(self, queue: str) -> list[str]:
        return [json.loads(body)["id"] for body in await self.bodies(queue)]


class WatchedTransport(MemoryTransport):
    """Counts sends, and does what a test asks for around them."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker.open_session())
        self.sent: list[bytes] = []
        self.at_once = self.at_once_most = 0
        self.before_send: Callable[[bytes], None] = lambda _: None
        self.before_ack: Callable[[bytes], None] = lambda _: None

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        self.at_once += 1
        self.at_once_most = max(self.at_once, self.at_once_most)
        try:
            await asyncio.sleep(0)
            self.before_send(body)
            await super().send(queue, body, delay_s=delay_s, attributes=attributes)
            self.sent.append(body)
        finally:
            self.at_once -= 1

    async def consume(self, queue: str, *, prefetch: int = 1) -> "WatchedConsumer":
        return WatchedConsumer(self, queue)


class WatchedConsumer(MemoryConsumer):
    """Lets a test fail acknowledgements."""

    def __init__(self, transport: WatchedTransport, queue: str) -> None:
        super().__init__(transport._session, queue)
        self._transport = transport

    async def ack(self, delivery: Delivery) -> None:
        self._transport.before_ack(delivery.body)
        await super().ack(delivery)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def selection(*where: str, **options) -> Selection:
    return Selection(where=[parse_condition(text) for text in where], **options)


async def test_all_are_sent_to_where_they_were_taken_from_without_their_counters(desk: Desk):
    headers = {"x-asya-attempt": 3, "x-asya-delivery": 5, "tenant": "blue"}
    await desk.dead_letter(*(f"e{n}" for n in range(1000)), headers=headers)
    tally = await redrive(desk.transport, desk.admin, DEAD)
    assert (tally.done, tally.matched, tally.read, tally.trouble, tally.interrupted) == (1000, 1000, 1000, None, False)
    assert sorted(await desk.ids(QUEUE)) == sorted(f"e{n}" for n in range(1000))
    assert {str(json.loads(body)["headers"]) for body in await desk.bodies(QUEUE)} == {"{'tenant': 'blue'}"}
    assert await desk.bodies(DEAD) == []
    assert 10 < desk.transport.at_once_most <= 50


async def test_what_does_not_match_stays_in_its_order(desk: Desk):
    await desk.dead_letter(*(f"{'ab'[n % 2]}{n}" for n in range(300)))
    tally = await redrive(desk.transport, desk.admin, DEAD, selection=selection("id=a*", "reason~crash"))
    assert (tally.done, tally.read) == (150, 300)
    assert await desk.ids(DEAD) == [f"b{n}" for n in range(1, 300, 2)]


async def test_bodies_that_are_no_envelopes_are_sent_as_they_are_even_equal_ones(desk: Desk):
    for _ in range(250):
        await desk.bury_bytes(b"\xff same")
    tally = await redrive(desk.transport, desk.admin, DEAD)
    assert tally.done == 250
    assert await desk.bodies(QUEUE) == [b"\xff same"] * 250


async def test_a_dry_run_touches_nothing(desk: Desk):
    await desk.dead_letter("a1", "a2", "b1")
    tally = await redrive(desk.transport, desk.admin, DEAD, selection=selection("id=a*", dry_run=True))
    assert (tally.matched, tally.read, tally.done, desk.transport.sent) == (2, 3, 0, [])
    assert await desk.ids(DEAD) == ["a1", "a2", "b1"]


async def test_another_queue_can_be_the_target(desk: Desk):
    desk.broker.create("asya-other", QueueSpec())
    await desk.dead_letter("a1")
    await redrive(desk.transport, desk.admin, DEAD, to="asya-other")
    assert await desk.ids("asya-other") == ["a1"]


async def test_a_target_that_does_not_exist_is_said_before_anything_is_touched(desk: Desk):
    await desk.dead_letter("a1")
    with pytest.raises(QueueMissing, match="asya-nowhere"):
        await redrive(desk.transport, desk.admin, DEAD, to="asya-nowhere")
    assert await desk.ids(DEAD) == ["a1"]


async def test_an_interruption_finishes_what_is_in_flight_and_gives_the_rest_back(desk: Desk):
    await desk.dead_letter(*(f"e{n}" for n in range(1000)))
    chosen = selection()

    def interrupt(tally: Tally) -> None:
        if tally.done == 300:
            chosen.stopping.set()

    chosen = selection(stopping=chosen.stopping, progress=interrupt)
    tally = await redrive(desk.transport, desk.admin, DEAD, selection=chosen)
    assert tally.interrupted
    assert 300 <= tally.done < 400
    sent, left = await desk.ids(QUEUE), await desk.ids(DEAD)
    assert Counter(sent + left) == Counter(f"e{n}" for n in range(1000))
    again = await redrive(desk.transport, desk.admin, DEAD)
    assert again.done == 1000 - tally.done
    assert Counter(await desk.ids(QUEUE)) == Counter(f"e{n}" for n in range(1000))


async def test_cancellation_loses_nothing_and_duplicates_no_more_than_what_was_in_flight(desk: Desk):
    await desk.dead_letter(*(f"e{n}" for n in range(1000)))
    reached = asyncio.Event()

    def watch(tally: Tally) -> None:
        if tally.done == 200:
            reached.set()

    running = asyncio.create_task(redrive(desk.transport, desk.admin, DEAD, selection=selection(progress=watch)))
    async with asyncio.timeout(60):
        await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    both = Counter(await desk.ids(QUEUE) + await desk.ids(DEAD))
    assert both.keys() == {f"e{n}" for n in range(1000)}
    assert both.total() <= 1050


async def test_what_fails_again_meanwhile_is_not_sent_round_and_round(desk: Desk):
    await desk.dead_letter("a", "b")
    consumer = await MemoryTransport(desk.broker.open_session()).consume(QUEUE)

    async def fail_all() -> None:
        while True:
            for delivery in await consumer.receive(10, 60):
                await consumer.dead_letter(delivery, "again")

    failing = asyncio.create_task(fail_all())
    async with asyncio.timeout(60):
        tally = await redrive(desk.transport, desk.admin, DEAD)
    failing.cancel()
    await asyncio.gather(failing, return_exceptions=True)
    assert tally.done == 2
    assert sorted(await desk.ids(DEAD)) == ["a", "b"]


async def test_what_cannot_be_sent_stays_with_its_reason_and_the_others_go(desk: Desk):
    await desk.dead_letter("a", "bad", "c")

    def refuse(body: bytes) -> None:
        if b"bad" in body:
            raise EnvelopeRefused("no such bytes")

    desk.transport.before_send = refuse
    tally = await redrive(desk.transport, desk.admin, DEAD)
    assert (tally.done, tally.failed, tally.trouble) == (2, Counter({"no such bytes": 1}), None)
    assert await desk.ids(DEAD) == ["bad"]


async def test_a_broker_that_goes_away_ends_the_pass_and_loses_nothing(desk: Desk):
    await desk.dead_letter(*(f"e{n}" for n in range(500)))

    def go_away(_: bytes) -> None:
        if len(desk.transport.sent) >= 100:
            raise TransportUnavailable("gone")

    desk.transport.before_send = go_away
    tally = await redrive(desk.transport, desk.admin, DEAD)
    assert str(tally.trouble) == "gone"
    assert tally.done == 100
    assert Counter(await desk.ids(QUEUE) + await desk.ids(DEAD)) == Counter(f"e{n}" for n in range(500))


async def test_a_lost_lease_is_told_as_uncertain_and_never_taken_for_done(desk: Desk):
    await desk.dead_letter("a", "b")

    def lose(body: bytes) -> None:
        if b'"a"' in body:
            raise LeaseLost("too late")

    desk.transport.before_ack = lose
    tally = await redrive(desk.transport, desk.admin, DEAD)
    assert (tally.done, tally.uncertain) == (1, 1)


async def test_a_rate_is_kept(desk: Desk):
    await desk.dead_letter(*(f"e{n}" for n in range(11)))
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    tally = await redrive(desk.transport, desk.admin, DEAD, selection=selection(rate=100.0))
    assert tally.done == 11
    assert loop.time() - begun_s >= 0.1


async def test_a_slow_rate_can_be_interrupted_at_once(desk: Desk):
    await desk.dead_letter("a", "b")
    stopping = asyncio.Event()
    chosen = selection(rate=0.001, stopping=stopping, progress=lambda tally: stopping.set() if tally.done else None)
    async with asyncio.timeout(60):
        tally = await redrive(desk.transport, desk.admin, DEAD, selection=chosen)
    assert (tally.done, tally.matched, tally.interrupted) == (1, 1, True)
    assert await desk.ids(DEAD) == ["b"]


async def test_looking_leaves_all_where_they_are(desk: Desk):
    await desk.dead_letter(*(f"e{n}" for n in range(250)))
    await desk.bury_bytes(b"no envelope")
    whole = await browse(desk.transport, desk.admin, DEAD, limit=1000)
    assert [letter.id for letter in whole.entries] == [*(f"e{n}" for n in range(250)), None]
    assert (whole.total, whole.complete) == (251, True)
    some = await browse(desk.transport, desk.admin, DEAD, limit=2, selection=selection("id=*9"))
    assert [letter.id for letter in some.entries] == ["e9", "e19"]
    assert (some.total, some.complete) == (251, False)
    assert (await desk.bodies(DEAD))[-1] == b"no envelope"
    assert len(await desk.bodies(DEAD)) == 251


async def test_purging_throws_away_what_matches_and_nothing_else(desk: Desk):
    await desk.dead_letter("a1", "b1", "a2")
    assert (await purge(desk.transport, desk.admin, DEAD, selection=selection(dry_run=True))).matched == 3
    assert (await purge(desk.transport, desk.admin, DEAD, selection=selection("id=a*"))).done == 2
    assert await desk.ids(DEAD) == ["b1"]
    assert (await desk.bodies(QUEUE), desk.transport.sent) == ([], [])


async def test_an_empty_queue_has_nothing_to_do_and_a_missing_one_is_an_error(desk: Desk):
    assert (await redrive(desk.transport, desk.admin, DEAD)).read == 0
    with pytest.raises(QueueMissing):
        await redrive(desk.transport, desk.admin, "asya-nobody-dlq")


async def test_dead_letters_are_counted_per_queue(desk: Desk):
    desk.broker.create("asya-idle", QueueSpec())
    await desk.dead_letter("a", "b")
    assert await count_dead_letters(desk.admin, "asya-") == {"asya-idle-dlq": 0, DEAD: 2}


async def test_where_the_broker_cannot_list_the_known_queues_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    async def refuse(_: str) -> list[str]:
        raise TransportError("cannot list")

    monkeypatch.setattr(desk.admin, "list_queues", refuse)
    assert await count_dead_letters(desk.admin, "asya-", [QUEUE, "asya-gone"]) == {DEAD: 0}
    with pytest.raises(TransportError, match="cannot list"):
        await count_dead_letters(desk.admin, "asya-")
