"""An envelope whose route is in the form of Asya 1.x is read, and written in both forms from then on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from asya_protocol.envelope import parse_envelope
from asya_protocol.errors import InvalidEnvelope


def body(route: dict[str, Any]) -> bytes:
    return json.dumps({"id": "e1", "route": route, "payload": 1}).encode()


def test_both_forms_go_on_and_agree() -> None:
    found = parse_envelope(body({"prev": ["a"], "curr": "b", "next": ["c"], "metadata": {"job": 7}}))
    assert (found.route.actors, found.route.current, found.route.actor) == (("a", "b", "c"), 1, "b")
    assert parse_envelope(found.dump()) == found
    onward = replace(found, route=replace(found.route, current=2))
    assert json.loads(onward.dump())["route"] == {
        "actors": ["a", "b", "c"],
        "current": 2,
        "prev": ["a", "b"],
        "curr": "c",
        "next": [],
        "metadata": {"job": 7},
    }


def test_where_both_are_given_ours_counts() -> None:
    """A runtime moves the count alone."""
    found = parse_envelope(body({"actors": ["a", "b"], "current": 1, "prev": [], "curr": "a", "next": ["b"]}))
    assert json.loads(found.dump())["route"]["prev"] == ["a"]


def test_our_own_routes_stay_as_they_are() -> None:
    route = {"actors": ["a", "b"], "current": 1}
    assert json.loads(parse_envelope(body(route)).dump())["route"] == route


def test_a_broken_route_names_its_part() -> None:
    with pytest.raises(InvalidEnvelope, match=r"route\.next' must be a list"):
        parse_envelope(body({"curr": "a", "next": "b"}))
