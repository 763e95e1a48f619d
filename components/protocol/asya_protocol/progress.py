"""What a sidecar says of an attempt that failed and is made again: words in a progress report's ``message``.

Asya 0.1.1's report has no field for it; words pass through its gateway unharmed, and ours reads them back.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_CAUSE: Final = 1_000
"""Characters of a cause that are told; a handler's exception may hold its whole input."""
_WORDS: Final = re.compile(r"Attempt (\d+) failed, next in (\d+(?:\.\d+)?) s: (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed.

    Attributes:
        attempt: The how-manieth, from 1.
        again_in_s: After how many seconds the next one may begin, counted from the report.
        cause: Why it failed.
    """

    attempt: int
    again_in_s: float
    cause: str

    @property
    def words(self) -> str:
        """As the report's message has it."""
        cause = self.cause if len(self.cause) <= LONGEST_CAUSE else f"{self.cause[:LONGEST_CAUSE]} ..."
        return f"Attempt {self.attempt} failed, next in {self.again_in_s:.1f} s: {cause}"


def read_retry(message: str | None) -> Retry | None:
    """Read a report's message; ``None`` when it tells something else."""
    found = _WORDS.fullmatch(message or "")
    return None if found is None else Retry(int(found[1]), float(found[2]), found[3])
