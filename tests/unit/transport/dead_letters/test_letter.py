"""What a dead letter tells, and what it is sent out again as."""

import json

import pytest

from asya_transport.dead_letters.letter import DeadLetter, read_dead_letter
from asya_transport.port import Delivery


def letter(body: bytes, attributes: dict[str, str] | None = None) -> DeadLetter:
    return read_dead_letter(Delivery(body, object(), 1, attributes or {}), "asya-ocr-dlq")


def test_counters_go_and_every_other_byte_stays():
    body = (
        b'{"later": [1.50, 1e3], "id": "a", "payload": {"n": 1.0,  "z": "\\u00e9"}, "route": {"current": 0, "actors":["ocr"]},'
        b'"headers": {"x-asya-attempt": 3, "big": 123456789012345678901234567890, "x-asya-delivery": 5}}'
    )
    assert letter(body).fresh_body() == (
        b'{"later":[1.50, 1e3],"id":"a","payload":{"n": 1.0,  "z": "\\u00e9"},"route":{"current": 0, "actors":["ocr"]},'
        b'"headers":{"big":123456789012345678901234567890}}'
    )


def test_headers_that_were_only_counters_go_as_a_whole():
    body = b'{"id":"a","route":{"actors":["ocr"]},"headers":{"x-asya-attempt":3},"payload":null}'
    assert json.loads(letter(body).fresh_body()) == {"id": "a", "route": {"actors": ["ocr"]}, "payload": None}


@pytest.mark.parametrize(
    "body",
    [
        b'{ "id": "a",  "route": {"actors": ["ocr"]}, "headers": {}, "payload": 1 }',
        b"\xff\x00 no text at all",
        b"",
        b'{"headers": {"x-asya-attempt": 3}}',
        b'{"id": "a", "route": {"actors": ["ocr"]}, "headers": ["x-asya-attempt"], "payload": 1}',
    ],
)
def test_without_counters_or_without_an_envelope_the_bytes_are_sent_as_they_are(body):
    assert letter(body).fresh_body() == body


def test_the_marks_of_a_dead_letter_are_not_sent_again():
    marked = letter(b"x", {"asya-reason": "why", "asya-queue": "asya-ocr", "tenant": "blue"})
    assert (marked.reason, marked.source, marked.fresh_attributes()) == ("why", "asya-ocr", {"tenant": "blue"})


def test_a_queue_that_nobody_noted_is_the_one_the_name_tells():
    assert (letter(b"x").reason, letter(b"x").source) == (None, "asya-ocr")


def test_attempts_and_deliveries_are_read_from_the_headers():
    body = b'{"id":"a","route":{"actors":["ocr"]},"headers":{"x-asya-attempt":3,"x-asya-delivery":"?"},"payload":null}'
    assert (letter(body).attempts, letter(body).deliveries) == (3, None)
    assert (letter(b"x").attempts, letter(b"x").deliveries) == (None, None)


def test_envelopes_are_told_apart_by_id_and_other_bodies_by_their_bytes():
    one = b'{"id":"a","route":{"actors":["ocr"]},"payload":1}'
    same = b'{"id":"a","route":{"actors":["ocr"]},"headers":{"x-asya-attempt":2},"payload":1}'
    assert letter(one).identity == letter(same).identity
    assert letter(b"x").identity == letter(b"x").identity != letter(b"y").identity
