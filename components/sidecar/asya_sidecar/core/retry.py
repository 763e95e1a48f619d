"""When a failed hop is tried again, and after how long: tables and arithmetic, chance is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from asya_process.settings import number, setting, whole, words
from asya_protocol.durations import parse_duration
from asya_protocol.reply import PERMANENT_CODES, ErrorItem

LONGEST_DELAY_S: Final = 900.0
"""SQS's DelaySeconds ends at 15 min; a longer promise could not be kept on every transport."""


def _delay(text: str) -> float:
    if (delay_s := parse_duration(text)) > LONGEST_DELAY_S:
        raise ValueError(f"{delay_s:g}s is over the longest delay of 15m")
    return delay_s


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How handler errors are retried (`spec.retry` of an AsyncActor)."""

    max_attempts: int = setting("ASYA_RETRY_MAX_ATTEMPTS", whole(1, 1000), "3")
    """Attempts of the handler in total, the first one included."""
    initial_delay_s: float = setting("ASYA_RETRY_INITIAL_DELAY", parse_duration, "1s")
    """Pause before the second attempt."""
    max_delay_s: float = setting("ASYA_RETRY_MAX_DELAY", _delay, "5m")
    """No pause is longer; at most 15m."""
    multiplier: float = setting("ASYA_RETRY_MULTIPLIER", number(1, 100), "2")
    """Growth of the pause from one attempt to the next."""
    jitter: float = setting("ASYA_RETRY_JITTER", number(0, 1), "0.2")
    """Share of the pause that chance may take away or add, 0 to 1, so that failures do not come back in step."""
    retry_on: frozenset[str] = setting("ASYA_RETRY_ON", words, "")
    """Class names to retry, separated by commas, matched against the error's class and its bases; empty means every class."""
    non_retryable: frozenset[str] = setting("ASYA_RETRY_NON_RETRYABLE", words, "")
    """Class names never to retry; wins over `ASYA_RETRY_ON`."""

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
