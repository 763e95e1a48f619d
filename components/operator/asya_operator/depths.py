"""What queues were last seen to hold, and which of them to count when: busy ones often, idle ones rarely. Pure."""

from collections.abc import Iterable
from typing import Final

from asya_operator.world import Key
from asya_transport.port import Depth

IDLE_S: Final = 60.0
"""How often the queue of an actor without replicas and without envelopes is counted where each count is a request."""


class Depths:
    """Last counts by actor."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Depth, float]] = {}

    def of(self, actor: Key) -> Depth | None:
        """What an actor's queue held when it was last counted."""
        found = self._seen.get(actor)
        return found[0] if found else None

    def note(self, actor: Key, depth: Depth, now_s: float) -> bool:
        """Take in a count; whether it differs from the last one."""
        before = self._seen.get(actor)
        self._seen[actor] = (depth, now_s)
        return before is None or before[0] != depth

    def forget(self, actor: Key) -> None:
        """The actor is gone."""
        self._seen.pop(actor, None)

    def due(self, actors: Iterable[tuple[Key, bool]], now_s: float) -> list[Key]:
        """Choose the actors whose queues want counting.

        Args:
            actors: Key, and whether it has replicas.
            now_s: Any steady clock, in seconds.
        """
        return [key for key, busy in actors if busy or self._is_old(key, now_s)]

    def _is_old(self, actor: Key, now_s: float) -> bool:
        found = self._seen.get(actor)
        return found is None or found[0].total > 0 or now_s - found[1] >= IDLE_S
