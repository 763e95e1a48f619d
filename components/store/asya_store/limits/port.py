"""The port of the stores that keep limits' states: one question, which reads some places and writes them back.

Of several ``change`` calls for a place at the same time each sees what the one before it wrote. The store's clock is the one
that counts, so that replicas need not agree on the time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from asya_store.limits.rule import Place
from asya_store.limits.table import State

T = TypeVar("T")
Change = Callable[[Mapping[Place, State], float], tuple[Mapping[Place, State], T]]
"""From the states that are known of the places, and the time in seconds since 1970, to those to write and a result."""

SWEEP_EVERY: Final = 1000
"""States that hold nothing any more are looked for every so many changes."""


class LimitStates(Protocol):
    """States by place. Every method but ``close`` raises ``StoreUnavailable`` when the store could not be asked."""

    async def change(self, places: Sequence[Place], change: Change[T], *, watched: Sequence[Place] = ()) -> T:
        """Read the places and ``watched``, and write what ``change`` makes of the places; all of it or nothing.

        ``watched`` are read only, and by many at once. ``change`` may be called again where two met; it has no effects.
        """

    async def read(self) -> tuple[Mapping[Place, State], float]:
        """All states that are kept, and the time."""

    async def close(self) -> None:
        """Close the store. Never raises."""
