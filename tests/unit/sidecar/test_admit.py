"""What is run, and what is refused before any handler sees it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from asya_protocol.acceptance import Acceptance
from asya_protocol.envelope import format_time
from asya_sidecar.core.actions import Ack, Decision
from asya_sidecar.core.admit import Hop, Work, admit, in_time
from asya_sidecar.core.build import count_of
from tests.unit.sidecar.samples import NOW, MakeWork, envelope_bytes, sent

REFUSED = [
    (b"", "parse_error", "Failed to parse message: envelope is empty (0 bytes)"),
    (b"not json", "parse_error", "Failed to parse message: envelope is not JSON"),
    (b"[1]", "parse_error", "Failed to parse message: envelope is JSON but not an object"),
    (b'{"id":"x","payload":NaN}', "parse_error", "NaN is not a JSON number"),
    (b'{"id":"x","payload":"\\ud800"}', "parse_error", "lone surrogate"),
    (b'{"id":"x","payload":"\xff"}', "parse_error", "not UTF-8"),
    (b"[" * 100_000, "parse_error", "Failed to parse message"),
    (b'{"id":"x","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "parse_error", "nested too deeply"),
    (envelope_bytes(id=...), "validation_error", "Envelope missing required 'id' field"),
    (envelope_bytes(id=""), "validation_error", "Envelope missing required 'id' field"),
    (envelope_bytes(id=7), "validation_error", "Field 'id' must be a string"),
    (envelope_bytes(route=...), "validation_error", "Missing required field 'route' in envelope"),
    (envelope_bytes(payload=...), "validation_error", "Missing required field 'payload' in envelope"),
    (envelope_bytes(route={"actors": []}), "validation_error", "cannot be empty"),
    (envelope_bytes(route={"actors": ["ocr"], "current": 2}), "validation_error", "Invalid route.current=2"),
    (envelope_bytes(route={"actors": ["ocr"], "current": -1}), "validation_error", "Invalid route.current=-1"),
    (envelope_bytes(route={"actors": ["ocr"], "current": True}), "validation_error", "must be an integer"),
    (envelope_bytes(headers=[1]), "validation_error", "Field 'headers' must be a dict"),
    (envelope_bytes(deadline="soon"), "validation_error", "Field 'deadline' must be an RFC 3339 time"),
    (
        envelope_bytes(route={"actors": ["other"]}),
        "route_mismatch",
        "Route mismatch: message routed to wrong actor (expected: ocr, actual: other)",
    ),
    (envelope_bytes(route={"actors": ["ocr"], "current": 1}), "route_mismatch", "(expected: ocr, actual: )"),
]


@pytest.mark.parametrize(("body", "reason", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_run_goes_to_error_end_with_a_reason(body: bytes, reason: str, text: str, hop: Hop) -> None:
    """Every refusal is one parsable error envelope and an acknowledgement."""
    decision = admit(body, hop, NOW)
    assert isinstance(decision, Decision)
    assert decision.settlement == Ack()
    assert decision.failed_reason == reason
    (send,) = decision.sends
    assert (send.actor, send.kind) == ("error-end", "error_end")
    payload = sent(send.body)["payload"]
    assert isinstance(payload, dict)
    assert text in payload["error"]


def test_bytes_that_are_no_envelope_are_kept_in_the_error_envelope(hop: Hop) -> None:
    """The producer's bytes survive, as text or base64, under an id made of their digest."""
    text = admit(b"not json", hop, NOW)
    binary = admit(b"\xff\xfe", hop, NOW)
    assert isinstance(text, Decision)
    assert isinstance(binary, Decision)
    first, second = sent(text.sends[0].body), sent(binary.sends[0].body)
    assert first["payload"]["original_body"] == "not json"
    assert second["payload"]["original_body_base64"] == "//4="
    assert str(first["id"]).startswith("unparsed-")
    assert first["id"] != second["id"]
    assert admit(b"not json", hop, NOW) == text


def test_an_absent_current_means_the_first_actor(hop: Hop) -> None:
    """A producer may leave `route.current` out."""
    work = admit(envelope_bytes(), hop, NOW)
    assert isinstance(work, Work)
    assert work.envelope.route.current == 0
    assert work.timeout_s == 60.0


def test_a_hundred_levels_of_nesting_are_fine(hop: Hop) -> None:
    """Depth is only refused where a parser would break."""
    nested = json.loads("[" * 100 + "]" * 100)
    assert isinstance(admit(envelope_bytes(payload=nested), hop, NOW), Work)


def test_a_passed_deadline_is_never_run(hop: Hop) -> None:
    """Nobody waits for the result any more."""
    decision = admit(envelope_bytes(deadline=format_time(NOW - timedelta(seconds=3))), hop, NOW)
    assert isinstance(decision, Decision)
    assert decision.failed_reason == "deadline"
    assert "Deadline exceeded 3.0s before" in decision.cause


