"""When a failed hop is tried again, and after how long: tables and arithmetic, chance is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass

from asya_protocol.reply import PERMANENT_CODES, ErrorItem


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How handler errors are retried (``spec.retry`` of an AsyncActor)."""

    max_attempts: int = 3
    """Attempts of the handler in total, the first one included."""
    initial_delay_s: float = 1.0
    """Pause before the second attempt."""
    max_delay_s: float = 300.0
    """No pause is longer; SQS honours at most 900 s."""
    multiplier: float = 2.0
    """Growth of the pause from one attempt to the next."""
    jitter: float = 0.2
    """Share of the pause that chance may take away or add, 0 to 1, so that failures do not come back in step."""
    retry_on: frozenset[str] = frozenset()
    """Class names to retry, matched against the error's class and its bases; empty means every class."""
    non_retryable: frozenset[str] = frozenset()
    """Class names never to retry; wins over ``retry_on``."""

    def delay_s(self, attempt: int, chance: float) -> float:
        """Pause after a failed attempt.

        Args:
            attempt: The attempt that failed, counted from 1.
            chance: Evenly distributed in [0, 1).
        """
        # 60 doublings are far beyond any max_delay_s and keep the power from overflowing.
        pause_s = self.initial_delay_s * self.multiplier ** min(attempt - 1, 60)
        spread = 1 + self.jitter * (2 * chance - 1)
        return min(pause_s * spread, self.max_delay_s)

    def retries(self, error: ErrorItem, attempt: int) -> bool:
        """Whether a handler's error after this attempt is worth another one."""
        if error.permanent or error.code in PERMANENT_CODES or attempt >= self.max_attempts:
            return False
        if _match(error.mro, self.non_retryable):
            return False
        return not self.retry_on or _match(error.mro, self.retry_on)


def _match(mro: Iterable[str], names: frozenset[str]) -> bool:
    """Compare class names; a dotted name in the policy matches by its last part, as the runtime reports bare names."""
    bare = {name.rpartition(".")[2] for name in names}
    return any(name in bare or name in names for name in mro)
