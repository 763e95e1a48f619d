"""What a command that waits for an envelope says meanwhile: the same words whatever it waits by. Pure."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asya_manifest.explanation import Why

QUIET_S: Final = 2.0
"""A wait that is shorter says nothing."""
SAY_EVERY_S: Final = 5.0
LONGEST_QUIET_S: Final = 60.0
ENDED: Final = frozenset({"nothing", "failed", "cancelled"})
"""What holds an envelope that has ended."""


def waiting_words(spent_s: float, limit_s: float, why: "Why | None") -> str:
    """Say that there is no result yet and what holds it; of one that has ended, that its result is still to come.

    Args:
        spent_s: How long it has been waited.
        limit_s: How long it will be.
        why: What was found out.
    """
    if why is not None and why.held_by in ENDED:
        return f"{why.because}; its result is on its way, {spent_s:.0f} of {limit_s:g} s"
    return f"no result yet after {spent_s:.0f} of {limit_s:g} s{f': {why.because}' if why else ''}"
