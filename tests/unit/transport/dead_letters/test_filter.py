"""Choosing dead letters: what a condition means, and what is said about one that means nothing."""

import json

import pytest

from asya_transport.dead_letters.filter import FilterError, matches, parse_condition, same_id
from asya_transport.dead_letters.letter import DeadLetter, read_dead_letter
from asya_transport.port import Delivery

ENVELOPE = {
    "id": "abc-1",
    "parent_id": "abc",
    "route": {"actors": ["ocr", "translate"], "current": 1, "metadata": {"job": "j7"}},
    "headers": {"tenant": "blue", "x.dotted": "yes", "x-asya-attempt": 3, "x-asya-delivery": 5},
    "payload": {"user": {"id": 42, "name": "Ada [one]"}, "pages": [{"n": 1}, {"n": 2}], "ok": True, "none": None},
}
ATTRIBUTES = {"asya-reason": "runtime died: timeout after 5m", "asya-queue": "asya-translate", "origin": "gateway"}


def letter(body: object = ENVELOPE, attributes: dict[str, str] = ATTRIBUTES) -> DeadLetter:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_dead_letter(Delivery(raw, object(), 2, attributes), "asya-translate-dlq")


@pytest.mark.parametrize(
    "text",
    [
        "id=abc-1", "id=abc*", "id=a?c-[0-9]", "id!=abc", "id~^abc", "id!~x", "parent=abc", "actor=translate",
        "reason~timeout", "reason~after \\d+m$", "reason=runtime died: * 5m", "source=asya-translate",
        "attempts=3", "deliveries=5", "body~Ada", "headers.tenant=blue", 'headers."x.dotted"=yes',
        "headers.absent!=x", "headers.absent!~x", "payload.user.id=42", "payload.pages.1.n=2", "payload.ok=true",
        "payload.none=null", "payload.user.name~Ada \\[one\\]", "payload~Ada", "route.metadata.job=j7",
        "attributes.origin=gateway", "size!=0",
    ],
)  # fmt: skip
def test_a_condition_that_holds(text):
    assert parse_condition(text).holds(letter())


@pytest.mark.parametrize(
    "text",
    [
        "id=abc", "id=ABC-1", "id=bc-1", "id!=abc-1", "id~^bc", "headers.absent=", "headers.absent~", "payload.user.id=4",
        "payload.pages.7.n=1", "payload.pages.x=1", "payload.user.id.deeper=42", "problem~.", "attributes.none~.",
    ],
)  # fmt: skip
def test_a_condition_that_does_not_hold(text):
    assert not parse_condition(text).holds(letter())


def test_all_conditions_have_to_hold_and_none_holds_for_all():
    both = [parse_condition("id=abc*"), parse_condition("reason~timeout")]
    assert matches(both, letter())
    assert not matches([*both, parse_condition("actor=ocr")], letter())
    assert matches([], letter(b"\xff"))


def test_a_value_is_everything_behind_the_operator():
    assert parse_condition("payload.q=a=b and ~c").holds(letter({**ENVELOPE, "payload": {"q": "a=b and ~c"}}))


def test_an_id_is_found_as_it_is_and_not_as_a_pattern():
    starred = {**ENVELOPE, "id": "a*[1]"}
    assert same_id("a*[1]").holds(letter(starred))
    assert not same_id("a*").holds(letter())


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"{", b'{"id": 3}', b'"text"', b"[" * 5000])
def test_what_is_no_envelope_can_be_chosen_too(body):
    assert matches([parse_condition("problem~."), parse_condition("id!=*")], letter(body))
    assert parse_condition("reason~timeout").holds(letter(body))
    assert not parse_condition("payload.a=1").holds(letter(body))


def test_values_that_are_no_text_are_absent():
    assert not parse_condition("payload~.").holds(letter(b'{"id": "a", "payload": "\\ud800"}'))


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "here must be a name"),
        ("=x", 0, "here must be a name"),
        ("id", 2, "but it ends"),
        ("id x", 2, "not ' '"),
        ("payload..a=1", 8, "here must be a name"),
        ("payload.=1", 8, "here must be a name"),
        ('payload."a=1', 8, "this quote is never closed"),
        ("idd=1", 0, "there is no field 'idd', only id, "),
        ("id.x=1", 2, "'id' has no parts"),
        ("attributes=1", 10, "here must be the name of an attribute"),
        ("reason~a(b", 8, "no regular expression: missing ), unterminated subpattern"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_with_the_place(text, position, problem):
    with pytest.raises(FilterError) as refused:
        parse_condition(text)
    assert refused.value.position == position
    assert f"character {position + 1}: " in str(refused.value)
    assert problem in str(refused.value)
