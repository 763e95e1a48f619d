"""Handlers that benchmarks run; the least that a handler can do."""

from typing import Any


def echo(payload: Any) -> Any:  # noqa: ANN401 - a handler takes and returns whatever JSON can say
    """Return what came."""
    return payload
