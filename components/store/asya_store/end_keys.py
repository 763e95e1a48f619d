"""Keys of the objects that the end actors write. Pure: the time is an argument.

Two objects per envelope: the index ``<prefix><id>.json``, found without listing, and Asya 0.1.1's dated one,
``<prefix><moment>/<last actor>/<id>.json``. No id and no actor name leads out of the prefix.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from asya_protocol.key_segment import segment


def name_of(envelope: Mapping[str, object], body: bytes) -> str:
    """Name an envelope's objects by its id; one without a usable id by its content, so that none replaces another."""
    envelope_id = envelope["id"]
    if isinstance(envelope_id, str) and envelope_id:
        return envelope_id
    return f"no-id-{hashlib.sha256(body).hexdigest()[:32]}"


def index_key(prefix: str, name: str, mark: str = "") -> str:
    """Key under which an envelope is found by its id; a fan-out's children have theirs beside it, told apart by their mark."""
    return f"{prefix}{segment(name)}@{mark}.json" if mark else f"{prefix}{segment(name)}.json"


def children_prefix(prefix: str, name: str) -> str:
    """What the keys of all children of a name begin with; no key of another name does, for ``segment`` leaves no ``@``."""
    return f"{prefix}{segment(name)}@"


def dated_key(prefix: str, name: str, envelope: Mapping[str, object], moment: datetime) -> str:
    """Key as Asya 0.1.1 writes it."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{prefix}{stamp}/{segment(last_actor(envelope))}/{segment(name)}.json"


def last_actor(envelope: Mapping[str, object]) -> str:
    """The actor at which the envelope stopped: the current one, or the route's last when the route is finished."""
    route = envelope.get("route")
    actors = route.get("actors") if isinstance(route, Mapping) else None
    if not isinstance(route, Mapping) or not isinstance(actors, list) or not actors:
        return "unknown"
    current = route.get("current", 0)
    if isinstance(current, int) and 0 <= current < len(actors):
        return str(actors[current])
    return str(actors[-1])
