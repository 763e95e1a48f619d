"""Trace context in headers: what is read, what is written, what broken values do."""

import pytest

from asya_protocol.trace import (
    TraceContext,
    TraceNote,
    next_traceparent,
    read_note,
    read_traceparent,
    trace_link,
)

TRACE, SPAN, OTHER = "a" * 32, "b" * 16, "c" * 16


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_the_sampled_flag_is_one_bit(flags: str, sampled: bool) -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-{flags}") == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize("broken", [None, 3, "", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", "00-x-y-01"])
def test_broken_headers_are_none(broken: object) -> None:
    assert read_traceparent(broken) is None


def test_a_trace_goes_on_with_its_flags_and_begins_with_ours() -> None:
    assert next_traceparent(f"00-{TRACE}-{SPAN}-00", trace_id="d" * 32, span_id=OTHER) == f"00-{TRACE}-{OTHER}-00"
    assert next_traceparent(None, trace_id=TRACE, span_id=SPAN, sampled=False) == f"00-{TRACE}-{SPAN}-00"


def test_a_note_is_read_as_it_was_written() -> None:
    note = TraceNote(SPAN, 1700000000.5)
    assert read_note({"x-asya-trace": note.as_json()}) == note
    assert read_note({"x-asya-trace": TraceNote(SPAN).as_json()}) == TraceNote(SPAN)


@pytest.mark.parametrize(
    "value", [None, "text", {}, {"root": 1}, {"root": "0" * 16}, {"root": "zz"}, [], {"sent": 1.0}]
)
def test_a_note_that_cannot_be_used_is_none(value: object) -> None:
    assert read_note({"x-asya-trace": value}) is None


@pytest.mark.parametrize("sent", ["now", True, -1, None])
def test_a_moment_that_cannot_be_used_is_unknown(sent: object) -> None:
    assert read_note({"x-asya-trace": {"root": SPAN, "sent": sent}}) == TraceNote(SPAN)


def test_a_link_needs_a_template_and_a_trace() -> None:
    assert trace_link("https://t/{trace_id}?x", TRACE) == f"https://t/{TRACE}?x"
    assert trace_link(None, TRACE) is None
    assert trace_link("https://t/{trace_id}", None) is None
