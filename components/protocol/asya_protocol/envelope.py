"""The envelope: a JSON object that carries its own route from actor to actor.

``{"id", "parent_id"?, "route": {"actors": [...], "current": n, "metadata"?}, "headers"?, "payload", "deadline"?}``

Invariants: the payload is never decoded here (it stays the producer's bytes); fields that this version does not know
survive parse and dump; ``route.current`` absent means 0. An envelope whose ``current`` equals ``len(actors)`` is finished.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from asya_protocol import legs, names
from asya_protocol.errors import InvalidEnvelope, MalformedEnvelope
from asya_protocol.nesting import too_deep

_NULL: Final = msgspec.Raw(b"null")
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING: Final = msgspec.json.Decoder(str)
_ANY: Final = msgspec.json.Decoder()
_KNOWN: Final = frozenset({"id", "parent_id", "route", "headers", "payload", "deadline"})
_KNOWN_ROUTE: Final = frozenset({"actors", "current"})
LONGEST_MARK: Final = 32
"""Of ``origin_mark``; it becomes part of file names."""


class PlainRoute(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A route without anything that this version does not know; decoded in one go, for most are such."""

    actors: list[str]
    current: object = 0

    def read(self) -> "Route | None":
        """The route; ``None`` where it breaks a rule, which ``parse_route`` names."""
        actors, current = self.actors, self.current
        if type(current) is not int or not actors or not all(actors) or not 0 <= current <= len(actors):
            return None
        return Route(tuple(actors), current)


class _PlainEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    route: PlainRoute
    payload: msgspec.Raw
    headers: dict[str, object] | None = None
    parent_id: str | None = None
    deadline: str | None = None


def left_early_at(actors: Sequence[str], current: int, end: str = names.HAPPY_END) -> str:
    """Name the actor whose handler returned nothing, of an envelope that has arrived at a good end; else empty.

    A route that names its end is at its end there.
    """
    actor = actors[current] if 0 <= current < len(actors) else end
    return "" if actor == end else actor


@dataclass(frozen=True, slots=True)
class Route:
    """Where an envelope goes.

    Attributes:
        actors: Actor names in order; end actors are not listed.
        current: Index of the actor whose turn it is, 0 to ``len(actors)``.
        extra: Other keys of the route object (``metadata`` among them), undecoded.
        has_legs: It came as the original's 1.x writes routes, and is written so beside our form, for receivers of that kind.
    """

    actors: tuple[str, ...]
    current: int = 0
    extra: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    has_legs: bool = False

    @property
    def actor(self) -> str | None:
        """The actor whose turn it is; ``None`` when the route is finished or out of range."""
        return self.actors[self.current] if 0 <= self.current < len(self.actors) else None

    def as_json(self) -> dict[str, object]:
        """Shape it for the wire."""
        own = {"actors": self.actors, "current": self.current, **self.extra}
        return {**own, **legs.to_legs(own)} if self.has_legs else own


@dataclass(frozen=True, slots=True)
class Envelope:
    """One envelope.

    Attributes:
        id: Not empty; the same at every hop.
        route: Where it goes.
        payload: The producer's JSON value, undecoded.
        headers: Decoded JSON values by name; passed on at every hop.
        parent_id: Id of the envelope whose fan-out made this one.
        deadline: Moment (UTC) after which nobody wants the result.
        extra: Top-level keys that this version does not know, undecoded.
    """

    id: str
    route: Route
    payload: msgspec.Raw = field(default_factory=lambda: _NULL)
    headers: Mapping[str, object] = field(default_factory=dict)
    parent_id: str | None = None
    deadline: datetime | None = None
    extra: Mapping[str, msgspec.Raw] = field(default_factory=dict)

    def dump(self) -> bytes:
        """Write the envelope as JSON bytes; parsing them gives an equal envelope."""
        document: dict[str, object] = {"id": self.id}
        if self.parent_id is not None:
            document["parent_id"] = self.parent_id
        document["route"] = self.route.as_json()
        if self.headers:
            document["headers"] = self.headers
        if self.deadline is not None:
            document["deadline"] = format_time(self.deadline)
        document.update(self.extra)
        document["payload"] = self.payload
        return msgspec.json.encode(document)

    def with_headers(self, changes: Mapping[str, object | None]) -> "Envelope":
        """Return a copy with headers set, or removed where the value is none."""
        merged = {**self.headers, **changes}
        return replace(self, headers={name: value for name, value in merged.items() if value is not None})


