"""The list of cancelled envelopes, kept in the object store so that every sidecar of the mesh can read it.

One small object per cancel, ``cancelled/<seconds since 1970>-<id>``: one listing reads all. They are kept for a week, longer
than an envelope lives in any queue of ours (four days), and removed by later cancels.
"""

from typing import Final

from asya_protocol.key_segment import segment
from asya_store.port import Store

PREFIX: Final = "cancelled/"
KEPT_S: Final = 7 * 86400.0


class CancelList:
    """What has been cancelled, as of the last ``refresh``. Methods block; several threads may call them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: frozenset[str] = frozenset()

    def add(self, envelope_id: str, now_s: float) -> None:
        """Cancel an envelope, and forget cancels that are older than a week.

        Args:
            envelope_id: The envelope; children of its fan-outs are cancelled with it.
            now_s: Seconds since 1970.

        Raises:
            StoreUnavailable: Nothing was cancelled.
        """
        self._store.put(f"{PREFIX}{int(now_s)}-{segment(envelope_id)}", b"{}")
        for key in self._store.list(PREFIX):
            made_s = key.removeprefix(PREFIX).partition("-")[0]
            if made_s.isdecimal() and int(made_s) < now_s - KEPT_S:
                self._store.delete(key)

    def refresh(self) -> None:
        """Read the list.

        Raises:
            StoreUnavailable: It could not be read; what was known stays known.
        """
        self._names = frozenset(key.removeprefix(PREFIX).partition("-")[2] for key in self._store.list(PREFIX))

    def __contains__(self, envelope_id: str) -> bool:
        return segment(envelope_id) in self._names

    def __bool__(self) -> bool:
        return bool(self._names)
