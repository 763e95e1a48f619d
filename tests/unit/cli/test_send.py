"""``asya send``: from words on a command line to an envelope that the mesh accepts."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest

from asya_cli.exit_codes import BadRequest
from asya_cli.send import build_envelope, read_headers, read_moment, read_payload
from asya_protocol.envelope import Envelope, parse_envelope
from asya_protocol.errors import InvalidEnvelope

DEADLINE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def build(*actors: str, payload: bytes = b"{}", **changes) -> Envelope:
    settings = {"envelope_id": "e1", "headers": {}, "deadline": None} | changes
    return build_envelope(actors, payload, **settings)


def test_an_envelope_starts_at_the_first_actor_with_the_payload_as_typed():
    envelope = build("ocr", "translate", payload=b'{"page": 1.50}')
    assert (envelope.id, envelope.route.actors, envelope.route.actor) == ("e1", ("ocr", "translate"), "ocr")
    assert bytes(envelope.payload) == b'{"page": 1.50}'
    assert parse_envelope(envelope.dump()) == envelope


def test_an_envelope_starts_a_trace():
    first, second = build("ocr"), build("ocr")
    assert str(first.headers["traceparent"]).startswith("00-")
    assert first.headers["traceparent"] != second.headers["traceparent"]


def test_a_given_trace_is_continued():
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    continued = str(build("ocr", headers={"traceparent": given}).headers["traceparent"])
    assert continued != given
    assert continued.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


def test_a_deadline_is_carried():
    assert json.loads(build("ocr", deadline=DEADLINE).dump())["deadline"] == "2026-01-02T03:04:05Z"


def test_a_moment_is_carried_and_what_cannot_be_is_named_by_its_option():
    at = read_moment(1200.0, None, DEADLINE)
    assert build("ocr", not_before=at).headers["x-asya-not-before"] == "2026-01-02T03:24:05Z"
    assert read_moment(None, "2026-01-02T04:00:00+01:00", DEADLINE) is None
    with pytest.raises(BadRequest, match=r"--at must be a time with its zone .* has no zone"):
        read_moment(None, "2026-01-02T04:00:00", DEADLINE)
    with pytest.raises(BadRequest, match="--in is a wait of 200h0m0s, longer than the 168h0m0s"):
        read_moment(720_000.0, None, DEADLINE)


@pytest.mark.parametrize("end", ["happy-end", "error-end"])
def test_an_end_actor_is_refused_in_a_route(end):
    with pytest.raises(BadRequest, match=f"'{end}' cannot be part of a route"):
        build("ocr", end)


def test_an_empty_actor_name_is_refused():
    with pytest.raises(InvalidEnvelope, match=r"route\.actors"):
        build("")


@pytest.mark.parametrize("text", ["null", "3", '"text"', '{"a": [1, 2]}', "  {}\n"])
def test_any_json_value_is_a_payload(text):
    assert read_payload(text) == text.strip().encode()


@pytest.mark.parametrize("text", ["", "{who: you}", "NaN", "{", '"\\ud800"', "@/nowhere/at/all.json"])
def test_a_payload_that_cannot_be_used_is_refused_with_a_reason(text):
    with pytest.raises(BadRequest, match=r"the payload (is not JSON|cannot be read): .+"):
        read_payload(text)


def test_a_payload_is_read_from_a_file(tmp_path):
    (tmp_path / "payload.json").write_text('{"who": "file"}\n')
    assert read_payload(f"@{tmp_path}/payload.json") == b'{"who": "file"}'


def test_a_payload_is_read_from_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"who": "pipe"}')))
    assert read_payload("-") == b'{"who": "pipe"}'


def test_headers_are_text_and_may_hold_equals_signs():
    assert read_headers(["tenant=blue", "filter=a=b"]) == {"tenant": "blue", "filter": "a=b"}


@pytest.mark.parametrize("pair", ["tenant", "=blue", "x-asya-attempt=7", "X-Asya-Delivery=1"])
def test_a_header_that_cannot_be_used_is_refused(pair):
    with pytest.raises(BadRequest, match="--header"):
        read_headers([pair])
