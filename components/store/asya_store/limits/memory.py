"""States of limits within one process: replicas do not share them."""

import time
from collections.abc import Callable, Mapping, Sequence

from asya_store.limits.port import SWEEP_EVERY, Change, T
from asya_store.limits.rule import Place
from asya_store.limits.table import State, as_of


class MemoryLimits:
    """A dictionary; changes are atomic because nothing else runs between."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._states: dict[Place, State] = {}
        self._changes = 0

    async def change(self, places: Sequence[Place], change: Change[T], *, watched: Sequence[Place] = ()) -> T:
        """Read and write."""
        now_s = self._clock()
        self._changes += 1
        if self._changes % SWEEP_EVERY == 0:
            self._states = {place: state for place, state in self._states.items() if not as_of(state, now_s).is_blank}
        known = {place: self._states[place] for place in (*places, *watched) if place in self._states}
        written, result = change(known, now_s)
        self._states.update(written)
        return result

    async def read(self) -> tuple[Mapping[Place, State], float]:
        """All of them."""
        return dict(self._states), self._clock()

    async def close(self) -> None:
        """Nothing to close."""
