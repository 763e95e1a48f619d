"""What error-end keeps, as far as it can be replayed: found, claimed by one who replays, set aside once it was sent again.

A failure that was replayed moves to ``<errors>replayed/<name>/<token>.json``: whoever waits for the envelope's result does not
find the old one, and a second replay of it finds nothing to do. The dated object of Asya 0.1.1 stays where it is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from asya_process.settings import read
from asya_protocol.envelope import child_id
from asya_protocol.key_segment import segment
from asya_protocol.replay import Failed, NotReplayable, read_failed
from asya_store.end_keys import children_prefix, index_key
from asya_store.port import Store
from asya_store.settings import Prefixes

STALE_S: Final = 60.0
"""Whoever claimed a replay and has not sent it after this long does not live any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One failure in the store.

    Attributes:
        key: Where.
        body: The envelope, as error-end got it.
        failed: The same, read.
        at_s: When it was written, seconds since 1970.
    """

    key: str
    body: bytes
    failed: Failed
    at_s: float

    @property
    def id(self) -> str:
        """The envelope's id."""
        return self.failed.envelope.id


class Failures:
    """The failures of one mesh. Every method raises ``StoreUnavailable`` when the store is away."""

    def __init__(self, store: Store, prefixes: Prefixes | Mapping[str, str]) -> None:
        self._store = store
        self._prefix = (prefixes if isinstance(prefixes, Prefixes) else read(Prefixes, prefixes)).errors

    def find(self, envelope_id: str) -> list[Kept]:
        """Find how an envelope failed; several are a fan-out's children of that name. What cannot be replayed is left out."""
        if (kept := self._read(index_key(self._prefix, envelope_id))) is not None:
            return [kept]
        keys = self._store.list(children_prefix(self._prefix, envelope_id))
        return [kept for key in keys if (kept := self._read(key)) is not None]

    def all(self) -> Iterator[Kept]:
        """Every failure, in the order of ids."""
        for key in self._store.list(self._prefix):
            if "/" not in key.removeprefix(self._prefix) and (kept := self._read(key)) is not None:
                yield kept

    def children(self, group: Kept) -> dict[int, Kept]:
        """Find those of the children that a failed group lacks which failed themselves, by their place."""
        found = {}
        for index in group.failed.missing:
            for key in self._store.list(children_prefix(self._prefix, child_id(group.id, index))):
                kept = self._read(key)
                if kept is not None and kept.failed.envelope.parent_id == group.id:
                    found[index] = kept
        return found

    def replayed(self, envelope_id: str) -> bool:
        """Whether a failure of an envelope has been replayed."""
        name = f"{self._prefix}replayed/{segment(envelope_id)}"
        return any(self._store.list(f"{name}{ending}") for ending in "/@")

    def claim(self, kept: Kept, now_s: float) -> bool:
        """Claim a failure for the caller, who then sends it; false where another has done so."""
        key = self._aside(kept)
        if self._store.create(key, _note(kept, now_s, sent=False)):
            return True
        found = json.loads(self._store.get(key) or b"{}")
        if found.get("sent", True) or now_s - float(found.get("at_s", now_s)) < STALE_S:
            return False
        self._store.put(key, _note(kept, now_s, sent=False))
        return True

    def release(self, kept: Kept) -> None:
        """Give a claim back: nothing was sent."""
        self._store.delete(self._aside(kept))

    def set_aside(self, kept: Kept, now_s: float) -> None:
        """Keep a failure as a replayed one: the broker has confirmed what was sent, or others complete it."""
        self._store.put(self._aside(kept), _note(kept, now_s, sent=True))
        self._store.delete(kept.key)

    def _aside(self, kept: Kept) -> str:
        name = kept.key.removeprefix(self._prefix).removesuffix(".json")
        return f"{self._prefix}replayed/{name}/{kept.failed.token}.json"

    def _read(self, key: str) -> Kept | None:
        info, body = self._store.info(key), self._store.get(key)
        if info is None or body is None:
            return None
        try:
            return Kept(key, body, read_failed(body), info.modified_s)
        except NotReplayable:
            return None


def _note(kept: Kept, now_s: float, *, sent: bool) -> bytes:
    return json.dumps({"sent": sent, "at_s": now_s, "envelope": json.loads(kept.body)}).encode()
