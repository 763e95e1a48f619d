"""The port of the stores' deliveries: the part of an envelope store that callbacks are made from. One contract suite tests all.

* A delivery is kept with the report that ends its envelope, or neither is.
* A lease is a delivery whose turn is moved into the future: whoever holds it makes the attempt, and when nothing is heard of it
  by then, because its gateway was killed, it is due again.
* After ``StoreUnavailable`` it is unknown whether anything changed; trying again is safe.
"""

from collections.abc import Sequence
from typing import Protocol

from asya_gateway.records.delivery import Delivery


class DeliveryStore(Protocol):
    """Deliveries. Every method raises StoreUnavailable when the database did not do what was asked."""

    async def lease(self, limit: int, lease_s: float) -> list[Delivery]:
        """Take deliveries that are due, those first that have been for longest; each counts one attempt more.

        Args:
            limit: So many at most.
            lease_s: Nobody else is given them for so long.
        """

    async def delivered(self, delivery_id: str) -> None:
        """Delete one that has arrived."""

    async def postpone(self, delivery: Delivery, pause_s: float | None, told: str) -> bool:
        """Note that an attempt has failed; false where another one was made meanwhile, which counts then.

        Args:
            delivery: As it was leased.
            pause_s: Until the next attempt; ``None`` makes it a dead letter.
            told: Why it failed.
        """

    async def kept(self, limit: int, *, dead: bool) -> Sequence[Delivery]:
        """List dead letters, or those that wait, oldest first."""

    async def counts(self) -> tuple[int, int]:
        """Count those that wait, and dead letters."""

    async def redrive(self, delivery_id: str | None) -> int:
        """Let dead letters begin anew, one or all of them; returns how many there were."""

    async def forget(self, older_than_s: float) -> int:
        """Delete dead letters that were made, or redriven, so long ago; returns how many there were."""
