"""What the console's charts show: samples of every actor, in a ring of fixed size. Pure.

There is no database behind it: a gateway that starts has an empty one, and each replica its own.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from asya_gateway.actors.view import SHOWN_MOST, ActorView

KEPT: Final = 720
"""Samples: three hours at one in 15 seconds."""
CALLS_MOST: Final = 256
"""Calls of an actor between two samples of which the lengths are kept."""
FIELDS: Final = ("queued", "in_flight", "rate", "p50_s", "p99_s", "ready", "desired")
_NONE: Final = float("nan")
_TOGETHER: Final[Mapping[str, Callable[[list[float]], float]]] = {"p50_s": max, "p99_s": max}
"""How the figures of all actors are made one where that is not their sum: a quantile is the slowest actor's."""


class CallTimes:
    """Lengths of handler calls since the last sample, as sidecars reported them."""

    def __init__(self) -> None:
        self._seen: dict[str, list[float]] = {}

    def add(self, actor: str, seconds: float) -> None:
        """Take one in; of what would be too much, the first is kept."""
        if actor not in self._seen and len(self._seen) >= SHOWN_MOST:
            return
        calls = self._seen.setdefault(actor, [])
        if len(calls) < CALLS_MOST:
            calls.append(seconds)

    def take(self) -> dict[str, tuple[float, float]]:
        """The median and the 99th percentile by actor, and forget them."""
        seen, self._seen = self._seen, {}
        return {actor: (_rank(calls, 0.5), _rank(calls, 0.99)) for actor, calls in seen.items()}


class History:
    """The ring: at most ``SHOWN_MOST`` actors, some 20 KB each.

    Args:
        kept: Samples.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._taken = 0
        self._times = array("d", [0.0]) * kept
        self._figures: dict[str, dict[str, array[float]]] = {}
        self._last: dict[str, int] = {}

    def add(self, now_s: float, actors: Iterable[ActorView]) -> None:
        """Take a sample.

        Args:
            now_s: Unix time.
            actors: All of them; an actor that is left out has a gap.
        """
        place = self._taken % self._kept
        self._times[place] = now_s
        for figures in self._figures.values():
            for values in figures.values():
                values[place] = _NONE
        for actor in actors:
            if actor.name not in self._figures and len(self._figures) >= SHOWN_MOST:
                continue
            figures = self._figures.setdefault(actor.name, {field: self._empty() for field in FIELDS})
            self._last[actor.name] = self._taken
            for field, values in figures.items():
                value = getattr(actor, field)
                values[place] = _NONE if value is None else value
        self._taken += 1
        for name in [name for name, taken in self._last.items() if self._taken - taken > self._kept]:
            del self._figures[name], self._last[name]

    def body(self, actor: str, every_s: float) -> dict[str, object]:
        """Shape one actor's samples for JSON, oldest first; what was not known is null.

        Args:
            actor: Its name; empty is all of them together.
            every_s: Seconds between two samples.
        """
        places = [number % self._kept for number in range(max(0, self._taken - self._kept), self._taken)]
        chosen = list(self._figures.values()) if not actor else list(filter(None, [self._figures.get(actor)]))
        return {
            "every_s": every_s,
            "actors": sorted(self._figures),
            "times": [self._times[place] for place in places],
            **{
                field: [_together(field, (each[field][place] for each in chosen)) for place in places]
                for field in FIELDS
            },
        }

    def _empty(self) -> "array[float]":
        return array("f", [_NONE]) * self._kept


def _together(field: str, values: Iterable[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(_TOGETHER.get(field, sum)(known), 6) if known else None


def _rank(values: list[float], share: float) -> float:
    """The nearest-rank quantile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
