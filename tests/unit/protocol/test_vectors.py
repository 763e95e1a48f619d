"""asya_protocol, its documentation page and the pins, held to the golden vectors."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asya_protocol import errors
from asya_protocol.envelope import format_time, parse_envelope
from asya_protocol.errors import FrameError, ReplyError
from asya_protocol.framing import MAX_FRAME_BYTES, FrameDecoder, decode_length, encode_frame
from asya_protocol.reply import parse_reply
from tests.support.vectors import body_of, load, named

ROOT = Path(__file__).resolve().parents[3]
FRAMING = load("framing.json")
ENVELOPES = load("envelope.json")["cases"]
REPLIES = load("reply.json")
GOOD = [case for case in ENVELOPES if "envelope" in case]
BAD = [case for case in ENVELOPES if "error" in case]


@pytest.mark.parametrize("case", named(FRAMING["frames"]))
def test_a_body_is_framed_as_pinned(case: dict[str, Any]) -> None:
    assert encode_frame(bytes.fromhex(case["body_hex"])).hex() == case["frame_hex"]


@pytest.mark.parametrize("case", named(FRAMING["streams"]))
def test_a_stream_is_cut_into_its_bodies(case: dict[str, Any]) -> None:
    decoder = FrameDecoder()
    bodies = [body.hex() for piece in case["pieces_hex"] for body in decoder.feed(bytes.fromhex(piece))]
    assert bodies == case["bodies_hex"]
    if case["cut"]:
        with pytest.raises(FrameError, match="ended inside a frame"):
            decoder.close()
    else:
        decoder.close()


@pytest.mark.parametrize("case", named(FRAMING["refused"]))
def test_a_length_over_the_limit_is_refused(case: dict[str, Any]) -> None:
    assert FRAMING["limit_bytes"] == MAX_FRAME_BYTES
    with pytest.raises(FrameError, match="over the limit"):
        decode_length(bytes.fromhex(case["header_hex"]))


@pytest.mark.parametrize("case", named(GOOD))
def test_an_envelope_is_read_as_pinned(case: dict[str, Any]) -> None:
    wanted = case["envelope"]
    envelope = parse_envelope(body_of(case))
    got = {
        "id": envelope.id,
        "actors": list(envelope.route.actors),
        "current": envelope.route.current,
        "headers": dict(envelope.headers),
        "parent_id": envelope.parent_id,
        "deadline": None if envelope.deadline is None else format_time(envelope.deadline),
        "extra": {name: json.loads(bytes(value)) for name, value in envelope.extra.items()},
        "route_extra": {name: json.loads(bytes(value)) for name, value in envelope.route.extra.items()},
    }
    if "payload" in wanted:
        got["payload"] = json.loads(bytes(envelope.payload))
    defaults: dict[str, Any] = {"headers": {}, "parent_id": None, "deadline": None, "extra": {}, "route_extra": {}}
    assert got == {**defaults, **wanted}


@pytest.mark.parametrize("case", named(GOOD))
def test_an_envelope_survives_being_written_and_read_again(case: dict[str, Any]) -> None:
    envelope = parse_envelope(body_of(case))
    assert parse_envelope(envelope.dump()) == envelope


@pytest.mark.parametrize("case", named(BAD))
def test_what_is_no_envelope_is_refused_with_its_reason(case: dict[str, Any]) -> None:
    kind: type[Exception] = getattr(errors, case["error"]["class"])
    with pytest.raises(kind, match=f"^{re.escape(case['error']['text'])}") as caught:
        parse_envelope(body_of(case))
    assert type(caught.value) is kind


@pytest.mark.parametrize("case", named(REPLIES["cases"]))
def test_a_reply_is_read_as_pinned(case: dict[str, Any]) -> None:
    reply = parse_reply(case["frame"].encode())
    items = []
    for item in reply.items:
        got: dict[str, Any] = {"payload": json.loads(bytes(item.payload))}
        if item.route is not None:
            got |= {"actors": list(item.route.actors), "current": item.route.current}
        if item.headers is not None:
            got["headers"] = dict(item.headers)
        items.append(got)
    error = reply.error
    fields = ("code", "message", "type", "traceback")
    got_error = None if error is None else {**{name: getattr(error, name) for name in fields}, "mro": list(error.mro)}
    assert (items, got_error, reply.final) == (case["items"], case.get("error"), case["final"])
    pieces = [json.loads(bytes(piece)) for piece in reply.pieces]
    assert (pieces, reply.first) == (case.get("pieces", []), case.get("first", 0))


@pytest.mark.parametrize("case", named(REPLIES["refused"]))
def test_what_is_no_reply_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ReplyError, match=r"^failed to parse runtime response"):
        parse_reply(case["frame"].encode())


@pytest.mark.parametrize("case", named(load("runtime.json")["cases"]))
def test_every_answer_of_the_runtime_is_a_reply(case: dict[str, Any]) -> None:
    items = case["items"]
    reply = None
    try:
        reply = parse_reply(json.dumps(items).encode())
    except ReplyError:
        assert not all(isinstance(item, dict) for item in items)
    if reply is not None:
        assert len(reply.items) + (reply.error is not None) == len(items)


def test_the_page_about_the_protocol_shows_an_envelope_of_the_vectors() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    example = re.search(r"```json\n(.*?)\n```", page, re.DOTALL)
    assert example is not None
    (case,) = [case for case in ENVELOPES if case["name"] == "example of docs/protocol.md"]
    assert json.loads(example[1]) == json.loads(case["body"])


def test_the_vectors_are_the_pinned_ones() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_vectors.py"], capture_output=True, text=True, timeout=240, check=False
    )
    assert (check.returncode, check.stdout) == (0, "")
