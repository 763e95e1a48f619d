"""A run is over when all that was sent is settled, and not a moment before."""

import pytest

from asya.testing.errors import HandlerNotLoaded
from asya.testing.ledger import Ledger, Run
from asya.testing.outcome import Result
from asya_protocol.envelope import Envelope, Route
from asya_protocol.errors import QueueMissing


def body(run: Run, suffix: str = "") -> bytes:
    return Envelope(run.id + suffix, Route(("a",))).dump()


async def test_a_run_is_over_when_nothing_of_it_is_open():
    ledger = Ledger()
    run = ledger.begin()
    first = ledger.sending("a", body(run))
    outputs = [ledger.sending("b", body(run, suffix)) for suffix in ("", "-1", "-1-2")]
    ledger.settled(first)
    for token in outputs:
        assert not run.done.done()
        ledger.settled(token)
    assert run.done.done()
    assert run.where() == "nothing is under way"
    run.trouble = "the broker is away"
    assert run.where() == "nothing is under way (the broker is away)"


async def test_a_redelivery_is_settled_once():
    ledger = Ledger()
    run = ledger.begin()
    first, second = ledger.sending("a", body(run)), ledger.sending("a", body(run))
    ledger.settled(first)
    ledger.settled(first)
    assert not run.done.done()
    ledger.settled(second)
    assert run.done.done()


async def test_a_result_that_comes_twice_is_one():
    ledger = Ledger()
    run = ledger.begin()
    token = ledger.sending("happy-end", body(run))
    for _ in range(2):
        ledger.arrived(token, Result({}, {}, ("a",), run.id))
    assert len(run.outcome().results) == 1


async def test_a_send_that_failed_is_not_waited_for():
    ledger = Ledger()
    run = ledger.begin()
    first, failed = ledger.sending("a", body(run)), ledger.sending("b", body(run))
    ledger.not_sent(failed)
    ledger.settled(first)
    assert run.done.done()


async def test_runs_do_not_see_one_another_nor_what_a_past_one_left():
    ledger = Ledger()
    past, one, two = ledger.begin(), ledger.begin(), ledger.begin()
    left = ledger.sending("a", body(past))
    ledger.end(past)
    tokens = [ledger.sending("a", body(run)) for run in (one, two)]
    for token in (left, "", "garbage", tokens[0]):
        ledger.mark(token, taken=True)
        ledger.arrived(token, Result({}, {}, ("a",), ""))
        ledger.settled(token)
    assert (one.done.done(), two.done.done()) == (True, False)
    assert two.outcome().results == []
    assert ledger.sending("a", b"no envelope") != ledger.sending("a", b"no envelope")


async def test_an_open_run_says_where_its_envelopes_are():
    ledger = Ledger()
    run = ledger.begin()
    tokens = [ledger.sending("ocr", body(run)) for _ in range(3)]
    ledger.sending("sum", body(run))
    ledger.mark(tokens[0], taken=True)
    ledger.mark(tokens[1], taken=True)
    ledger.mark(tokens[1], taken=False)
    assert run.where() == "1 in hand at 'ocr', 1 waiting for 'sum', 2 waiting for 'ocr'"


async def test_an_error_ends_every_run():
    ledger = Ledger()
    one, two = ledger.begin(), ledger.begin()
    for _ in range(2):
        ledger.abort(HandlerNotLoaded("no such module"))
    for run in (one, two):
        with pytest.raises(HandlerNotLoaded):
            await run.done
        ledger.end(run)


async def test_what_cannot_be_mended_ends_later_runs_too():
    ledger = Ledger()
    ledger.abort(HandlerNotLoaded("for one route"))
    ledger.abort(QueueMissing("asya-a"), for_good=True)
    later = ledger.begin()
    with pytest.raises(QueueMissing):
        await later.done
    ledger.end(later)
