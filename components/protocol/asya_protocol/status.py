"""The status of an envelope: pending, running, then succeeded or failed. Final ones never change.

Source: compatible with the status texts of Asya 0.1.1's gateway; final states are final here.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """State of one envelope."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """No later report changes it."""
        return not NEXT[self]


NEXT: Final[dict[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.PENDING, Status.RUNNING, Status.SUCCEEDED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.RUNNING, Status.SUCCEEDED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
}
"""Which states may follow; a report that asks for another is ignored."""


def advance(now: Status, reported: Status) -> Status:
    """Return the state after a report: the reported one where the table allows it, else the present one."""
    return reported if reported in NEXT[now] else now
