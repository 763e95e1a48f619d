"""The hot path's frames are the bytes that pika writes, and are read as pika reads them, however a read cuts them."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from pika import frame
from pika.delivery_mode import DeliveryMode
from pika.spec import Basic, BasicProperties

from asya_transport.rabbitmq.consumer import plan_acks
from asya_transport.rabbitmq.hot_frames import FrameReader, ack_frame, publish_frames

LARGEST = 4096
CHANNEL = 7


def as_pika_writes(method: Any, properties: BasicProperties, body: bytes, channel: int = CHANNEL) -> bytes:
    """A method with its content, in frames of at most ``LARGEST`` bytes."""
    room = LARGEST - 8
    pieces = [body[start : start + room] for start in range(0, len(body), room)]
    return b"".join(
        (
            frame.Method(channel, method).marshal(),
            frame.Header(channel, len(body), properties).marshal(),
            *(frame.Body(channel, piece).marshal() for piece in pieces),
        )
    )


@pytest.mark.parametrize("size", [0, 1, LARGEST - 8, LARGEST - 7, 3 * LARGEST])
@pytest.mark.parametrize("exchange", ["", "asya-delay"])
def test_a_publish_is_what_pika_writes(size: int, exchange: str) -> None:
    properties = BasicProperties(
        content_type="application/json",
        delivery_mode=DeliveryMode.Persistent.value,
        timestamp=1_764_000_000,
        message_id="0a1b-17",
    )
    method = Basic.Publish(exchange=exchange, routing_key="asya-öcr", mandatory=True)
    written = publish_frames(
        CHANNEL, exchange, "asya-öcr", b"x" * size, message_id="0a1b-17", timestamp_s=1_764_000_000, largest=LARGEST
    )
    assert written == as_pika_writes(method, properties, b"x" * size)


@pytest.mark.parametrize("priority", [None, 3])
@pytest.mark.parametrize("headers", [None, {"x-delivery-count": 2}])
def test_a_delivery_tells_when_it_was_sent_whatever_else_its_sender_said(
    priority: int | None, headers: dict[str, Any] | None
) -> None:
    heard = Heard()
    properties = BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        message_id="0a1b-17",
        timestamp=1_764_000_000,
        priority=priority,
        headers=headers,
    )
    heard.reader.feed(as_pika_writes(Basic.Deliver("c", 1, False, "", "q"), properties, b"body"))
    assert heard.all == [("delivery", 1, False, headers or {}, 1_764_000_000, b"body")]


@pytest.mark.parametrize("multiple", [False, True])
def test_an_acknowledgement_is_what_pika_writes(multiple: bool) -> None:
    assert ack_frame(CHANNEL, 2**40, multiple=multiple) == frame.Method(CHANNEL, Basic.Ack(2**40, multiple)).marshal()


class Heard:
    """What a reader hands out, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[object, ...]] = []
        self.reader = FrameReader(lambda data: self.all.append(("pika", data)))
        self.reader.on_delivery[CHANNEL] = lambda *delivery: self.all.append(("delivery", *delivery))
        self.reader.on_confirm[CHANNEL + 1] = lambda *confirm: self.all.append(("confirm", *confirm))


def wire() -> Iterator[tuple[bytes, tuple[object, ...]]]:
    """Frames as a broker writes them, and what is to be heard of each."""
    cases: list[tuple[int, dict[str, Any]]] = [(0, {}), (200, {}), (9000, {"x-delivery-count": 2, "who": "me"})]
    for tag, (size, headers) in enumerate(cases, 1):
        deliver = Basic.Deliver(f"ctag{tag}", tag, size > 200, "", "asya-ocr")
        body = bytes(size)
        data = as_pika_writes(deliver, BasicProperties(headers=headers or None, priority=3), body)
        yield data, ("delivery", tag, size > 200, headers, None, body)
        confirm = frame.Method(CHANNEL + 1, Basic.Ack(tag, size > 0)).marshal()
        yield confirm, ("confirm", tag, size > 0)
        for other in (
            frame.Heartbeat().marshal(),
            frame.Method(CHANNEL, Basic.ConsumeOk("ctag")).marshal(),
            frame.Method(CHANNEL + 1, Basic.Nack(tag, False)).marshal(),
            frame.Method(3, Basic.Ack(tag, False)).marshal(),  # a channel that is left to pika
        ):
            yield other, ("pika", other)
        returned = as_pika_writes(Basic.Return(312, "NO_ROUTE", "", "q"), BasicProperties(), b"body", CHANNEL + 1)
        for piece in split(returned):
            yield piece, ("pika", piece)


def split(data: bytes) -> Iterator[bytes]:
    while data:
        size, _ = frame.decode_frame(data)
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_told_apart_in_their_order_however_they_are_cut(seed: int) -> None:
    dice, heard = random.Random(seed), Heard()
    pieces = list(wire())
    data, most = b"".join(piece for piece, _ in pieces), dice.choice([1, 9, 300, 65536])
    while data:
        cut = dice.randint(1, most)
        heard.reader.feed(data[:cut])
        data = data[cut:]
    assert heard.all == [expected for _, expected in pieces]


def test_a_channel_that_is_forgotten_is_left_to_pika_in_the_middle_of_a_delivery() -> None:
    heard = Heard()
    data = as_pika_writes(Basic.Deliver("c", 1, False, "", "q"), BasicProperties(), b"body")
    method, header, body = split(data)
    heard.reader.feed(method + header)
    heard.reader.forget(CHANNEL)
    heard.reader.feed(body)
    assert heard.all == [("pika", body)]


@pytest.mark.parametrize("data", [b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n"])
def test_what_is_no_frame_is_left_to_pika(data: bytes) -> None:
    heard = Heard()
    heard.reader.feed(data)
    assert heard.all == [("pika", data)]


def test_a_frame_without_its_end_mark_is_left_to_pika() -> None:
    heard = Heard()
    broken = frame.Method(CHANNEL, Basic.Deliver("c", 1, False, "", "q")).marshal()[:-1] + b"\x00"
    heard.reader.feed(broken)
    assert heard.all == [("pika", broken)]


@pytest.mark.parametrize(
    ("acked", "oldest_unsettled", "written"),
    [
        ([3], None, [(3, False)]),
        ([1, 2, 3], None, [(3, True)]),
        ([2, 1], 3, [(2, True)]),
        ([2, 4, 1, 6], 3, [(2, True), (4, False), (6, False)]),
        ([4, 5], 3, [(4, False), (5, False)]),
        ([2, 5], 3, [(2, False), (5, False)]),
    ],
)
def test_one_acknowledgement_serves_all_that_are_older_than_what_is_unsettled(
    acked: list[int], oldest_unsettled: int | None, written: list[tuple[int, bool]]
) -> None:
    assert plan_acks(acked, oldest_unsettled) == written


@pytest.mark.parametrize("seed", range(50))
def test_no_plan_acknowledges_what_was_not_asked_for(seed: int) -> None:
    dice = random.Random(seed)
    unsettled = set(range(1, 40))
    settled: set[int] = set()
    while unsettled:
        acked = dice.sample(sorted(unsettled), dice.randint(1, len(unsettled)))
        unsettled -= set(acked)
        for tag, multiple in plan_acks(acked, min(unsettled, default=None)):
            settled |= {other for other in range(1, tag + 1) if other in unsettled | set(acked)} if multiple else {tag}
        assert settled == set(range(1, 40)) - unsettled