def test_a_near_deadline_shortens_the_handlers_limit(hop: Hop) -> None:
    """The limit is the nearer of the actor's timeout and the deadline."""
    near = admit(envelope_bytes(deadline=format_time(NOW + timedelta(seconds=5))), hop, NOW)
    far = admit(envelope_bytes(deadline=format_time(NOW + timedelta(hours=5))), hop, NOW)
    assert isinstance(near, Work)
    assert isinstance(far, Work)
    assert (near.timeout_s, near.deadline_bound) == (5.0, True)
    assert (far.timeout_s, far.deadline_bound) == (60.0, False)


def test_error_end_never_sends_a_broken_envelope_to_itself() -> None:
    """It persists it instead: Asya 0.1.1 grew such a message for ever."""
    work = admit(b"not json", Hop(actor="error-end", is_end_actor=True), NOW)
    assert isinstance(work, Work)
    assert json.loads(work.body)["payload"]["original_body"] == "not json"


def test_happy_end_passes_a_broken_envelope_to_error_end() -> None:
    """A result without an id is a failure that error-end keeps."""
    decision = admit(b"{}", Hop(actor="happy-end", is_end_actor=True), NOW)
    assert isinstance(decision, Decision)
    assert decision.sends[0].actor == "error-end"


def test_an_end_actor_takes_a_broken_route() -> None:
    """Asya 0.1.1 never checked routes there."""
    work = admit(
        b'{"id":"x","route":5,"payload":1,"headers":{"x-asya-attempt":3}}', Hop("happy-end", is_end_actor=True), NOW
    )
    assert isinstance(work, Work)
    assert (work.envelope.id, work.attempt) == ("x", 3)


@pytest.mark.parametrize(
    ("value", "count"), [(3, 3), ("4", 4), (0, 1), (-2, 1), (True, 1), ("x", 1), (None, 1), (2.5, 1), ("9" * 30, 1)]
)
def test_a_counter_header_that_is_no_count_reads_as_one(value: object, count: int) -> None:
    """Producers can write anything into headers."""
    assert count_of({"n": value}, "n") == count


def test_a_renamed_error_end_is_honoured(hop: Hop) -> None:
    """`ASYA_ACTOR_ERROR_END` also names the fallback route; Asya 0.1.1 wrote a literal."""
    decision = admit(b"x", replace(hop, error_end="sink"), NOW)
    assert isinstance(decision, Decision)
    assert decision.sends[0].actor == "sink"
    assert sent(decision.sends[0].body)["route"] == {"actors": ["sink"], "current": 0}


def test_time_that_has_passed_since_its_admission_counts(make_work: MakeWork, hop: Hop) -> None:
    """A neighbour's call ran first."""
    work = make_work(deadline=format_time(NOW + timedelta(seconds=30)))
    assert (work.timeout_s, work.deadline_bound) == (30.0, True)
    later = in_time(work, hop, NOW + timedelta(seconds=20))
    assert isinstance(later, Work)
    assert (later.timeout_s, later.deadline_bound) == (10.0, True)
    late = in_time(work, hop, NOW + timedelta(seconds=31))
    assert isinstance(late, Decision)
    assert late.failed_reason == "deadline"
    assert in_time(make_work(), hop, NOW) == make_work()


def test_an_edge_actor_sends_nobody_where_it_was_not_told(hop: Hop) -> None:
    """A producer's route leads no further than the actor's manifest says, and runs nothing else."""
    edge = replace(hop, accepts=Acceptance(routes=(("ocr", "next"),)))
    taken = admit(envelope_bytes(route={"actors": ["ocr", "next"]}), edge, NOW)
    assert isinstance(taken, Work)
    refused = admit(envelope_bytes(route={"actors": ["ocr", "billing"]}), edge, NOW)
    assert isinstance(refused, Decision)
    assert (refused.failed_reason, refused.settlement) == ("not_accepted", Ack())
    assert (
        "Route not accepted: ocr takes ocr -> next, and not ocr -> billing"
        in sent(refused.sends[0].body)["payload"]["error"]
    )


def test_what_the_handler_gets_has_the_route_that_the_edge_fixed(hop: Hop) -> None:
    edge = replace(hop, accepts=Acceptance(routes=(("ocr", "next"),), other_routes="replace"))
    taken = admit(
        envelope_bytes(route={"actors": ["ocr", "billing"]}, headers={"x-asya-fan-in": {"g": 1}, "k": 1}), edge, NOW
    )
    assert isinstance(taken, Work)
    document = json.loads(taken.body)
    assert (document["route"]["actors"], document["headers"]) == (["ocr", "next"], {"k": 1})
