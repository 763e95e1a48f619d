"""Fan-in groups in the object store: one object per child, and one that says who ended the group.

Below ``fan-in/<group>/``: ``group.json`` (who was here first, and when), ``count.json``, ``items/<index>.json`` with a child's
payload, ``lacks/<index>.json`` where that was joined from some of its own children, ``missing/<index>.json`` and
``called-off.json`` with a reason, ``winner``: the token of the one envelope that ends the
group; ``failed.json`` where that was for want of children, ``rejoined`` with the token of the replayed child that completed
it. The winner stays when the rest is tidied away, so that what comes late finds a group that is over.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from asya_crew.groups import Entry, Group
from asya_protocol.key_segment import segment
from asya_store.port import Store

PREFIX: Final = "fan-in/"
TRACE: Final = "asya-traceparent"
"""Metadata of a child's object: the trace that it came with, where that is recorded."""
PLACE: Final = "asya-place"
"""Metadata of a child's object: where in its route it came to fan-in, of a route with several."""
MOST_TRACES: Final = 128
"""Children whose traces are read, each by a request; a span has no more links."""
THREADS: Final = 16
"""S3 answers one request in tens of milliseconds; a group of a thousand is read in a few seconds."""


class GroupStore:
    """Reads and writes groups. Every method but ``keep`` raises ``StoreUnavailable`` when the store is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fan-in")

    def keep(self, found: Iterable[tuple[Entry, Any]]) -> list[Exception | None]:
        """Keep what envelopes brought; the same again overwrites itself.

        Args:
            found: Entries and payloads.

        Returns:
            For each, why it is not kept, or ``None``: ``StoreUnavailable``, or ``ValueError`` for what is no JSON.
        """
        return list(self._threads.map(lambda pair: self._try_to_keep(*pair), found))

    def load(self, entry: Entry, now_s: float) -> Group:
        """Read a group, opening it when this envelope is the first of it."""
        folder = _folder(entry.group)
        if entry.timer is None:
            self._store.create(f"{folder}group.json", _json({"opener": entry.token, "opened_s": now_s}))
        about = self._read(f"{folder}group.json") or {"opener": "", "opened_s": now_s}
        group = Group(opener=about["opener"], opened_s=about["opened_s"])
        keys = self._store.list(folder)
        reasons = [key for key in keys if key.startswith(f"{folder}missing/")]
        for key, reason in zip(reasons, self._threads.map(self._read, reasons), strict=True):
            group.given_up[_index(key)] = str(reason)
        group.here = {_index(key) for key in keys if key.startswith(f"{folder}items/")}
        for index in group.here:
            group.given_up.pop(index, None)
        lacking = [key for key in keys if key.startswith(f"{folder}lacks/")]
        for key, lacks in zip(lacking, self._threads.map(self._read, lacking), strict=True):
            group.lacks[_index(key)] = tuple(lacks or ())
        group.called_off = f"{folder}called-off.json" in keys
        if f"{folder}count.json" in keys:
            group.count = self._read(f"{folder}count.json")
            group.bound()
        return group

    def opened_by(self, opener_id: str) -> list[str]:
        """Ids of the groups that envelopes of an id have opened."""
        ending = segment("@")
        prefix = f"{PREFIX}{segment(f'{opener_id}@')}"
        folders = {key.removeprefix(PREFIX).partition("/")[0] for key in self._store.list(prefix)}
        return [f"{opener_id}@{folder.rpartition(ending)[2]}" for folder in sorted(folders)]

    def look(self, group_id: str, now_s: float) -> Group | None:
        """Read a group; ``None`` when it is over."""
        return None if self.winner(group_id) is not None else self.load(Entry(group_id, timer="look"), now_s)

    def payloads(self, group_id: str, indexes: Iterable[int]) -> list[Any]:
        """Read children's payloads in the order of their indexes."""
        folder = _folder(group_id)
        return list(self._threads.map(self._read, [_item(folder, index) for index in sorted(indexes)]))

    def place(self, group_id: str, indexes: Iterable[int]) -> int | None:
        """Read where in its route a child came to fan-in; ``None`` where there is no child, or its route has one fan-in."""
        first = min(indexes, default=None)
        info = None if first is None else self._store.info(_item(_folder(group_id), first))
        return int(info.metadata[PLACE]) if info is not None and PLACE in info.metadata else None

    def traces(self, group_id: str, indexes: Iterable[int]) -> list[str]:
        """Read the traces that children came with, those of the first."""
        folder = _folder(group_id)
        keys = [_item(folder, index) for index in sorted(indexes)[:MOST_TRACES]]
        infos = self._threads.map(self._store.info, keys)
        return [info.metadata[TRACE] for info in infos if info is not None and TRACE in info.metadata]

    def win(self, group_id: str, token: str) -> bool:
        """Claim the end of a group; true for the first who asks, and for the same one again."""
        key = f"{_folder(group_id)}winner"
        return self._store.create(key, token.encode()) or self.winner(group_id) == token

    def winner(self, group_id: str) -> str | None:
        """Token of the envelope that ended the group; ``None`` while it goes on."""
        found = self._store.get(f"{_folder(group_id)}winner")
        return None if found is None else found.decode()

    def fail(self, group_id: str) -> None:
        """Remember that the group ended without some of its children: replayed ones may complete it."""
        self._store.put(f"{_folder(group_id)}failed.json", b"{}")

    def has_failed(self, group_id: str) -> bool:
        """Whether the group ended without some of its children."""
        return self._store.info(f"{_folder(group_id)}failed.json") is not None

    def rejoin(self, group_id: str, token: str) -> bool:
        """Claim the second end of a group that had failed; true for the first who asks, and for the same one again."""
        key = f"{_folder(group_id)}rejoined"
        return self._store.create(key, token.encode()) or self._store.get(key) == token.encode()

    def tidy(self, group_id: str) -> None:
        """Delete everything of a group that is over but its winner; one that failed is kept until it has been joined."""
        folder = _folder(group_id)
        if self.has_failed(group_id) and self._store.info(f"{folder}rejoined") is None:
            return
        keys = [key for key in self._store.list(folder) if key != f"{folder}winner"]
        list(self._threads.map(self._store.delete, keys))

    def _try_to_keep(self, entry: Entry, payload: Any) -> Exception | None:  # noqa: ANN401 - any JSON value
        try:
            self._keep_one(entry, payload)
        except Exception as exc:  # noqa: BLE001 - its own failure, not its neighbours'
            return exc
        return None

    def _keep_one(self, entry: Entry, payload: Any) -> None:  # noqa: ANN401 - any JSON value
        folder = _folder(entry.group)
        if entry.called_off is not None:
            self._store.put(f"{folder}called-off.json", _json(entry.called_off))
        if entry.count is not None and not entry.index:
            # Where the sender knew, every child brings the same count: that of the first is enough.
            self._store.create(f"{folder}count.json", _json(entry.count))
        if entry.index is not None and entry.missing is None:
            if entry.lacks:
                self._store.put(f"{folder}lacks/{entry.index:07}.json", _json(entry.lacks))
            about = {TRACE: entry.trace, PLACE: None if entry.place is None else str(entry.place)}
            metadata = {name: value for name, value in about.items() if value is not None}
            self._store.put(_item(folder, entry.index), _json(payload), metadata=metadata or None)
        elif entry.index is not None:
            self._store.put(f"{folder}missing/{entry.index:07}.json", _json(entry.missing))

    def _read(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        body = self._store.get(key)
        return None if body is None else json.loads(body)


def _folder(group_id: str) -> str:
    return f"{PREFIX}{segment(group_id)}/"


def _item(folder: str, index: int) -> str:
    return f"{folder}items/{index:07}.json"


def _index(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".json"))


def _json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        # Such a list could not leave the runtime either, so it is the child that fails, and not all of them at the end.
        raise ValueError("payload holds a number that is out of range for a float: it reads as inf or -inf") from None
    return text.encode()