def parse_object(body: bytes) -> dict[str, msgspec.Raw]:
    """Read bytes as a JSON object whose values stay undecoded.

    Raises:
        MalformedEnvelope: Not UTF-8, not JSON (``NaN`` is not), no object, or nested too deeply.
    """
    if not body:
        raise MalformedEnvelope("envelope is empty (0 bytes)")
    try:
        body.decode("utf-8")
        document = _OBJECT.decode(body)
    except UnicodeDecodeError as exc:
        raise MalformedEnvelope(f"envelope is not UTF-8: {exc}") from exc
    except msgspec.ValidationError as exc:
        raise MalformedEnvelope("envelope is JSON but not an object") from exc
    except msgspec.DecodeError as exc:
        raise MalformedEnvelope(_diagnose(body, exc)) from exc
    except RecursionError as exc:
        raise MalformedEnvelope("envelope is nested too deeply") from exc
    if too_deep(body):
        raise MalformedEnvelope("envelope is nested too deeply")
    return document


def _diagnose(body: bytes, exc: msgspec.DecodeError) -> str:
    """Name what Python's lenient parser would let through; the strict parser's own words do not."""
    if body.startswith(b"\xef\xbb\xbf"):
        return "envelope is not JSON: it starts with a byte order mark"
    refused: list[str] = []
    try:
        json.loads(body, parse_constant=refused.append)
    except (ValueError, RecursionError):
        return f"envelope is not JSON: {exc}"
    if refused:
        return f"envelope is not JSON: {refused[0]} is not a JSON number"
    return "envelope is not valid Unicode: a string holds a lone surrogate escape such as \\ud800"


def parse_envelope(body: bytes) -> Envelope:
    """Read an envelope, checking every rule that a producer can break.

    Raises:
        MalformedEnvelope: The bytes are no JSON object.
        InvalidEnvelope: A field is missing or has a wrong type; the text names it.
    """
    try:
        body.decode("utf-8")
        plain = _PLAIN.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # Whatever it is, what follows says it.
    else:
        route = plain.route.read()
        if plain.id and route is not None and not too_deep(body):
            headers, deadline = plain.headers or {}, plain.deadline
            moment = _read_time(deadline) if deadline else None
            return Envelope(plain.id, route, plain.payload, headers, plain.parent_id or None, moment)
    document = parse_object(body)
    envelope_id = parse_id(document)
    if "payload" not in document:
        raise InvalidEnvelope("Missing required field 'payload' in envelope")
    return Envelope(
        id=envelope_id,
        route=parse_route(document),
        payload=document["payload"],
        headers=_headers(document),
        parent_id=_optional_string(document, "parent_id"),
        deadline=_deadline(document),
        extra={name: value for name, value in document.items() if name not in _KNOWN},
    )


def parse_id(document: Mapping[str, msgspec.Raw]) -> str:
    """Read the id of a parsed object.

    Raises:
        InvalidEnvelope: It is missing, empty or no string.
    """
    if "id" not in document:
        raise InvalidEnvelope("Envelope missing required 'id' field")
    try:
        envelope_id = _STRING.decode(document["id"])
    except msgspec.ValidationError as exc:
        raise InvalidEnvelope("Field 'id' must be a string") from exc
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise InvalidEnvelope(f"Field 'id' is not valid text: {exc}") from exc
    if not envelope_id:
        raise InvalidEnvelope("Envelope missing required 'id' field")
    return envelope_id


def parse_route(document: Mapping[str, msgspec.Raw]) -> Route:
    """Read the route of a parsed object; the texts are those the runtime uses.

    Raises:
        InvalidEnvelope: The route is missing or breaks a rule.
    """
    if "route" not in document:
        raise InvalidEnvelope("Missing required field 'route' in envelope")
    try:
        raw = _OBJECT.decode(document["route"])
    except msgspec.DecodeError as exc:
        raise InvalidEnvelope("Field 'route' must be a dict") from exc
    has_legs = not legs.FIELDS.isdisjoint(raw)
    if has_legs and "actors" not in raw:
        raw |= _from_legs(raw)
    if "actors" not in raw:
        raise InvalidEnvelope("Missing required field 'actors' in route")
    actors = _decode(raw["actors"], "route.actors")
    if not isinstance(actors, list):
        raise InvalidEnvelope("Field 'route.actors' must be a list")
    if not all(isinstance(actor, str) and actor for actor in actors):
        raise InvalidEnvelope("Field 'route.actors' must be a list of actor names")
    current = _decode(raw["current"], "route.current") if "current" in raw else 0
    if isinstance(current, bool) or not isinstance(current, int):
        raise InvalidEnvelope("Field 'route.current' must be an integer")
    if not actors:
        raise InvalidEnvelope("Field 'route.actors' cannot be empty")
    if not 0 <= current <= len(actors):
        raise InvalidEnvelope(f"Invalid route.current={current}: out of bounds for actors of length {len(actors)}")
    extra = {name: value for name, value in raw.items() if name not in _KNOWN_ROUTE and name not in legs.FIELDS}
    return Route(actors=tuple(actors), current=current, extra=extra, has_legs=has_legs)


