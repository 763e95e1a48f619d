"""Settings of the crew, read from the environment that Asya 0.1.1's crew knows; the store's own are in ``asya_store``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from asya_protocol.durations import parse_duration
from asya_protocol.errors import SettingsError

FAIL: Final = "fail"
PARTIAL: Final = "partial"
DEFAULT_RESULTS_PREFIX: Final = "happy-asya/"
DEFAULT_ERRORS_PREFIX: Final = "error-asya/"


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Where in the store each end actor keeps its objects."""

    results: str = DEFAULT_RESULTS_PREFIX
    """`ASYA_S3_RESULTS_PREFIX`: happy-end's key prefix; may be set to empty."""
    errors: str = DEFAULT_ERRORS_PREFIX
    """`ASYA_S3_ERRORS_PREFIX`: error-end's key prefix; may be set to empty."""


@dataclass(frozen=True, slots=True)
class FanInSettings:
    """How long fan-in waits for children, and what it does without them."""

    timeout_s: float = 3600.0
    """`ASYA_FAN_IN_TIMEOUT`: a group that is not complete so long after its first child is over (1h)."""
    partial: bool = False
    """`ASYA_FAN_IN_ON_MISSING`: `fail` (default) sends what came to error-end when a child is missing; `partial` joins
    it, and names the missing in the header `x-asya-fan-in-missing`. An envelope's header `x-asya-fan-in-on-missing` wins."""


def read_fan_in_settings(environ: Mapping[str, str]) -> FanInSettings:
    """Read fan-in's settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    on_missing = environ.get("ASYA_FAN_IN_ON_MISSING") or FAIL
    if on_missing not in {FAIL, PARTIAL}:
        raise SettingsError("ASYA_FAN_IN_ON_MISSING", f"{on_missing!r} is neither fail nor partial")
    try:
        timeout_s = parse_duration(environ.get("ASYA_FAN_IN_TIMEOUT") or "1h")
    except ValueError as exc:
        raise SettingsError("ASYA_FAN_IN_TIMEOUT", str(exc)) from None
    return FanInSettings(timeout_s, on_missing == PARTIAL)


def read_prefixes(environ: Mapping[str, str]) -> Prefixes:
    """Read the key prefixes; an empty one is kept, as in Asya 0.1.1."""
    return Prefixes(
        results=environ.get("ASYA_S3_RESULTS_PREFIX", DEFAULT_RESULTS_PREFIX),
        errors=environ.get("ASYA_S3_ERRORS_PREFIX", DEFAULT_ERRORS_PREFIX),
    )
