"""The history of a fault run: what happened to every envelope, checked and printed as one table.

An envelope ends *succeeded* (happy-end kept it), *failed* (error-end kept it) or *dead* (it waits in a dead letter queue).
*blamed*: it failed or is dead though its handler never raised. *duplicated*: handler runs beyond one per envelope and hop.
*lost*: it ended nowhere. *unexpected*: an end for an id that nobody sent, or two different ends.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class History:
    """What was done and what was seen; ids are envelope ids."""

    sent: set[str] = field(default_factory=set)
    raising: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    dead: Counter[str] = field(default_factory=Counter)
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    retried: int = 0

    @property
    def ended(self) -> set[str]:
        """Ids that ended somewhere."""
        return self.succeeded | self.failed | set(self.dead)

    @property
    def lost(self) -> set[str]:
        """Sent, and ended nowhere."""
        return self.sent - self.ended

    @property
    def blamed(self) -> set[str]:
        """Failed or dead though the handler never raised."""
        return (self.failed | set(self.dead)) - self.raising

    @property
    def unexpected(self) -> set[str]:
        """Never sent, or ended in two ways, or succeeded though its handler raises."""
        twice = (self.succeeded & self.failed) | ((self.succeeded | self.failed) & set(self.dead))
        return (self.ended - self.sent) | twice | (self.succeeded & self.raising)

    @property
    def duplicated(self) -> int:
        """Handler runs beyond one per envelope and hop."""
        return sum(count - 1 for count in self.runs.values())

    def table(self, title: str) -> str:
        """Write the table that a fault test prints."""
        faults = ", ".join(f"{count} x {name}" for name, count in sorted(self.faults.items())) or "none"
        rows: Iterable[tuple[str, int]] = (
            ("sent", len(self.sent)),
            ("succeeded", len(self.succeeded)),
            ("failed", len(self.failed)),
            ("of them raising", len(self.failed & self.raising)),
            ("retries", self.retried),
            ("dead letters", self.dead.total()),
            ("blamed", len(self.blamed)),
            ("duplicated runs", self.duplicated),
            ("lost", len(self.lost)),
            ("unexpected", len(self.unexpected)),
        )
        lines = [f"{title}: {faults}", *(f"  {name:<16}{count:>7}" for name, count in rows)]
        return "\n".join(lines)
