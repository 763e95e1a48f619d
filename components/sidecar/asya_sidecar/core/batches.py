"""Which admitted envelopes share a handler call. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from asya_sidecar.core.admit import Work

T = TypeVar("T")


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
