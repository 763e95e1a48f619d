"""The decision table, row by row."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from asya_protocol.envelope import Route, format_time
from asya_protocol.progress import facts_in_words
from asya_protocol.reply import ErrorItem, Item
from asya_protocol.reports import Facts, ProgressBody, Retry
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, RetryLater
from asya_sidecar.core.admit import Hop
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.core.decide import END_ACTOR_ATTEMPTS, Moment, decide, keeps_the_id
from asya_sidecar.core.reports import LONGEST_CAUSE
from asya_sidecar.core.retry import RetryPolicy
from tests.unit.sidecar.samples import NOW, SPAN, TRACE, MakeWork, sent


def item(
    payload: object,
    current: int = 1,
    actors: tuple[str, ...] = ("ocr", "translate"),
    headers: dict[str, object] | None = None,
) -> Item:
    return Item(msgspec.Raw(json.dumps(payload).encode()), Route(actors, current), headers)


ERROR = ErrorItem("processing_error", "boom", "KeyError", ("KeyError", "LookupError", "Exception"), "Traceback ...")


def test_one_output_goes_to_the_next_actor_with_everything_it_carried(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    """Headers, parent, deadline and unknown fields survive; counters end with the hop; the trace goes on."""
    work = make_work(
        parent_id="p0",
        deadline="2026-01-02T04:00:00Z",
        tenant={"a": 1},
        headers={"x": "y", "x-asya-attempt": 2, "traceparent": f"00-{'c' * 32}-{'d' * 16}-01"},
    )
    decision = decide(work, Replied((item({"n": 2}),)), hop, moment)
    assert decision.settlement == Ack()
    assert decision.result == "success"
    (send,) = decision.sends
    assert (send.actor, send.kind) == ("translate", "routing")
    assert sent(send.body) == {
        "id": "e1",
        "parent_id": "p0",
        "route": {"actors": ["ocr", "translate"], "current": 1},
        "headers": {"x": "y", "traceparent": f"00-{'c' * 32}-{SPAN}-01"},
        "deadline": "2026-01-02T04:00:00Z",
        "tenant": {"a": 1},
        "payload": {"n": 2},
    }


def test_an_envelope_without_a_trace_starts_one(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Every envelope carries a W3C trace context after its first hop."""
    decision = decide(make_work(), Replied((item(1),)), hop, moment)
    assert sent(decision.sends[0].body)["headers"] == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_headers_that_the_handler_returned_replace_the_old_ones(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Envelope mode may change and remove headers, but not the hop's own."""
    work = make_work(headers={"old": 1})
    decision = decide(work, Replied((item(1, headers={"new": 2, "x-asya-attempt": 9}),)), hop, moment)
    assert sent(decision.sends[0].body)["headers"] == {"new": 2, "traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.mark.parametrize("finished", [item(1, current=2), item(1, current=1, actors=("ocr",)), Item(msgspec.Raw(b"1"))])
def test_a_finished_route_goes_to_happy_end(finished: Item, make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Finished is: current at the length, or no usable route returned."""
    decision = decide(make_work(), Replied((finished,)), hop, moment)
    assert [(send.actor, send.kind) for send in decision.sends] == [("happy-end", "happy_end")]


def test_no_output_sends_the_input_to_happy_end(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """An abort keeps the route as it was."""
    decision = decide(make_work(), Replied(), hop, moment)
    assert decision.result == "empty_response"
    document = sent(decision.sends[0].body)
    assert (document["route"], document["payload"]) == ({"actors": ["ocr", "translate"], "current": 0}, {"n": 1})


def test_a_fan_out_numbers_its_children(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """The first output keeps the id; the others get a number and a parent, and are told to the gateway."""
    decision = decide(make_work(), Replied((item(0), item(1), item(2))), hop, moment)
    documents = [sent(send.body) for send in decision.sends]
    assert [(d["id"], d.get("parent_id"), d["payload"]) for d in documents] == [
        ("e1", None, 0),
        ("e1-1", "e1", 1),
        ("e1-2", "e1", 2),
    ]
    assert [r.envelope_id for r in decision.reports if r.kind == "child"] == ["e1-1", "e1-2"]


def test_numbers_go_on_after_streamed_outputs(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """A generator's last frame continues where the streamed ones ended."""
    decision = decide(make_work(), Replied((item(5),), streamed=5), hop, moment)
    assert sent(decision.sends[0].body)["id"] == "e1-5"
    assert decide(make_work(), Replied((), streamed=5), hop, moment).sends == ()


def test_a_handlers_error_is_tried_again_with_backoff(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """The copy counts the attempt and keeps everything else; nothing else is sent."""
    first = decide(make_work(tenant=1), Replied(error=ERROR), hop, moment)
    assert isinstance(first.settlement, RetryLater)
    assert (first.result, first.sends, first.settlement.delay_s) == ("retried", (), 1.0)
    copy = sent(first.settlement.body)
    assert (copy["headers"], copy["tenant"]) == ({"x-asya-attempt": 2, "x-asya-delivery": 1}, 1)
    second = decide(make_work(headers={"x-asya-attempt": 2}), Replied(error=ERROR), hop, moment)
    assert isinstance(second.settlement, RetryLater)
    assert second.settlement.delay_s == 2.0


def test_the_gateway_is_told_of_an_attempt_that_failed(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """As fields, and in words, in a report that Asya 0.1.1's gateway takes; an end actor tells nothing but the end."""
    work = make_work(headers={"x-asya-attempt": 2})
    (report,) = decide(work, Replied(error=ERROR), hop, moment).reports
    words = "Attempt 2 failed, next in 2.0 s: processing_error: KeyError: boom"
    assert (report.kind, report.envelope_id) == ("progress", "e1")
    assert json.loads(msgspec.json.encode(report.body)) == {
        "actors": ["ocr", "translate"], "current_actor_idx": 0, "status": "processing", "message": words, "by": "ocr",
        "retry": {"attempt": 2, "again_in_s": 2.0, "cause": "processing_error: KeyError: boom"},
    }  # fmt: skip
    assert facts_in_words(words) == Facts(retry=Retry(2, 2.0, "processing_error: KeyError: boom"))
    (report,) = decide(make_work(), RuntimeLost("it was killed"), hop, moment).reports
    assert isinstance(report.body, ProgressBody)
    assert report.body.message == "Delivery 1 of 5 failed, next in 1.0 s: it was killed"
    assert report.body.retry == Retry(1, 1.0, "it was killed", 1, 5)
    end = replace(hop, actor=hop.happy_end, is_end_actor=True)
    assert decide(make_work(end), Replied(error=ERROR), end, moment).reports == ()


def test_the_cause_of_a_failed_attempt_is_told_in_moderate_length(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    (report,) = decide(make_work(), RuntimeLost("x" * 5_000), hop, moment).reports
    assert isinstance(report.body, ProgressBody)
    retry = Retry(1, 1.0, f"{'x' * LONGEST_CAUSE} ...", 1, 5)
    assert (report.body.retry, report.body.message) == (retry, retry.words)


def test_the_last_attempt_ends_in_error_end_with_details(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """The error envelope is Asya 0.1.1's: code, details, original payload, same id and route."""
    decision = decide(make_work(headers={"x-asya-attempt": 3, "k": "v"}), Replied(error=ERROR), hop, moment)
    assert (decision.settlement, decision.result, decision.failed_reason) == (Ack(), "failed", "runtime_error")
    document = sent(decision.sends[0].body)
    assert decision.sends[0].actor == "error-end"
    assert document["payload"] == {
        "error": "processing_error",
        "details": {"message": "boom", "type": "KeyError", "traceback": "Traceback ..."},
        "original_payload": {"n": 1},
    }
    assert (document["id"], document["headers"]) == ("e1", {"k": "v", "traceparent": f"00-{TRACE}-{SPAN}-01"})


@pytest.mark.parametrize(
    ("policy", "retried"),
    [
        (RetryPolicy(), True),
        (RetryPolicy(max_attempts=1), False),
        (RetryPolicy(non_retryable=frozenset({"LookupError"})), False),
        (RetryPolicy(non_retryable=frozenset({"builtins.LookupError"})), False),
        (RetryPolicy(retry_on=frozenset({"ValueError"})), False),
        (RetryPolicy(retry_on=frozenset({"LookupError"})), True),
        (RetryPolicy(retry_on=frozenset({"KeyError"}), non_retryable=frozenset({"KeyError"})), False),
    ],
)
def test_class_names_are_matched_against_the_errors_bases(
    policy: RetryPolicy, retried: bool, make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    """`nonRetryable` wins over `retryOn`; empty `retryOn` means every class."""
    decision = decide(make_work(), Replied(error=ERROR), replace(hop, retry=policy), moment)
    assert (decision.result == "retried") is retried


def test_a_broken_envelope_is_never_retried(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """What the runtime calls a parse error no attempt can mend."""
    decision = decide(make_work(), Replied(error=replace(ERROR, code="msg_parsing_error")), hop, moment)
    assert decision.result == "failed"


INFRASTRUCTURE: list[Outcome] = [
    TimedOut(60.0),
    RuntimeLost("connection closed"),
    Replied(error=ErrorItem("timeout_error")),
    Replied(error=ErrorItem("connection_error")),
]


@pytest.mark.parametrize("outcome", INFRASTRUCTURE, ids=["timeout", "lost", "timeout_error", "connection_error"])
def test_infrastructure_never_blames_the_envelope(
    outcome: Outcome, make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    """It comes again, up to max_deliveries; then it is a dead letter with the reason, not an error of the handler."""
    again = decide(make_work(headers={"x-asya-attempt": 2}), outcome, hop, moment)
    assert isinstance(again.settlement, RetryLater)
    assert sent(again.settlement.body)["headers"] == {"x-asya-attempt": 2, "x-asya-delivery": 2}
    last = decide(make_work(headers={"x-asya-delivery": 5}), outcome, hop, moment)
    assert isinstance(last.settlement, DeadLetter)
    assert "(delivered 5 times)" in last.settlement.reason
    assert last.settlement.fallback is not None
    assert last.settlement.fallback.actor == "error-end"
    assert [report.kind for report in last.reports] == ["final"]


def test_a_timeout_names_its_limit_as_the_original_did(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Go's notation of durations."""
    decision = decide(make_work(headers={"x-asya-delivery": 5}), TimedOut(300.0), hop, moment)
    assert decision.cause == "Runtime timeout exceeded after 5m0s (delivered 5 times)"


def test_a_timeout_says_where_the_handler_hung(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """In a line while it is tried again; where it ends, with the whole stack, for a gateway too."""
    stack = (
        '  File "/app/ocr.py", line 7, in handle\n    look(page)\n  File "/app/ocr.py", line 12, in look\n    wait()\n'
    )
    reply = Replied(error=ErrorItem("timeout_error", "handler ran past its timeout", "TimeoutError", traceback=stack))
    again = decide(make_work(), reply, hop, moment)
    assert again.cause == "Runtime timeout exceeded after 1m0s, at ocr.py:12 in look"
    last = decide(make_work(headers={"x-asya-delivery": 5}), reply, hop, moment)
    assert last.cause == "Runtime timeout exceeded after 1m0s, at ocr.py:12 in look (delivered 5 times)"
    assert isinstance(last.settlement, DeadLetter)
    assert last.settlement.fallback is not None
    assert json.loads(last.settlement.fallback.body)["payload"]["details"]["traceback"] == stack
    assert json.loads(msgspec.json.encode(last.reports[0].body))["error_details"]["traceback"] == stack


def test_a_timeout_caused_by_the_deadline_ends_in_error_end(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Doing it again would be later still."""
    work = make_work(deadline=format_time(NOW + timedelta(seconds=5)))
    decision = decide(work, TimedOut(5.0), hop, moment)
    assert decision.result == "failed"
    assert decision.cause == "Deadline exceeded after the handler ran for 5s"


def test_a_retry_that_would_come_after_the_deadline_is_not_made(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """The error is final now."""
    work = make_work(deadline=format_time(NOW + timedelta(seconds=0.5)))
    assert decide(work, Replied(error=ERROR), hop, moment).result == "failed"
    assert decide(work, RuntimeLost("gone"), hop, moment).result == "failed"


def test_outputs_before_a_final_error_still_leave(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """As in Asya 0.1.1: what was made before the error goes its way, then the error. That alone ends what was sent."""
    work = make_work(headers={"x-asya-attempt": 3})
    for reply in (Replied((item(0), item(1)), error=ERROR), Replied((), 2, ERROR, first=item(0))):
        sends = decide(work, reply, hop, moment).sends
        made = [(send.actor, sent(send.body)["id"], sent(send.body).get("parent_id")) for send in sends]
        assert made[0] == ("translate", "e1-0", "e1")
        assert made[-1] == ("error-end", "e1", None)
        assert made[1:-1] == [("translate", "e1-1", "e1")][: len(reply.items)]


def test_the_output_that_keeps_the_id_leaves_when_its_stream_has_ended_well(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    """So that what was sent has one end, be the stream tried again, or fail for good."""
    sends = decide(make_work(), Replied((item(5),), streamed=5, first=item(0)), hop, moment).sends
    assert [sent(send.body)["id"] for send in sends] == ["e1", "e1-5"]
    assert decide(make_work(), Replied((), 5, ERROR, first=item(0)), hop, moment).sends == ()
    assert keeps_the_id(item(0), hop)
    to_fan_in = Item(msgspec.Raw(b"1"), Route(("ocr", "fan-in"), 1))
    assert not keeps_the_id(to_fan_in, hop)


def end(actor: str) -> Hop:
    return Hop(actor=actor, is_end_actor=True)


def test_happy_end_reports_success_and_sends_nothing(make_work: MakeWork, moment: Moment) -> None:
    """The final report carries the envelope's payload when the handler returned nothing of its own."""
    hop = end("happy-end")
    work = make_work(hop, route={"actors": ["ocr", "translate"], "current": 2})
    decision = decide(work, Replied((Item(msgspec.Raw(b"null")),)), hop, moment)
    assert (decision.settlement, decision.result, decision.sends) == (Ack(), "end_consumed", ())
    (report,) = decision.reports
    assert json.loads(msgspec.json.encode(report.body)) == {
        "id": "e1",
        "status": "succeeded",
        "timestamp": "2026-01-02T03:04:05Z",
        "progress": 1.0,
        "result": {"n": 1},
    }


def test_happy_end_tells_an_envelope_that_left_its_route_early_from_one_with_a_result(
    make_work: MakeWork, moment: Moment
) -> None:
    """A handler that returned nothing has no result: what it was given is not passed off as one."""
    hop = end("happy-end")
    (report,) = decide(make_work(hop), Replied((Item(msgspec.Raw(b"{}")),)), hop, moment).reports
    assert json.loads(msgspec.json.encode(report.body)) == {
        "id": "e1",
        "status": "succeeded",
        "timestamp": "2026-01-02T03:04:05Z",
        "progress": 1.0,
        "ended": "early",
        "current_actor_idx": 0,
        "current_actor_name": "ocr",
        "actors": ["ocr", "translate"],
    }


@pytest.mark.parametrize(
    ("entry", "joined"),
    [
        ({"group": "e@0", "index": 0, "count": 2}, True),
        ({"group": "e@0", "index": 0, "missing": "boom"}, False),
        ({"group": "e@0", "count": 2, "end": True}, False),
        ({"group": "e@0", "timer": "look"}, False),
    ],
)
@pytest.mark.parametrize("items", [(), (Item(msgspec.Raw(b"[1]")),)])
def test_a_child_that_fan_in_takes_ends_as_joined(
    make_work: MakeWork, moment: Moment, entry: dict[str, object], joined: bool, items: tuple[Item, ...]
) -> None:
    """It does not stay open until its time is over; notices and timers are no envelopes to anybody who looks."""
    hop = Hop(actor="fan-in", is_collector=True)
    work = make_work(hop, route={"actors": ["ocr", "fan-in"], "current": 1}, headers={"x-asya-fan-in": [entry]})
    reports = decide(work, Replied(items), hop, moment).reports
    ends = [json.loads(msgspec.json.encode(report.body)) for report in reports if report.kind == "final"]
    assert [(end["status"], end["ended"]) for end in ends] == ([("succeeded", "joined")] if joined else [])


def test_error_end_reports_the_failure_and_where_it_happened(make_work: MakeWork, moment: Moment) -> None:
    """Error text, details and the actor come from the error envelope."""
    hop = end("error-end")
    work = make_work(hop, payload={"error": "processing_error", "details": {"message": "boom"}})
    (report,) = decide(work, Replied(), hop, moment).reports
    assert json.loads(msgspec.json.encode(report.body)) == {
        "id": "e1",
        "status": "failed",
        "timestamp": "2026-01-02T03:04:05Z",
        "error": "processing_error",
        "error_details": {"message": "boom"},
        "actors": ["ocr", "translate"],
        "current_actor_idx": 0,
        "current_actor_name": "ocr",
    }


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b'{"error": "e", "original_payload": {"n": 1e999}}', {"error": "e"}),
        (b'{"error": "e", "details": {"n": 1e999}}', {"error": "e", "error_details": {"n": float("inf")}}),
        (b'{"error": 1e999, "details": {}}', {}),
        (b'{"error": ["e"], "details": null}', {}),
        (b"1e999", {}),
        (b'["error"]', {}),
    ],
)
def test_error_end_reports_whatever_the_failed_payload_is(
    make_work: MakeWork, moment: Moment, payload: bytes, told: dict[str, object]
) -> None:
    """A number that no float holds is JSON all the same, and must not take the sidecar down."""
    hop = end("error-end")
    work = make_work(hop)
    work = replace(work, envelope=replace(work.envelope, payload=msgspec.Raw(payload)))
    (report,) = decide(work, Replied(), hop, moment).reports
    body = json.loads(msgspec.json.encode(report.body))
    assert {name: body[name] for name in ("error", "error_details") if name in body} == told


def test_an_end_actors_failure_is_never_taken_for_success(make_work: MakeWork, moment: Moment) -> None:
    """A store that is away means: again later, many times, then the DLQ; Asya 0.1.1 acknowledged it."""
    hop = end("happy-end")
    assert decide(make_work(hop), Replied(error=ERROR), hop, moment).result == "retried"
    last = make_work(hop, headers={"x-asya-attempt": END_ACTOR_ATTEMPTS})
    decision = decide(last, Replied(error=ERROR), hop, moment)
    assert isinstance(decision.settlement, DeadLetter)
    assert decision.settlement.fallback is None


def test_completed_progress_names_this_actor_not_the_next(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Asya 0.1.1 reported the index after this one."""
    decision = decide(make_work(), Replied((item(1, actors=("ocr", "translate", "extra")),)), hop, moment)
    (report,) = decision.reports
    assert json.loads(msgspec.json.encode(report.body)) == {
        "actors": ["ocr", "translate", "extra"],
        "current_actor_idx": 0,
        "status": "completed",
        "message": "Completed processing in 250ms",
        "duration_ms": 250,
        "by": "ocr",
    }


def test_every_outcome_settles(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """No path ends without telling the broker something."""
    outcomes: list[Outcome] = [*INFRASTRUCTURE, Replied(), Replied((item(1),)), Replied(error=ERROR)]
    for here in (hop, end("happy-end"), end("error-end"), end("custom-end")):
        for outcome in outcomes:
            for headers in ({}, {"x-asya-attempt": 99, "x-asya-delivery": 99}):
                decision = decide(make_work(here, headers=headers), outcome, here, moment)
                assert isinstance(decision, Decision)
                assert decision.settlement is not None
