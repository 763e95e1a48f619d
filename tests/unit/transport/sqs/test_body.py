"""Bodies and attributes in the form that SQS carries."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol import names
from asya_protocol.errors import EnvelopeRefused, EnvelopeTooLarge
from asya_transport.sqs.body import ATTRIBUTE_ENCODING, MAX_ATTRIBUTES, Text, decode, encode, encode_dead

LIMIT = 262_144


def arrive(text: Text) -> tuple[bytes, dict[str, str]]:
    """Receive what was sent."""
    shaped: Any = text.shape_attributes()
    body, attributes = decode(text.body, shaped)
    return body, dict(attributes)


def test_json_passes_as_it_is_and_its_size_is_counted_in_bytes() -> None:
    text = encode('{"t":"grüße"}'.encode(), {"a": "bc"}, LIMIT)
    assert text == Text('{"t":"grüße"}', {"a": "bc"}, 15 + 1 + len("String") + 2)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\xc3", b'"\x00"', b'"\x1f"', b""])
def test_what_sqs_cannot_carry_is_refused_when_sent(body: bytes) -> None:
    with pytest.raises(EnvelopeRefused):
        encode(body, None, LIMIT)


def test_noncharacters_that_json_allows_are_escaped_and_mean_the_same() -> None:
    body = json.dumps({"t": "\\\uffff\ufffe"}, ensure_ascii=False).encode()
    text = encode(body, None, LIMIT)
    assert "\uffff" not in text.body
    assert json.loads(text.body) == json.loads(body)


def test_attributes_count_against_the_limit() -> None:
    body = b"1" * (LIMIT - 10)
    assert encode(body, None, LIMIT).size_bytes == LIMIT - 10
    with pytest.raises(EnvelopeTooLarge, match=str(LIMIT + 1)):
        encode(body, {"abc": "de"}, LIMIT)


def test_attributes_are_made_fit_for_sqs() -> None:
    assert encode(b"1", {"a b/c": "x\x00y", "empty": ""}, LIMIT).attributes == {"a_b_c": "x\ufffdy"}


@given(st.binary())
def test_any_bytes_survive_a_dead_letter(body: bytes) -> None:
    text = encode_dead(body or b"{}", {"source": "s"}, "why", "asya-ocr", LIMIT)
    expected = {"source": "s", names.ATTRIBUTE_REASON: "why", names.ATTRIBUTE_QUEUE: "asya-ocr"}
    assert arrive(text) == (body or b"{}", expected)


def test_a_dead_letter_that_is_no_text_says_how_it_is_wrapped() -> None:
    text = encode_dead(b"\xff", {}, "why", "asya-ocr", LIMIT)
    assert (text.body, text.attributes[ATTRIBUTE_ENCODING]) == ("/w==", "base64")


def test_a_dead_letter_never_has_more_attributes_than_sqs_takes() -> None:
    many = {f"a{number}": "x" for number in range(10)}
    text = encode_dead(b"\xff", many, "why", "asya-ocr", LIMIT)
    assert len(text.attributes) == MAX_ATTRIBUTES
    assert text.attributes[names.ATTRIBUTE_REASON] == "why"


def test_a_body_of_the_full_size_is_dead_lettered_without_its_reason_rather_than_not_at_all() -> None:
    body = b"1" * LIMIT
    text = encode_dead(body, {"source": "s"}, "why", "asya-ocr", LIMIT)
    assert (text.body.encode(), text.attributes) == (body, {})


def test_a_reason_of_any_length_and_content_is_cut_and_cleaned() -> None:
    text = encode_dead(b"{}", {}, "\x00" + "x" * 100_000, "asya-ocr", LIMIT)
    assert text.attributes[names.ATTRIBUTE_REASON] == "\ufffd" + "x" * 1023


def test_a_body_that_only_claims_to_be_base64_is_left_alone() -> None:
    attributes: Any = {ATTRIBUTE_ENCODING: {"DataType": "String", "StringValue": "base64"}}
    assert decode("{}", attributes) == (b"{}", {ATTRIBUTE_ENCODING: "base64"})


def test_binary_attributes_and_lone_surrogates_do_not_stop_a_receive() -> None:
    attributes: Any = {"b": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    assert decode("\ud800", attributes) == (b"\xed\xa0\x80", {})
