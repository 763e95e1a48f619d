"""Envelopes that wait for their moment: back to the queue at no cost, hop by hop, and never a handler before it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from asya_protocol import names
from asya_protocol.envelope import Route, format_time
from asya_protocol.reply import Item
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Ack, Decision, RetryLater, Send
from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.core.call_outcome import Replied
from asya_sidecar.core.decide import Moment, decide
from asya_sidecar.core.waits import not_yet
from tests.unit.sidecar.samples import NOW, MakeWork, envelope_bytes, sent

HOUR = timedelta(hours=1)


def waiting(moment: object, **fields: object) -> bytes:
    headers = {"mine": 1, names.HEADER_NOT_BEFORE: moment, **fields.pop("headers", {})}  # type: ignore[dict-item]
    return envelope_bytes(headers=headers, **fields)


def look(body: bytes, hop: Hop, now: datetime) -> Decision | None:
    work = admit(body, hop, now)
    assert isinstance(work, Work)
    return not_yet(work, hop, now)


@pytest.mark.parametrize(
    ("longest_s", "wait_s", "deliveries"),
    [
        (900.0, 1200.0, 2),  # SQS
        (900.0, 8 * 3600.0, 32),
        (4096.0, 8 * 3600.0, 8),  # RabbitMQ's highest level
        (7 * 86400.0, 7 * 86400.0, 1),  # memory
        (900.0, 0.25, 1),
    ],
)
def test_a_wait_longer_than_the_brokers_goes_in_hops_and_costs_nothing(
    hop: Hop, longest_s: float, wait_s: float, deliveries: int
) -> None:
    """In virtual time: what the performer sends on rests as long as the broker can, and is looked at again."""
    counters = {names.HEADER_ATTEMPT: 2, names.HEADER_DELIVERY: 3}
    body, now, number = waiting(format_time(NOW + timedelta(seconds=wait_s)), headers=counters), NOW, 0
    while (decision := look(body, hop, now)) is not None:
        assert isinstance(decision.settlement, RetryLater)
        assert (decision.result, decision.failed_reason) == ("waiting", None)
        body, number = decision.settlement.body, number + 1
        now += timedelta(seconds=min(decision.settlement.delay_s, longest_s))
    assert (now - NOW).total_seconds() == wait_s
    assert number == deliveries
    kept = {"mine": 1, **counters, names.HEADER_NOT_BEFORE: format_time(NOW + timedelta(seconds=wait_s))}
    assert sent(body)["headers"] == kept


def test_a_broker_that_is_early_or_late_costs_another_look_or_nothing(hop: Hop) -> None:
    body = waiting(format_time(NOW))
    early = look(body, hop, NOW - timedelta(milliseconds=40))
    assert early is not None and isinstance(early.settlement, RetryLater)
    assert early.settlement.delay_s == pytest.approx(0.04)
    assert look(body, hop, NOW) is None
    assert look(body, hop, NOW + 5 * HOUR) is None


def test_a_clock_that_steps_back_makes_it_wait_again_and_one_that_is_far_off_is_named(hop: Hop) -> None:
    body = waiting(format_time(NOW))
    again = look(body, hop, NOW - HOUR)
    assert again is not None and isinstance(again.settlement, RetryLater)
    assert again.settlement.delay_s == 3600
    lost = look(body, hop, datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert lost is not None and isinstance(lost.settlement, Ack)
    assert "after this replica's clock (1970-01-01T00:00:05Z); ASYA_LONGEST_WAIT allows 168h0m0s" in lost.cause


@pytest.mark.parametrize("moment", [5, True, "soon", "2026-01-02T03:04:05", ["2026-01-02T03:04:05Z"]])
def test_a_moment_that_is_none_ends_in_error_end(hop: Hop, moment: object) -> None:
    decision = look(waiting(moment), hop, NOW)
    assert decision is not None and isinstance(decision.settlement, Ack)
    (send,) = decision.sends
    assert send.actor == "error-end"
    document = sent(send.body)
    assert "Header 'x-asya-not-before' must be a time with its zone" in document["payload"]["error"]
    assert names.HEADER_NOT_BEFORE not in document["headers"]


def test_a_wait_that_its_deadline_does_not_last_ends_at_once(hop: Hop) -> None:
    """The clock of a deadline runs while an envelope waits."""
    soon = format_time(NOW + timedelta(minutes=5))
    decision = look(waiting(format_time(NOW + HOUR), deadline=soon), hop, NOW)
    assert decision is not None and decision.failed_reason == "deadline"
    assert "Deadline passes while the envelope waits 1h0m0s for its moment, 2026-01-02T04:04:05Z" in decision.cause


def test_the_end_of_a_route_is_not_put_off() -> None:
    end = Hop("error-end", is_end_actor=True)
    assert look(waiting(format_time(NOW + HOUR)), end, NOW) is None


async def test_admission_lets_nothing_in_before_its_moment(hop: Hop) -> None:
    """Before it asks whether it was done before, and for payloads and limits."""
    now = datetime.now(UTC)
    decision = await Admission(hop).let_in(waiting(format_time(now + HOUR)))
    assert isinstance(decision, Decision) and decision.result == "waiting"
    assert decision.about is not None and decision.until == now + HOUR
    assert isinstance(await Admission(hop).let_in(waiting(format_time(now - HOUR))), Work)


def outputs(make_work: MakeWork, hop: Hop, moment: Moment, *headers: dict[str, Any], **fields: Any) -> tuple[Send, ...]:
    onward = Route(("ocr", "translate"), 1)
    items = tuple(Item(msgspec.Raw(b"1"), onward, each) for each in headers)
    return decide(make_work(**fields), Replied(items), hop, moment).sends


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({names.HEADER_DELAY: 1200}, NOW + timedelta(minutes=20)),
        ({names.HEADER_DELAY: 0.5}, NOW + timedelta(seconds=0.5)),
        ({names.HEADER_NOT_BEFORE: "2026-01-02T09:04:05+05:00"}, NOW + HOUR),
    ],
)
def test_an_output_rests_with_the_broker_until_its_moment(
    make_work: MakeWork, hop: Hop, moment: Moment, headers: dict[str, Any], until: datetime
) -> None:
    first, second = outputs(make_work, hop, moment, headers, {})
    assert first.delay_s == (until - NOW).total_seconds()
    assert names.HEADER_DELAY not in sent(first.body)["headers"]
    decision = look(first.body, replace(hop, actor="translate"), NOW)
    assert decision is not None and decision.until == until
    assert second.delay_s == 0
    assert names.HEADER_NOT_BEFORE not in sent(second.body)["headers"]


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({names.HEADER_DELAY: -1}, "not '-1 seconds later'"),
        ({names.HEADER_DELAY: "5m"}, "not '5m seconds later'"),
        ({names.HEADER_DELAY: True}, "not 'True seconds later'"),
        ({names.HEADER_DELAY: 1e300}, "seconds later'"),
        ({names.HEADER_DELAY: 10 * 86400}, "ASYA_LONGEST_WAIT allows"),
        ({names.HEADER_NOT_BEFORE: "noon"}, "not 'noon'"),
        ({names.HEADER_NOT_BEFORE: "2026-01-02T09:04:05"}, "has no zone"),
    ],
)
def test_a_wish_that_cannot_be_ends_at_the_next_hop_at_once(
    make_work: MakeWork, hop: Hop, moment: Moment, headers: dict[str, Any], text: str
) -> None:
    (send,) = outputs(make_work, hop, moment, headers)
    assert (send.actor, send.delay_s) == ("translate", 0)
    decision = look(send.body, replace(hop, actor="translate"), NOW)
    assert decision is not None and isinstance(decision.settlement, Ack)
    assert text in decision.cause


def test_an_output_that_its_deadline_does_not_let_wait_goes_on_and_ends_there(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    (send,) = outputs(
        make_work, hop, moment, {names.HEADER_DELAY: 600}, deadline=format_time(NOW + timedelta(minutes=5))
    )
    assert send.delay_s == 0
    decision = look(send.body, replace(hop, actor="translate"), NOW)
    assert decision is not None and decision.failed_reason == "deadline"


def test_what_a_handler_hands_back_unchanged_is_no_wish_of_its_own(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    given = {names.HEADER_NOT_BEFORE: format_time(NOW - HOUR), names.HEADER_DELAY: 60, "mine": 1}
    (send,) = outputs(make_work, hop, moment, given, headers=given)
    assert send.delay_s == 0
    assert {"mine": 1}.items() <= sent(send.body)["headers"].items()
    assert not {names.HEADER_NOT_BEFORE, names.HEADER_DELAY} & sent(send.body)["headers"].keys()


def test_a_finished_route_has_nothing_to_put_off(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    done = Item(msgspec.Raw(b"1"), Route(("ocr",), 1), {names.HEADER_DELAY: 60})
    (send,) = decide(make_work(), Replied((done,)), hop, moment).sends
    assert (send.actor, send.delay_s) == ("happy-end", 0)
    assert names.HEADER_NOT_BEFORE not in sent(send.body)["headers"]


def test_the_gateway_is_told_for_what_moment_outputs_wait(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    onward = Route(("ocr", "translate"), 1)
    items = tuple(Item(msgspec.Raw(b"1"), onward, {names.HEADER_DELAY: 60}) for _ in range(2))
    decision = decide(make_work(), Replied(items), hop, moment)
    child, completed = decision.reports
    until = format_time(NOW + timedelta(minutes=1))
    assert (child.body.until, completed.body.until) == (until, until)  # type: ignore[union-attr]
    assert decision.until == NOW + timedelta(minutes=1)
