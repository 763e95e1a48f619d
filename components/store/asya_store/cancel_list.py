"""The list of cancelled envelopes, kept in the object store so that every sidecar of the mesh can read it.

One small object per cancel, ``cancelled/<seconds since 1970>-<id>``, so that keys are in the order of time: whoever has read
the list reads from there on what is new, and a cancel costs every reader once. They are kept for eight days, longer than an
envelope may wait for its moment (a week), and removed by later cancels, now and then and a thousand at most.
"""

import time
from collections.abc import Callable
from typing import Final

from asya_protocol.key_segment import segment
from asya_store.port import Store

PREFIX: Final = "cancelled/"
KEPT_S: Final = 8 * 86400.0
OVERLAP_S: Final = 120.0
"""How far back every look begins before the newest key that was seen: clocks of those who cancel differ."""
SWEEP_EVERY_S: Final = 600.0
SWEPT_MOST: Final = 1000
"""Old cancels that one sweep removes."""
NAMES_MOST: Final = 200_000
"""Cancels that a reader remembers, some 30 MiB; of more the oldest are forgotten."""


class CancelList:
    """What has been cancelled, as of the last ``refresh``. Methods block; several threads may call them.

    Args:
        store: The mesh's.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._made_s: dict[str, int] = {}
        self._newest_s: int | None = None
        self._swept_s: float | None = None

    def add(self, envelope_id: str, now_s: float) -> None:
        """Cancel an envelope, and now and then forget cancels that are older than eight days.

        Args:
            envelope_id: The envelope; children of its fan-outs are cancelled with it.
            now_s: Seconds since 1970.

        Raises:
            StoreUnavailable: Nothing was cancelled.
        """
        self._store.put(f"{PREFIX}{int(now_s)}-{segment(envelope_id)}", b"{}")
        if self._swept_s is None or now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            self._sweep(now_s)

    def refresh(self) -> None:
        """Read what is new in the list; all of it the first time.

        Raises:
            StoreUnavailable: It could not be read; what was known stays known.
        """
        oldest_s = int(self._clock() - KEPT_S)
        since_s = oldest_s if self._newest_s is None else int(self._newest_s - OVERLAP_S)
        known = dict(self._made_s)
        for key in self._store.list(PREFIX, after=f"{PREFIX}{since_s}"):
            made_s, name = _parse(key)
            if made_s is not None:
                known[name] = made_s
                self._newest_s = max(made_s, self._newest_s or made_s)
        if len(known) > NAMES_MOST or any(made_s < oldest_s for made_s in known.values()):
            kept = sorted((item for item in known.items() if item[1] >= oldest_s), key=lambda item: item[1])
            known = dict(kept[-NAMES_MOST:])
        self._made_s = known

    def __contains__(self, envelope_id: str) -> bool:
        return segment(envelope_id) in self._made_s

    def __bool__(self) -> bool:
        return bool(self._made_s)

    def _sweep(self, now_s: float) -> None:
        for key in self._store.list(PREFIX, most=SWEPT_MOST):  # the oldest, for keys are in the order of time
            made_s, _ = _parse(key)
            if made_s is not None and made_s < now_s - KEPT_S:
                self._store.delete(key)


def _parse(key: str) -> tuple[int | None, str]:
    made_s, _, name = key.removeprefix(PREFIX).partition("-")
    return (int(made_s) if made_s.isdecimal() else None), name
