"""What an actor takes from its queue: the rule of ``spec.accepts`` as the sidecar is told it, and its judgement. Pure.

Whoever may write to a queue chooses the envelope's route and headers, and the actor's sidecar sends on by rights of its own.
An actor to whose queue outsiders may write is therefore told which routes lead on from it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope

CONTROL: Final = frozenset({
    names.HEADER_FAN_IN, names.HEADER_MISSING, names.HEADER_ON_MISSING, names.HEADER_DELAY, names.HEADER_FAILED,
    names.HEADER_LINEAGE, names.HEADER_REPLAY,
})  # fmt: skip
"""Headers that steer the mesh: a group to join, whose child an envelope is, how long it rests. Attempts, deliveries and claims
are the sidecar's own words to itself at its next try, and reach nothing of others."""


class Acceptance(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is taken.

    Attributes:
        routes: Whole routes that an envelope may have; empty is any.
        other_routes: What becomes of an envelope with another: ``refuse`` ends it in error-end, ``replace`` gives it the first.
        control_headers: Of ``CONTROL``, those that stay.
    """

    routes: tuple[tuple[str, ...], ...] = ()
    other_routes: Literal["refuse", "replace"] = "refuse"
    control_headers: frozenset[str] = frozenset()


class NotAccepted(Exception):
    """The envelope has a route that the actor does not take; says which it takes."""


def accept(envelope: Envelope, rule: Acceptance, actor: str) -> Envelope:
    """Judge an envelope.

    Returns:
        The same object where nothing had to change; else one with the actor's route, or without control headers.

    Raises:
        NotAccepted: Its route is none of the actor's.
    """
    unwanted = CONTROL - rule.control_headers
    if not unwanted.isdisjoint(envelope.headers):
        kept: Mapping[str, object] = {name: value for name, value in envelope.headers.items() if name not in unwanted}
        envelope = replace(envelope, headers=kept)
    route = envelope.route
    if not rule.routes or route.actors in rule.routes:
        return envelope
    if rule.other_routes == "refuse":
        known = "; ".join(" -> ".join(each) for each in rule.routes[:5])
        raise NotAccepted(f"Route not accepted: {actor} takes {known}, and not {' -> '.join(route.actors[:20])}")
    first = rule.routes[0]
    return replace(envelope, route=replace(route, actors=first, current=first.index(actor)))


def read_acceptance(text: str) -> Acceptance | None:
    """Read what ``write_acceptance`` wrote; ``None`` for an empty text.

    Raises:
        ValueError: It is no such rule; says where.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Acceptance)
    except msgspec.DecodeError as exc:
        raise ValueError(f"is no rule of what to accept: {exc}") from None


def write_acceptance(rule: Acceptance) -> str:
    """Write it for a sidecar's environment."""
    return msgspec.json.encode(rule, order="deterministic").decode()
