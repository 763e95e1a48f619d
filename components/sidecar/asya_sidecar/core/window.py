"""How many deliveries to hold, and which share a call: fast handlers get a window, slow ones hold what they run. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from asya_sidecar.core.admit import Work

T = TypeVar("T")

AHEAD_S: Final = 0.5
"""Work to hold ahead: enough to hide a broker's round trip, little enough that idle replicas find something to do."""
MAX_AHEAD: Final = 100
"""Above this a larger RabbitMQ prefetch brings no throughput.

Source: https://github.com/rabbitmq/rabbitmq-website/blob/main/docs/confirms.md (100 to 300 is the plateau).
"""
SLOW_S: Final = 0.75
"""A call that takes twice as long as others, and at least this, is slow: what waits behind it has waited enough."""
SMOOTHING: Final = 0.2
"""Weight of the newest call in the running mean of handler time."""


def window(concurrency: int, mean_call_s: float | None) -> int:
    """Deliveries to hold at once.

    Args:
        concurrency: Handler calls that run at the same time.
        mean_call_s: Running mean of a call's length; ``None`` before the first one ended.
    """
    if mean_call_s is None:
        return concurrency
    ahead = MAX_AHEAD if mean_call_s <= 0 else int(concurrency * AHEAD_S / mean_call_s)
    return concurrency + min(ahead, MAX_AHEAD)


@dataclass(slots=True)
class Pace:
    """How fast one actor's handlers are.

    Attributes:
        at_once: Deliveries that handlers can work on at the same time.
        mean_s: Running mean of a call's length per envelope; ``None`` before the first one ended.
        calls: When each call under way began.
    """

    at_once: int
    mean_s: float | None = None
    calls: dict[object, float] = field(default_factory=dict)

    def called(self, call_s: float) -> None:
        """Note how long a call took per envelope."""
        self.mean_s = smooth(self.mean_s, call_s)

    @property
    def window(self) -> int:
        """Deliveries to hold at once."""
        return window(self.at_once, self.mean_s)

    def held_up(self, workers: int, now_s: float) -> bool:
        """Whether every worker is at a slow call, so that what waits here waits for nothing."""
        slow_s = max(2 * (self.mean_s or 0.0), SLOW_S)
        return 0 < workers <= len(self.calls) and all(now_s - began_s > slow_s for began_s in self.calls.values())


def prefetch_for(window: int, current: int, at_once: int) -> int:
    """Deliveries that the broker may push: near the window, but not changed with every call, for a change is a round trip.

    Args:
        window: Deliveries to hold at most.
        current: What the broker was told last.
        at_once: Deliveries that handlers can work on at the same time; a slow actor's window, and then nothing is pushed
            ahead at all.
    """
    if window <= at_once:
        return at_once
    if window <= current <= 4 * window:
        return current
    return min(2 * window, at_once + MAX_AHEAD)


def smooth(mean_call_s: float | None, call_s: float) -> float:
    """Take one more call into the running mean; a slower call counts at once, so that hoarding stops at once."""
    if mean_call_s is None or call_s > mean_call_s * 10:
        return call_s
    return mean_call_s + SMOOTHING * (call_s - mean_call_s)


def plan_calls(admitted: Iterable[tuple[T, Work]], size: int) -> list[Sequence[tuple[T, Work]]]:
    """Group envelopes into calls, in order.

    One whose last call crashed or ran late is run alone, so that it takes no neighbours with it again; so is one whose
    deadline is nearer than the actor's limit, which would shorten the call for all.

    Args:
        admitted: Deliveries and what was admitted of them.
        size: Most envelopes in a call.
    """
    together: list[tuple[T, Work]] = []
    alone: list[Sequence[tuple[T, Work]]] = []
    for pair in admitted:
        if pair[1].delivery > 1 or pair[1].deadline_bound:
            alone.append((pair,))
        else:
            together.append(pair)
    return [*(together[start : start + size] for start in range(0, len(together), size)), *alone]
