"""Which of an actor's objects need to be applied again: those whose rendering or whose state in the cluster changed. Pure.

An object is compared by a digest of what we want and by its version in the cluster as the watch shows it (``generation``,
or ``resourceVersion`` where it has none). Kinds that are not watched are applied again now and then.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from asya_kube.resources import OWNED, WATCHED, Kind

RESYNC_S: Final = 600.0
"""How long a change by others of an object that is not watched may go unnoticed."""
TRACKED: Final = frozenset(kind.kind for kind in OWNED if kind in WATCHED)

ObjectKey = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str
    version: str
    at_s: float
    owner: str


class Applied:
    """What was applied last, by object."""

    def __init__(self) -> None:
        self._entries: dict[ObjectKey, _Entry] = {}

    def is_due(self, wanted: Mapping[str, Any], present: Mapping[str, Any] | None, now_s: float) -> bool:
        """Whether an object must be applied.

        Args:
            wanted: As rendered.
            present: As the watch shows it; ``None`` when it is not there, or not watched.
            now_s: Any steady clock, in seconds.
        """
        entry = self._entries.get(object_key(wanted))
        if entry is None or entry.digest != digest(wanted):
            return True
        if wanted["kind"] in TRACKED:
            return present is None or version(present) != entry.version
        return now_s - entry.at_s >= RESYNC_S

    def note(self, wanted: Mapping[str, Any], stored: Mapping[str, Any], now_s: float) -> None:
        """Remember a successful apply and what the API server made of it."""
        self._entries[object_key(wanted)] = _Entry(digest(wanted), version(stored), now_s, owner(wanted))

    def of_actor(self, namespace: str, names: Collection[str], uid: str | None = None) -> list[ObjectKey]:
        """Objects applied under one of the names, for anybody or for the actor with this uid.

        An actor may be named as another one's object is, such as ``ocr-trigger-auth``: what it has is not the other's.
        """
        keys = [(kind.kind, namespace, name) for name in sorted(names) for kind in OWNED]
        found = ((key, self._entries.get(key)) for key in keys)
        return [key for key, entry in found if entry is not None and uid in (None, entry.owner)]

    def forget(self, key: ObjectKey) -> None:
        """It was deleted."""
        self._entries.pop(key, None)


def object_key(manifest: Mapping[str, Any]) -> ObjectKey:
    """Kind, namespace and name of an object."""
    meta = manifest["metadata"]
    return str(manifest["kind"]), str(meta.get("namespace", "")), str(meta["name"])


def owner(manifest: Mapping[str, Any]) -> str:
    """Uid of the actor that an object belongs to; empty for what the actors of a namespace share."""
    return next((str(each["uid"]) for each in manifest["metadata"].get("ownerReferences") or ()), "")


def digest(manifest: Mapping[str, Any]) -> str:
    """A short hash of an object's content."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, default=str).encode()).hexdigest()[:16]


def version(stored: Mapping[str, Any]) -> str:
    """A value that changes with the object, but not with its status."""
    meta = stored["metadata"]
    return str(meta.get("generation") or meta.get("resourceVersion", ""))


def leftovers(kinds: tuple[Kind, ...], wanted: set[ObjectKey], seen: set[ObjectKey]) -> list[tuple[Kind, ObjectKey]]:
    """Objects that we applied or that exist, and that are wanted no longer, in the order of ``kinds``."""
    extra = seen - wanted
    return [(kind, key) for kind in kinds for key in sorted(extra) if key[0] == kind.kind]
