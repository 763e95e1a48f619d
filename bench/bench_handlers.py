"""Handlers that benchmarks run; the least that a handler can do."""

from typing import Any


def echo(payload: Any) -> Any:  # noqa: ANN401 - a handler takes and returns whatever JSON can say
    """Return what came."""
    return payload


def fan_out(payload: dict[str, int]) -> list[dict[str, int]]:
    """Return as many items as asked for."""
    return [{"item": number} for number in range(payload["items"])]
