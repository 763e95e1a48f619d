"""What is read in one go reads like what is read field by field: values, and the words of every refusal."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from asya_protocol import envelope, reply
from asya_protocol.envelope import parse_envelope
from asya_protocol.errors import EnvelopeError, ReplyError
from asya_protocol.reply import parse_reply

GOOD: dict[str, Any] = {"id": "e", "route": {"actors": ["a", "b"], "current": 1}, "payload": {"x": [1.5, None]}}
CHANGES: list[dict[str, Any]] = [
    {},
    {"id": ""},
    {"id": 7},
    {"id": None},
    {"payload": None},
    {"parent_id": "p"},
    {"parent_id": ""},
    {"parent_id": None},
    {"parent_id": 3},
    {"headers": {"a": {"b": 1}, "trace": "t"}},
    {"headers": None},
    {"headers": []},
    {"headers": {"big": 2**70}},
    {"deadline": "2026-01-02T03:04:05Z"},
    {"deadline": "2026-01-02T03:04:05+02:00"},
    {"deadline": "0001-01-01T00:00:00Z"},
    {"deadline": ""},
    {"deadline": None},
    {"deadline": "soon"},
    {"deadline": 5},
    {"unknown": [1]},
    {"route": None},
    {"route": []},
    {"route": {}},
    {"route": {"actors": []}},
    {"route": {"actors": ["a"]}},
    {"route": {"actors": ["a", ""]}},
    {"route": {"actors": ["a", 1]}},
    {"route": {"actors": "a"}},
    {"route": {"actors": ["a"], "current": None}},
    {"route": {"actors": ["a"], "current": True}},
    {"route": {"actors": ["a"], "current": 0.0}},
    {"route": {"actors": ["a"], "current": 1}},
    {"route": {"actors": ["a"], "current": 2}},
    {"route": {"actors": ["a"], "current": -1}},
    {"route": {"actors": ["a"], "current": 2**70}},
    {"route": {"actors": ["a"], "metadata": {"m": 1}}},
]
BODIES = [
    *(json.dumps({**GOOD, **change}).encode() for change in CHANGES),
    b"",
    b"{",
    b"null",
    b"[1]",
    b"\xff",
    b"\xef\xbb\xbf{}",
    json.dumps(GOOD).encode() + b" x",
    b'{"id":"e","id":"f","route":{"actors":["a"]},"payload":1,"payload":2}',
    b'{"id":"e","route":{"actors":["a"]},"payload":NaN}',
    b'{"id":"e","route":{"actors":["a"]},"payload":"\\ud800"}',
    b'{"id":"\\ud800","route":{"actors":["a"]},"payload":1}',
    b'{"id":"e","route":{"actors":["a"]},"payload":' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'{"id":"e","route":{"actors":["a"]}}',
]


class Never:
    """A decoder that reads nothing."""

    def decode(self, _: bytes) -> object:
        raise msgspec.DecodeError("never")


def outcome(parse: Callable[[bytes], object], body: bytes) -> tuple[object, str]:
    try:
        return parse(body), ""
    except (EnvelopeError, ReplyError) as exc:
        return type(exc), str(exc)


@pytest.mark.parametrize("body", BODIES)
def test_an_envelope_reads_the_same_either_way(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = outcome(parse_envelope, body)
    monkeypatch.setattr(envelope, "_PLAIN", Never())
    assert outcome(parse_envelope, body) == plain


@pytest.mark.parametrize("body", [*BODIES, b'{"id":"e","error":"processing_error"}', b'{"headers":{},"payload":1}'])
def test_a_reply_reads_the_same_either_way(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = (b"[" + body + b"]", b"[" + body + b"," + body + b"]", b'{"more":[' + body + b"]}", body)
    plain = [outcome(parse_reply, frame) for frame in frames]
    monkeypatch.setattr(reply, "_PLAIN", Never())
    assert [outcome(parse_reply, frame) for frame in frames] == plain
