"""How many bytes of request bodies one process holds at a time, of all callers and of each. Pure.

A limit on one body bounds nothing where a hundred come at once. Bytes are counted as they arrive, not as they are announced.
"""

from dataclasses import dataclass


class OverBudget(Exception):
    """There is no room now; the caller may try again.

    Attributes:
        own: The caller's own share is used up, not the process's.
    """

    def __init__(self, own: bool) -> None:
        super().__init__("Too much is being read at once, try again")
        self.own = own


class BodyBudget:
    """Bytes in flight.

    Args:
        total: Bytes that all bodies together may have.
        per_caller: Bytes that those of one caller may have.
    """

    def __init__(self, total: int, per_caller: int) -> None:
        self._total = total
        self._per_caller = per_caller
        self._held = 0
        self._of: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Bytes in flight now."""
        return self._held

    @property
    def callers(self) -> int:
        """Callers that have some in flight; the others are not remembered."""
        return len(self._of)

    def take(self, who: str, size: int) -> None:
        """Count bytes that have come.

        Raises:
            OverBudget: There is no room for them; nothing is counted.
        """
        own = self._of.get(who, 0) + size
        if own > self._per_caller:
            raise OverBudget(own=True)
        if self._held + size > self._total:
            raise OverBudget(own=False)
        self._held += size
        self._of[who] = own

    def give_back(self, who: str, size: int) -> None:
        """Count bytes that are no longer held."""
        self._held -= size
        left = self._of.get(who, 0) - size
        if left > 0:
            self._of[who] = left
        else:
            self._of.pop(who, None)


@dataclass(slots=True)
class Held:
    """The bytes that one request holds; ``release`` may be called twice."""

    budget: BodyBudget
    who: str
    size: int = 0

    def grow(self, size: int) -> None:
        """Hold more.

        Raises:
            OverBudget: There is no room.
        """
        self.budget.take(self.who, size)
        self.size += size

    def release(self) -> None:
        """Hold nothing any more."""
        self.budget.give_back(self.who, self.size)
        self.size = 0
