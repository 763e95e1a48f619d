"""What strangers send is read or refused in our own words, never answered with an error that nobody foresaw.

Each target gets documents that are nearly right: a valid one in which something was put in place of a part. How many, says
ASYA_FUZZ_EXAMPLES; `make fuzz` tries many more. Every input is data that a test makes up by itself.
"""

import copy
import json
import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from asya_gateway.tools.arguments import InvalidArguments, complete
from asya_manifest.actor import parse_actor
from asya_manifest.errors import InvalidActor
from asya_manifest.tools import Tool, parse_tools
from asya_protocol.claim import read_claim
from asya_protocol.envelope import ancestors, origin_mark, parse_envelope
from asya_protocol.errors import EnvelopeError, FrameError, ReplyError
from asya_protocol.framing import FrameDecoder
from asya_protocol.reply import parse_reply
from asya_protocol.reports import BatchBody, ChildBody, FinalBody, ProgressBody
from asya_transport.rabbitmq.headers import read_attributes, read_delivery_count
from asya_transport.sqs.body import decode

EXAMPLES = int(os.environ.get("ASYA_FUZZ_EXAMPLES", "500"))
fuzzed = settings(max_examples=EXAMPLES)

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything: SearchStrategy[Any] = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(place for key, part in steps for place in places(part, (*at, key)))]


def spoiled(document: Any) -> SearchStrategy[Any]:
    """The document with up to three of its parts replaced, removed, or joined by one more."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> Any:
        made = copy.deepcopy(document)
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.sampled_from(places(made)))
            if not place:
                made = draw(anything)
                continue
            owner = made
            for step in place[:-1]:
                owner = owner[step]
            how = draw(st.sampled_from(("replace", "remove", "add")))
            if how == "remove":
                del owner[place[-1]]
            elif how == "add" and isinstance(owner, dict):
                owner[draw(st.text(max_size=12))] = draw(anything)
            else:
                owner[place[-1]] = draw(anything)
        return made

    return draw_one()


def as_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


ENVELOPE = {
    "id": "e-1",
    "parent_id": "e",
    "route": {"actors": ["a", "b", "c"], "current": 1},
    "headers": {
        "trace_id": "t",
        "x-asya-lineage": [0, 2],
        "x-asya-claim": {"key": "claims/e-1/x", "bytes": 7, "sha256": "00"},
        "x-asya-mark": "m",
    },
    "payload": {"n": [1, 2, {"deep": None}]},
    "deadline": "2026-11-30T12:00:00Z",
    "status": {"phase": "processing"},
}


@fuzzed
@given(spoiled(ENVELOPE).map(as_bytes) | st.binary(max_size=200))
def test_an_envelope(body: bytes) -> None:
    try:
        envelope = parse_envelope(body)
        ancestors(envelope)
        origin_mark(envelope.headers)
        read_claim(envelope.headers, envelope.id)
    except EnvelopeError as exc:
        assert str(exc)
        return
    assert envelope.id
    assert 0 <= envelope.route.current <= len(envelope.route.actors)


@fuzzed
@given(st.lists(st.binary(max_size=64), max_size=6))
def test_what_a_runtime_frames(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    try:
        for piece in pieces:
            for frame in decoder.feed(piece):
                assert isinstance(frame, bytes)
        decoder.close()
    except FrameError as exc:
        assert str(exc)


REPLY = [
    {"payload": {"a": 1}, "route": {"actors": ["a", "b"], "current": 1}, "headers": {"k": "v"}},
    {
        "error": "processing_error",
        "details": {"message": "m", "type": "ValueError", "traceback": "t", "retry_after": 2},
    },
]


@fuzzed
@given(spoiled(REPLY).map(as_bytes) | st.binary(max_size=200))
def test_a_reply_of_a_runtime(frame: bytes) -> None:
    try:
        parse_reply(frame)
    except (ReplyError, EnvelopeError) as exc:
        assert str(exc)


@fuzzed
@given(
    st.dictionaries(
        st.text(max_size=20) | st.sampled_from(["x-delivery-count", "x-acquired-count", "x-death", "message-id"]),
        anything | st.binary(max_size=20),
        max_size=6,
    ),
    st.booleans(),
)
def test_the_headers_of_a_delivery(headers: dict[str, Any], redelivered: bool) -> None:
    assert read_delivery_count(headers, redelivered=redelivered) >= 1
    assert all(isinstance(value, str) for value in read_attributes(headers).values())


@fuzzed
@given(
    st.text(max_size=60),
    st.dictionaries(
        st.text(max_size=10) | st.just("x-asya-encoding"),
        st.fixed_dictionaries({"DataType": st.just("String"), "StringValue": st.text(max_size=10) | st.just("base64")}),
        max_size=4,
    ),
)
def test_a_body_from_sqs(text: str, attributes: Any) -> None:
    body, _ = decode(text, attributes)
    assert isinstance(body, bytes)


TOOLS = """
tools:
- name: read
  route: [a]
  parameters:
    pages: {type: array, items: {type: object, properties: {n: {type: integer}}}, required: true}
    mode: {type: string, options: [fast, slow], default: fast}
    ratio: {type: number}
    more: {type: object}
