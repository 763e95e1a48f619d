"""Deliveries in memory, beside ``memory.MemoryStore``."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from asya_gateway.records.delivery import Delivery


class MemoryDeliveries:
    """A dictionary of deliveries; no method awaits anything, so calls never interleave."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[str, Delivery] = {}

    def keep(self, delivery: Delivery) -> None:
        """Keep a new one."""
        self._kept.setdefault(delivery.id, delivery)

    async def lease(self, limit: int, lease_s: float) -> list[Delivery]:
        """Take what is due."""
        now = self._clock()
        due = [(one.due_at, one) for one in self._kept.values() if one.due_at is not None and one.due_at <= now]
        taken = [
            replace(one, attempts=one.attempts + 1, due_at=now + timedelta(seconds=lease_s))
            for _, one in sorted(due, key=lambda each: each[0])[:limit]
        ]
        self._kept.update({one.id: one for one in taken})
        return taken

    async def delivered(self, delivery_id: str) -> None:
        """Delete one."""
        self._kept.pop(delivery_id, None)

    async def postpone(self, delivery: Delivery, pause_s: float | None, told: str) -> bool:
        """Note a failed attempt."""
        kept = self._kept.get(delivery.id)
        if kept is None or kept.due_at is None or kept.attempts != delivery.attempts:
            return False
        due_at = None if pause_s is None else self._clock() + timedelta(seconds=pause_s)
        self._kept[delivery.id] = replace(kept, due_at=due_at, told=told)
        return True

    async def kept(self, limit: int, *, dead: bool) -> list[Delivery]:
        """List some."""
        found = [one for one in self._kept.values() if (one.due_at is None) is dead]
        return sorted(found, key=lambda one: (one.since, one.id))[:limit]

    async def counts(self) -> tuple[int, int]:
        """Count them."""
        dead = sum(one.due_at is None for one in self._kept.values())
        return len(self._kept) - dead, dead

    async def redrive(self, delivery_id: str | None) -> int:
        """Let dead letters begin anew."""
        now = self._clock()
        chosen = [one for one in self._kept.values() if one.due_at is None and delivery_id in (None, one.id)]
        self._kept.update({one.id: replace(one, since=now, due_at=now, attempts=0, told="") for one in chosen})
        return len(chosen)

    async def forget(self, older_than_s: float) -> int:
        """Delete old dead letters."""
        before = self._clock() - timedelta(seconds=older_than_s)
        gone = [one.id for one in self._kept.values() if one.due_at is None and one.since < before]
        for delivery_id in gone:
            del self._kept[delivery_id]
        return len(gone)
