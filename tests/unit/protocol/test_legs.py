"""Routes in the form of Asya 1.x, there and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol.errors import InvalidEnvelope
from asya_protocol.legs import has_legs, to_actors, to_legs

NAMES = st.lists(st.text(alphabet="abc-", min_size=1, max_size=5), min_size=1, max_size=6)


@given(NAMES, st.data())
def test_a_route_comes_back_as_it_was(actors: list[str], data: st.DataObject) -> None:
    route = {"actors": actors, "current": data.draw(st.integers(0, len(actors))), "metadata": {"x": 1}}
    legs = to_legs(route)
    assert has_legs(legs)
    assert not has_legs(route)
    assert to_actors(legs) == route


def test_the_actor_whose_turn_it_is_stands_between_those_before_and_after() -> None:
    legs = {"prev": ["a"], "curr": "b", "next": ["c", "d"]}
    assert to_actors(legs) == {"actors": ["a", "b", "c", "d"], "current": 1}
    assert to_legs({"actors": ["a", "b"]}) == {"prev": [], "curr": "a", "next": ["b"]}
    assert to_actors({"curr": "a"}) == {"actors": ["a"], "current": 0}
    assert to_actors({"prev": ["a"], "curr": None, "next": []}) == {"actors": ["a"], "current": 1}


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({"prev": "a", "curr": "b"}, r"route\.prev' must be a list"),
        ({"curr": "a", "next": [1]}, r"route\.next' must be a list"),
        ({"curr": 3}, r"route\.curr' must be the name"),
        ({"curr": "", "next": ["b"]}, r"'route\.curr' is empty, and 'route\.next' names actors"),
        ({"prev": [], "curr": "", "next": []}, "names no actor"),
    ],
)
def test_a_broken_route_names_its_part(route: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidEnvelope, match=told):
        to_actors(route)
