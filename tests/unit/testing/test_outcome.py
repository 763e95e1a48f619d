"""What an outcome tells, and in what order."""

import json
import re

import pytest

from asya.testing import EnvelopesFailed, Failure, NotOneResult, Outcome, Result
from asya.testing.outcome import make_outcome, read_dead_letter, read_error, read_result


def result(payload: object, envelope_id: str = "r") -> Result:
    return Result(payload, {}, ("a",), envelope_id)


def error_envelope(payload: object) -> bytes:
    document = {"id": "r-1", "parent_id": "r", "route": {"actors": ["a", "b"], "current": 1}, "payload": payload}
    return json.dumps(document).encode()


def test_results_come_in_the_order_of_their_fan_out():
    ids = ["r-10", "r", "r-2", "r-2-1", "r-1"]
    outcome = make_outcome([result(envelope_id, envelope_id) for envelope_id in ids], [])
    assert outcome.payloads == ["r", "r-1", "r-2", "r-2-1", "r-10"]


def test_two_fan_outs_in_a_row_have_one_order_too():
    payloads = [{"n": 2}, {"n": 1}, None]
    assert make_outcome(map(result, payloads), []) == make_outcome(map(result, reversed(payloads)), [])


def test_one_result_has_one_payload():
    assert Outcome([result({"n": 1})]).payload == {"n": 1}


@pytest.mark.parametrize("results", [[], [result(1), result(2)]])
def test_none_or_several_have_not(results):
    with pytest.raises(NotOneResult, match=f"{len(results)} results, not one"):
        _ = Outcome(results).payload


def test_a_failure_is_told_with_its_traceback_where_a_result_was_expected():
    outcome = Outcome([], [Failure("ocr", "ValueError", "no page", "Traceback ...")])
    with pytest.raises(
        EnvelopesFailed, match=re.escape("1 failed, 0 did not\nocr: ValueError: no page\nTraceback ...")
    ):
        _ = outcome.payload


def test_without_failures_an_outcome_can_be_read_on():
    assert Outcome([result(1)]).raise_for_errors().payloads == [1]


def test_a_handlers_error_is_read_with_its_traceback():
    details = {"message": "", "type": "ValueError", "traceback": "Traceback ..."}
    failure = read_error(
        error_envelope({"error": "processing_error", "details": details, "original_payload": {"n": 1}})
    )
    assert failure == Failure("b", "ValueError", "", "Traceback ...", {"n": 1}, id="r-1")


def test_the_meshs_own_error_has_its_reason_only():
    failure = read_error(error_envelope({"error": "Deadline exceeded", "original_payload": 7}))
    assert failure == Failure("b", "", "Deadline exceeded", payload=7, id="r-1")


@pytest.mark.parametrize("payload", [{"n": 1}, "text", None, {"error": "x", "details": "y"}])
def test_whatever_a_handler_sends_to_error_end_is_an_error(payload):
    assert read_error(error_envelope(payload)).id == "r-1"
    assert read_error(b"no envelope").message.startswith("envelope is not JSON")


def test_a_dead_letter_keeps_its_payload():
    assert read_dead_letter("b", error_envelope({"n": 1}), "crashed") == Failure(
        "b", "", "crashed", payload={"n": 1}, dead_letter=True, id="r-1"
    )
    assert read_dead_letter("b", b"no envelope", "crashed").message == "crashed"
    assert str(read_dead_letter("b", b"", "crashed")) == "dead letter of b: crashed"


def test_a_result_keeps_route_and_headers():
    body = json.dumps(
        {"id": "r", "route": {"actors": ["a"], "current": 1}, "headers": {"t": 1}, "payload": [1]}
    ).encode()
    assert read_result(body) == Result([1], {"t": 1}, ("a",), "r")
