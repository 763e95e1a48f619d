"""Names of the crew's objects: deterministic, findable, and never outside their prefix."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol.key_segment import segment
from asya_store.end_keys import dated_key, index_key, last_actor, name_of

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("5e6f-1", "5e6f-1"),
        ("Job_7.final~x", "Job_7.final~x"),
        ("a/b", "a%2Fb"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("50%", "50%25"),
        ("é 🎭", "%C3%A9%20%F0%9F%8E%AD"),
        ("nul\0line\n", "nul%00line%0A"),
    ],
)
def test_an_id_is_one_plain_path_segment(name: str, found: str) -> None:
    assert segment(name) == found


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_ids_have_different_segments_and_none_leads_elsewhere(one: str, other: str) -> None:
    assert (segment(one) == segment(other)) is (one == other)
    assert "/" not in segment(one)
    assert not segment(one).startswith(".")


def test_a_very_long_id_is_shortened_to_what_file_systems_take_and_stays_unique() -> None:
    one, other = segment("x" * 5000), segment("x" * 5001)
    assert len(one) <= 180
    assert one != other


def test_a_lone_surrogate_in_an_id_is_no_reason_to_lose_its_envelope() -> None:
    assert segment("\ud800") == "%ED%A0%80"


@pytest.mark.parametrize(
    ("route", "actor"),
    [
        ({"actors": ["a", "b"], "current": 0}, "a"),
        ({"actors": ["a", "b"], "current": 1}, "b"),
        ({"actors": ["a", "b"], "current": 2}, "b"),
        ({"actors": ["a", "b"], "current": -1}, "b"),
        ({"actors": ["a", "b"]}, "a"),
        ({"actors": ["a", "b"], "current": "x"}, "b"),
        ({"actors": []}, "unknown"),
        ({"actors": "a"}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_the_last_actor_is_the_one_at_which_the_envelope_stopped(route: object, actor: str) -> None:
    assert last_actor({"id": "e", "route": route}) == actor


def test_keys_are_the_index_and_the_originals_dated_one() -> None:
    envelope = {"id": "e/1", "route": {"actors": ["a b"], "current": 0}}
    assert index_key("error-asya/", "e/1") == "error-asya/e%2F1.json"
    assert (
        dated_key("error-asya/", "e/1", envelope, MOMENT) == "error-asya/2026-01-02T03:04:05.678901Z/a%20b/e%2F1.json"
    )


@pytest.mark.parametrize("envelope_id", ["", None, 7])
def test_an_envelope_without_a_usable_id_is_named_by_its_content(envelope_id: object) -> None:
    one, other = (name_of({"id": envelope_id}, body) for body in (b"one", b"other"))
    assert one.startswith("no-id-")
    assert one != other
    assert one == name_of({"id": envelope_id}, b"one")
