"""How long the oldest envelope of a queue has been waiting, worked out from counts. Pure.

No broker says it cheaply: SQS only to CloudWatch, minutes late, and RabbitMQ not at all for quorum queues. But a queue is
first in, first out, so the oldest one waiting arrived when as many had arrived as have been taken by now, and one more. Exact
to about the second between looks; too high, until the queue is empty once, after a sidecar died with takes uncounted.
"""

from collections import deque
from typing import Final

MAX_LOOKS: Final = 1000
"""Beyond it every second look is forgotten: hours of backlog need no precision of seconds."""


class Backlog:
    """Remembers how many envelopes had arrived when."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[float, int]] = deque()

    def look(self, now_s: float, taken: int, waiting: int) -> None:
        """Take the counts as of now.

        Args:
            now_s: Monotonic time.
            taken: Envelopes that were ever taken from the queue.
            waiting: Envelopes that wait in it.
        """
        if waiting == 0:
            self._arrived.clear()
            return
        if not self._arrived or taken + waiting > self._arrived[-1][1]:
            self._arrived.append((now_s, taken + waiting))
        while len(self._arrived) > 1 and self._arrived[0][1] <= taken:
            self._arrived.popleft()
        if len(self._arrived) > MAX_LOOKS:
            self._arrived = deque(list(self._arrived)[::2])

    def oldest_s(self, now_s: float) -> float | None:
        """Seconds for which the oldest has been waiting, ``None`` when nothing waits."""
        return now_s - self._arrived[0][0] if self._arrived else None