def _from_legs(raw: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Our form of a route that has theirs alone."""
    made = legs.to_actors({name: _decode(raw[name], f"route.{name}") for name in legs.FIELDS & raw.keys()})
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in made.items()}


def child_id(parent_id: str, index: int) -> str:
    """Name the envelope that a fan-out makes of one output; its place counts from 0."""
    return f"{parent_id}-{index}"


def parent_of(child: str) -> str:
    """Name the envelope whose fan-out made one; only for what ``as_child`` named, for others may look the same."""
    return child.rpartition("-")[0]


def as_child(made: Envelope, parent: Envelope, index: int) -> Envelope:
    """Name an output after the envelope whose fan-out made it, and mark it as its child.

    Anybody may give an envelope a name that looks like a child's: what it is, only the mark says.
    """
    lineage = [*read_lineage(parent.headers), parent.route.current]
    made = replace(made, id=child_id(parent.id, index), parent_id=parent.id)
    return made.with_headers({names.HEADER_LINEAGE: lineage})


def read_lineage(headers: Mapping[str, object]) -> tuple[int, ...]:
    """Read where in their routes the fan-outs were that an envelope comes from, outermost first; empty where none was."""
    found = headers.get(names.HEADER_LINEAGE)
    places = found if isinstance(found, list) else ()
    return tuple(place for place in places if isinstance(place, int) and not isinstance(place, bool))


def ancestors(envelope: Envelope) -> tuple[str, ...]:
    """Ids of the envelopes whose fan-outs this one comes from, its parent's first."""
    found: list[str] = []
    name = envelope.id
    for _ in read_lineage(envelope.headers):
        name = parent_of(name)
        found.append(name)
    if envelope.parent_id is not None and envelope.parent_id not in found:
        found.append(envelope.parent_id)  # of a sidecar that set no mark
    return tuple(found)


def origin_mark(headers: Mapping[str, object]) -> str:
    """Tell envelopes of one id apart: empty for one that was sent as it is, short text for what a fan-out made.

    Whoever keeps something under an id keeps it under this mark too: an id that somebody chose may be a child's as well, and
    two fan-outs in a row give the same one.
    """
    mark = ".".join(map(str, read_lineage(headers)))
    stack = headers.get(names.HEADER_FAN_IN)
    groups = [str(entry.get("group")) for entry in stack if isinstance(entry, dict)] if isinstance(stack, list) else []
    # What another attempt made is joined by itself, so that it must not be taken for a duplicate.
    mark += "".join(f"-{tries}" for group in groups if (tries := group.partition("~try")[2]))
    return mark if len(mark) <= LONGEST_MARK else hashlib.sha256(mark.encode()).hexdigest()[:LONGEST_MARK]


def format_time(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC, ``2026-01-02T03:04:05Z``, with a fraction only when it has one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _decode(raw: msgspec.Raw, name: str) -> object:
    try:
        return _ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise InvalidEnvelope(f"Field '{name}' cannot be read: {exc}") from exc


def _headers(document: Mapping[str, msgspec.Raw]) -> Mapping[str, object]:
    headers = _decode(document["headers"], "headers") if "headers" in document else None
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        raise InvalidEnvelope("Field 'headers' must be a dict")
    return headers


def _optional_string(document: Mapping[str, msgspec.Raw], name: str) -> str | None:
    value = _decode(document[name], name) if name in document else None
    if value is not None and not isinstance(value, str):
        raise InvalidEnvelope(f"Field '{name}' must be a string")
    return value or None


def _deadline(document: Mapping[str, msgspec.Raw]) -> datetime | None:
    text = _optional_string(document, "deadline")
    return None if text is None else _read_time(text)


def _read_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidEnvelope(f"Field 'deadline' must be an RFC 3339 time, not {text!r}") from exc
    # Go's zero time is what Asya 0.1.1's gateway writes for "no deadline".
    if moment.year == 1:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as exc:
        raise InvalidEnvelope(f"Field 'deadline' must be an RFC 3339 time, not {text!r}") from exc


_PLAIN: Final = msgspec.json.Decoder(_PlainEnvelope)
