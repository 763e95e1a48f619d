"""Whose trace a call belongs to, and what its spans are."""

import pytest

from asya_gateway.tracing import CallTracing, CallTrail, call_spans, read_carrier
from asya_protocol.trace import TraceContext

TRACE, CALLER, CALL, SEND = "a" * 32, "b" * 16, "c" * 16, "d" * 16
PARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.mark.parametrize(
    ("source", "carrier"),
    [
        ({}, {}),
        ({"traceparent": "broken", "tracestate": "a=1"}, {}),
        ({"traceparent": PARENT, "other": 1}, {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": "a=1"}, {"traceparent": PARENT, "tracestate": "a=1"}),
        ({"traceparent": PARENT, "tracestate": "x" * 513}, {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": 3}, {"traceparent": PARENT}),
    ],
)
def test_a_trace_is_taken_from_where_it_comes(source: dict[str, object], carrier: dict[str, object]) -> None:
    assert read_carrier(source) == carrier


def test_without_traces_what_came_is_passed_on_and_nothing_is_begun() -> None:
    tracing = CallTracing()
    assert tracing.begin({"traceparent": PARENT}).headers == {"traceparent": PARENT}
    assert tracing.begin({}).headers == {}


def test_the_spans_of_a_call() -> None:
    trail = CallTrail(
        {},
        TraceContext(TRACE, CALL),
        TraceContext(TRACE, SEND),
        TraceContext(TRACE, CALLER),
        10.0,
        (11.0, 12.0, "asya-ocr", 9),
    )
    found = call_spans(trail, "read_page", "e1", "sqs", problem=None, end_s=13.0)
    assert [
        (span.name, span.context.span_id, span.parent_id, span.start_s, span.end_s, span.kind) for span in found
    ] == [
        ("tools/call read_page", CALL, CALLER, 10.0, 13.0, "server"),
        ("send asya-ocr", SEND, CALL, 11.0, 12.0, "producer"),
    ]
    assert found[1].attributes["messaging.message.id"] == "e1"


def test_a_call_that_was_not_sent_says_why() -> None:
    trail = CallTrail({}, TraceContext(TRACE, CALL), TraceContext(TRACE, SEND), None, 10.0, (11.0, 12.0, "asya-ocr", 9))
    call, send = call_spans(trail, "read_page", "e1", "sqs", problem="no broker", end_s=13.0)
    assert (call.parent_id, call.failure, send.failure) == (None, "no broker", "no broker")
