"""What a delivery went through, and the spans that come of it."""

import msgspec
import pytest

from asya_protocol.envelope import Envelope, Route
from asya_protocol.trace import TraceContext
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, RetryLater, Settlement
from asya_sidecar.core.trail import Place, Sent, Subject, Trail, begin_trail, hop_spans, share_call

TRACE, ROOT, BEFORE, OWN = "a" * 32, "b" * 16, "c" * 16, "d" * 16
PLACE = Place("ocr", "asya-ocr", "sqs")
ENVELOPE = Envelope("e1-2", Route(("ocr", "translate"), 0), msgspec.Raw(b"1"), parent_id="e1")
HEADERS: dict[str, object] = {"traceparent": f"00-{TRACE}-{BEFORE}-01", "x-asya-trace": {"root": ROOT, "sent": 90.0}}


def begun(headers: dict[str, object], sampled: bool = True) -> Trail:
    trail = begin_trail(headers, lambda: ("f" * 32, OWN), lambda *_: sampled, received_s=100.0, taken_s=101.0)
    assert trail is not None
    return trail


def test_a_hop_goes_on_with_the_trace_below_its_root_and_after_the_hop_before() -> None:
    trail = begun(HEADERS)
    assert trail.context == TraceContext(TRACE, OWN)
    assert (trail.root_id, trail.previous, trail.sent_s) == (ROOT, TraceContext(TRACE, BEFORE), 90.0)


def test_what_comes_without_a_note_is_below_the_span_that_sent_it() -> None:
    trail = begun({"traceparent": f"00-{TRACE}-{BEFORE}-01"})
    assert (trail.root_id, trail.sent_s) == (BEFORE, None)


def test_what_comes_without_a_trace_begins_one() -> None:
    trail = begun({"x-asya-trace": {"root": ROOT, "sent": 90.0}})
    assert trail.context == TraceContext("f" * 32, OWN)
    assert (trail.root_id, trail.previous, trail.sent_s) == (None, None, None)


def test_what_is_not_sampled_is_not_recorded() -> None:
    assert begin_trail(HEADERS, lambda: ("f" * 32, OWN), lambda *_: False, received_s=1.0, taken_s=1.0) is None


def test_a_trace_that_begins_unrecorded_has_the_id_that_decided_it() -> None:
    """The next hop must find it in the header that it is not recorded."""
    asked: list[str] = []

    def no(trace_id: str, _came: TraceContext | None) -> bool:
        asked.append(trace_id)
        return False

    trail = begin_trail({}, lambda: ("f" * 32, OWN), no, received_s=1.0, taken_s=1.0)
    assert trail is not None
    assert (trail.context, asked) == (TraceContext("f" * 32, OWN, sampled=False), ["f" * 32])
    assert not trail.recorded


def test_a_hop_in_full() -> None:
    trail = begun(HEADERS)
    trail.called, trail.settling = (101.5, 104.0), (104.2, 104.3)
    trail.sends.append(Sent("asya-translate", 70, 104.0, 104.1))
    found = hop_spans(trail, PLACE, Subject(ENVELOPE, 2, 1), Decision(Ack(), "success"), 104.4)
    assert [(span.name, span.parent_id, span.start_s, span.end_s, span.kind) for span in found] == [
        ("process asya-ocr", ROOT, 100.0, 104.4, "consumer"),
        ("receive asya-ocr", OWN, 100.0, 101.0, "client"),
        ("wait asya-ocr", ROOT, 90.0, 100.0, "internal"),
        ("handle ocr", OWN, 101.5, 104.0, "internal"),
        ("ack asya-ocr", OWN, 104.2, 104.3, "client"),
        ("send asya-translate", OWN, 104.0, 104.1, "producer"),
    ]
    assert {span.context.trace_id for span in found} == {TRACE}
    assert len({span.context.span_id for span in found}) == len(found)
    hop = found[0]
    assert hop.links == (TraceContext(TRACE, BEFORE),)
    assert hop.attributes["asya.attempt"] == 2
    assert hop.attributes["asya.hop"] == 0
    assert hop.attributes["asya.parent_id"] == "e1"
    assert hop.attributes["messaging.message.id"] == "e1-2"
    assert hop.failure == ""


@pytest.mark.parametrize(
    ("settlement", "name"),
    [(Ack(), "ack"), (RetryLater(b"", 1.0), "retry"), (Release(), "release"), (DeadLetter("no"), "dead_letter")],
)
def test_every_settlement_has_its_name(settlement: Settlement, name: str) -> None:
    trail = begun(HEADERS)
    trail.settling = (1.0, 2.0)
    done = Decision(settlement, "x", failed_reason="runtime_error", cause="broke")
    found = hop_spans(trail, PLACE, Subject(None), done, 3.0)
    assert f"{name} asya-ocr" in [span.name for span in found]
    assert (found[0].failure, found[0].attributes["error.type"]) == ("broke", "runtime_error")


def test_the_first_hop_needs_no_link_to_its_own_root() -> None:
    trail = begun({"traceparent": f"00-{TRACE}-{ROOT}-01"})
    (hop, *_) = hop_spans(trail, PLACE, Subject(ENVELOPE), Decision(Ack(), "success"), 104.4)
    assert (hop.parent_id, hop.links) == (ROOT, ())


def test_hops_of_a_batch_are_linked_to_each_other() -> None:
    own = [TraceContext(digit * 32, digit * 16) for digit in "123"]
    trails = [Trail(context, None, None, None, 0.0, 0.0) for context in own]
    share_call(trails)
    first, second, third = trails
    assert first.call_links == (second.context, third.context)
    assert second.call_links == third.call_links == (first.context,)


def test_what_was_joined_links_to_what_it_was_made_of() -> None:
    trail = begun(HEADERS)
    trail.sends.append(
        Sent("asya-total", 7, 1.0, 2.0, (f"00-{TRACE}-{'1' * 16}-01", "broken", f"00-{TRACE}-{'2' * 16}-01"))
    )
    *_, send = hop_spans(trail, PLACE, Subject(ENVELOPE), Decision(Ack(), "success"), 3.0)
    assert [link.span_id for link in send.links] == ["1" * 16, "2" * 16]


def test_clocks_that_differ_make_no_negative_wait() -> None:
    trail = begun({**HEADERS, "x-asya-trace": {"root": ROOT, "sent": 500.0}})
    wait = next(
        span
        for span in hop_spans(trail, PLACE, Subject(ENVELOPE), Decision(Ack(), "success"), 104.4)
        if span.name.startswith("wait")
    )
    assert (wait.start_s, wait.end_s) == (100.0, 100.0)
