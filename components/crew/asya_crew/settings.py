"""Settings of the crew, read from the environment that the original's crew knows; the store's own are in ``asya_store``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT_RESULTS_PREFIX: Final = "happy-asya/"
DEFAULT_ERRORS_PREFIX: Final = "error-asya/"


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Where in the store each end actor keeps its objects."""

    results: str = DEFAULT_RESULTS_PREFIX
    """`ASYA_S3_RESULTS_PREFIX`: happy-end's key prefix; may be set to empty."""
    errors: str = DEFAULT_ERRORS_PREFIX
    """`ASYA_S3_ERRORS_PREFIX`: error-end's key prefix; may be set to empty."""


def read_prefixes(environ: Mapping[str, str]) -> Prefixes:
    """Read the key prefixes; an empty one is kept, as in the original."""
    return Prefixes(
        results=environ.get("ASYA_S3_RESULTS_PREFIX", DEFAULT_RESULTS_PREFIX),
        errors=environ.get("ASYA_S3_ERRORS_PREFIX", DEFAULT_ERRORS_PREFIX),
    )
