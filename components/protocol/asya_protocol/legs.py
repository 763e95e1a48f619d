"""A route as the original's 1.x writes it, ``{"prev": [...], "curr": "b", "next": [...]}``, and as ours. Pure.

Theirs names the actor whose turn it is; ours counts to it. A finished route has no ``curr``.
"""

from collections.abc import Mapping
from typing import Any

from asya_protocol.errors import InvalidEnvelope

FIELDS = frozenset({"prev", "curr", "next"})


def has_legs(route: object) -> bool:
    """Whether a route is in their form."""
    return isinstance(route, Mapping) and "actors" not in route and not FIELDS.isdisjoint(route)


def to_actors(route: Mapping[str, Any]) -> dict[str, Any]:
    """Ours of theirs; other keys stay.

    Raises:
        InvalidEnvelope: A part has a wrong type, or no actor is named; names the part.
    """
    before, after = _names(route, "prev"), _names(route, "next")
    turn = route.get("curr") or ""
    if not isinstance(turn, str):
        raise InvalidEnvelope("Field 'route.curr' must be the name of an actor")
    if after and not turn:
        raise InvalidEnvelope("Field 'route.curr' is empty, and 'route.next' names actors that nobody would lead it to")
    actors = [*before, *([turn] if turn else []), *after]
    if not actors:
        raise InvalidEnvelope("Route names no actor: 'prev', 'curr' and 'next' are empty")
    rest = {name: value for name, value in route.items() if name not in FIELDS}
    return {"actors": actors, "current": len(before), **rest}


def to_legs(route: Mapping[str, Any]) -> dict[str, Any]:
    """Theirs of ours."""
    actors, current = list(route["actors"]), int(route.get("current", 0))
    rest = {name: value for name, value in route.items() if name not in ("actors", "current")}
    turn = actors[current] if current < len(actors) else ""
    return {"prev": actors[:current], "curr": turn, "next": actors[current + 1 :], **rest}


def _names(route: Mapping[str, Any], part: str) -> list[str]:
    found = route.get(part) or []
    if not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise InvalidEnvelope(f"Field 'route.{part}' must be a list of actor names")
    return found
