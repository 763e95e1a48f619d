"""How long a process that died waits before it is started again. Pure."""

from dataclasses import dataclass
from typing import Final

from asya_process.backoff import pause_after

HANDLER_TIMEOUT_EXIT: Final = 124
"""Exit code of a runtime that ended itself because its handler passed the timeout (docs/protocol.md, 2.2)."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Pauses between restarts: ``first_s``, doubled each time, at most ``cap_s``."""

    first_s: float = 0.2
    """A single death (a kill, a crash on one envelope) should cost next to nothing."""
    cap_s: float = 15.0
    """A handler that cannot be imported should not cost a core; its author should not wait for minutes either."""
    healthy_s: float = 10.0
    """A process that lived this long was healthy; its death starts the count again."""

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after so many deaths in a row."""
        return pause_after(failures, self.first_s, self.cap_s)

    def failures_after(self, failures: int, *, lived_s: float, exit_code: int) -> int:
        """Deaths in a row after one more; a runtime that did its duty at a timeout counts as a first one."""
        was_well = lived_s >= self.healthy_s or exit_code == HANDLER_TIMEOUT_EXIT
        return 1 if was_well else failures + 1
