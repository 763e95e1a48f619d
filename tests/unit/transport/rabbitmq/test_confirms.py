"""Which body the broker's confirm, refusal or return is about."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol.errors import QueueMissing, TransportUnavailable
from asya_transport.rabbitmq.confirms import Confirms, Unconfirmed


@pytest.fixture
def loop():
    """Futures need a loop, though it never runs here."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def publish(
    confirms: Confirms, loop: asyncio.AbstractEventLoop, count: int, queue: str = "asya-a"
) -> list[Unconfirmed]:
    bodies = [Unconfirmed(queue, 1, loop.create_future()) for _ in range(count)]
    for body in bodies:
        confirms.add(body)
    return bodies


def is_confirmed(body: Unconfirmed) -> bool:
    return body.done.done() and body.done.exception() is None


def test_a_single_confirm_settles_only_its_body(loop) -> None:
    """Confirms may come out of order."""
    confirms = Confirms()
    bodies = publish(confirms, loop, 3)
    confirms.confirm(2, multiple=False)
    assert [body.done.done() for body in bodies] == [False, True, False]
    assert len(confirms) == 2


def test_a_multiple_confirm_settles_everything_up_to_its_number(loop) -> None:
    """One frame may stand for many bodies."""
    confirms = Confirms()
    bodies = publish(confirms, loop, 4)
    confirms.confirm(1, multiple=False)
    confirms.confirm(3, multiple=True)
    assert [is_confirmed(body) for body in bodies] == [True, True, True, False]


def test_a_returned_body_is_a_missing_queue_once_its_confirm_comes(loop) -> None:
    """The broker returns first and confirms after; the neighbours are not touched."""
    confirms = Confirms()
    first, second = publish(confirms, loop, 2)
    confirms.note_returned(2)
    assert not second.done.done()
    confirms.confirm(2, multiple=True)
    assert is_confirmed(first)
    assert isinstance(second.done.exception(), QueueMissing)


def test_a_refused_body_is_worth_another_attempt(loop) -> None:
    """A full queue, or one without a majority of its replicas, refuses."""
    confirms = Confirms()
    (body,) = publish(confirms, loop, 1)
    confirms.refuse(1, multiple=False)
    assert isinstance(body.done.exception(), TransportUnavailable)


def test_a_body_that_could_not_be_published_leaves_no_gap(loop) -> None:
    """The broker never counted it, so the next body has its number."""
    confirms = Confirms()
    tag = confirms.add(Unconfirmed("asya-a", 1, loop.create_future()))
    confirms.take_back(tag)
    (body,) = publish(confirms, loop, 1)
    confirms.confirm(tag, multiple=False)
    assert is_confirmed(body)


def test_a_lost_channel_fails_everything_unconfirmed_and_nothing_else(loop) -> None:
    """What was confirmed before stays confirmed."""
    confirms = Confirms()
    first, second = publish(confirms, loop, 2)
    confirms.confirm(1, multiple=False)
    confirms.abandon(lambda body: TransportUnavailable(body.queue))
    assert is_confirmed(first)
    assert isinstance(second.done.exception(), TransportUnavailable)
    assert len(confirms) == 0


def test_a_sender_that_gave_up_does_not_disturb_a_confirm(loop) -> None:
    """Its future is cancelled; the confirm that comes later finds it so."""
    confirms = Confirms()
    first, second = publish(confirms, loop, 2)
    first.done.cancel()
    confirms.confirm(2, multiple=True)
    assert is_confirmed(second)


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), max_size=40))
def test_every_body_is_settled_at_most_once_whatever_the_broker_says(words) -> None:
    """A number that is unknown or was settled before changes nothing."""
    loop = asyncio.new_event_loop()
    try:
        confirms = Confirms()
        bodies = publish(confirms, loop, 20)
        settled: set[int] = set()
        for tag, multiple, taken in words:
            (confirms.confirm if taken else confirms.refuse)(tag, multiple=multiple)
            settled |= {number for number in range(1, 21) if number == tag or (multiple and number <= tag)}
        assert {number for number, body in enumerate(bodies, 1) if body.done.done()} == settled
        assert len(confirms) == 20 - len(settled)
        for body in bodies:  # Looked at, so that no unread failure is reported at the end.
            if body.done.done():
                body.done.exception()
    finally:
        loop.close()
