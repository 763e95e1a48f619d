"""Settings of the crew, read from the environment that Asya 0.1.1's crew knows; the store's own are in ``asya_store``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from asya_process.settings import choice, is_on, setting
from asya_protocol.durations import parse_duration

FAIL: Final = "fail"
PARTIAL: Final = "partial"


@dataclass(frozen=True, slots=True)
class FanInSettings:
    """How long fan-in waits for children, and what it does without them."""

    timeout_s: float = setting("ASYA_FAN_IN_TIMEOUT", parse_duration, "1h")
    """A group that is not complete so long after its first child is over."""
    partial: bool = setting("ASYA_FAN_IN_ON_MISSING", lambda text: choice(FAIL, PARTIAL)(text) == PARTIAL, FAIL)
    """`fail` sends what came to error-end when a child is missing; `partial` joins it, and names the missing in the
    header `x-asya-fan-in-missing`. An envelope's header `x-asya-fan-in-on-missing` wins."""


def check_environment(environ: Mapping[str, str], who: str) -> None:
    """Refuse a runtime that would not hand whole, unaltered envelopes over.

    Raises:
        RuntimeError: The text says which variable to set.
    """
    mode = (environ.get("ASYA_HANDLER_MODE") or "payload").lower()
    if mode != "envelope":
        raise RuntimeError(f"{who} must run in envelope mode: set ASYA_HANDLER_MODE=envelope, not {mode!r}")
    if is_on(environ.get("ASYA_ENABLE_VALIDATION") or "true"):
        raise RuntimeError(f"{who} must run with validation disabled: set ASYA_ENABLE_VALIDATION=false")