"""


@pytest.fixture(scope="module")
def tool() -> Tool:
    return next(iter(parse_tools([("tools.yaml", TOOLS)]).values()))


@fuzzed
@given(spoiled({"pages": [{"n": 1}, {"n": 2}], "mode": "slow", "ratio": 0.5, "more": {"x": []}}))
def test_the_arguments_of_a_tool(tool: Tool, arguments: Any) -> None:
    if not isinstance(arguments, dict):
        return  # the door's own schema says no before
    try:
        assert set(complete(tool, arguments)) >= {"pages", "mode"}
    except InvalidArguments as exc:
        assert str(exc)
        assert len(str(exc)) < 2_000


ACTOR = {
    "apiVersion": "asya.sh/v1alpha1",
    "kind": "AsyncActor",
    "metadata": {"name": "a", "namespace": "n", "labels": {"k": "v"}},
    "spec": {
        "transport": "rabbitmq",
        "handler": "h.process",
        "env": {"A": "1"},
        "scaling": {
            "enabled": True,
            "minReplicas": 0,
            "maxReplicas": 4,
            "queueLength": 5,
            "advanced": {"formula": "total"},
        },
        "retry": {"maxAttempts": 3, "backoff": {"initial": "1s"}},
        "sidecar": {"env": [{"name": "ASYA_LOG_LEVEL", "value": "debug"}]},
        "limits": [{"name": "openai", "cost": "payload.n"}],
        "workload": {
            "kind": "Deployment",
            "template": {
                "spec": {"containers": [{"name": "asya-runtime", "image": "x", "env": [{"name": "B", "value": "2"}]}]}
            },
        },
    },
}


@fuzzed
@given(spoiled(ACTOR))
def test_a_manifest(document: Any) -> None:
    if not isinstance(document, dict):
        return  # a file's reader says no before
    try:
        parse_actor(document)
    except InvalidActor as exc:
        assert str(exc)


PROGRESS = {"status": "processing", "message": "m", "progress_percent": 5, "retry": {"attempt": 2, "again_in_s": 1.5}}
CHILD = {"id": "e-1", "parent_id": "e", "actors": ["a"], "current": 0}
FINAL = {"id": "e", "status": "succeeded", "result": {"a": 1}, "error": None}
BODIES: list[tuple[Any, Any]] = [
    (ProgressBody, PROGRESS),
    (ChildBody, CHILD),
    (FinalBody, FINAL),
    (BatchBody, {"reports": [{"kind": "final", "id": "e", "body": FINAL}]}),
]


@pytest.mark.parametrize(("kind", "document"), BODIES)
@fuzzed
@given(data=st.data())
def test_a_report(kind: Any, document: Any, data: st.DataObject) -> None:
    body = data.draw(spoiled(document).map(as_bytes) | st.binary(max_size=100))
    read: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    try:
        read(body)
    except msgspec.DecodeError as exc:
        assert str(exc)
