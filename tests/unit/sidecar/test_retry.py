"""How long a retry waits: arithmetic that a table can show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol.reply import ErrorItem
from asya_sidecar.core.retry import RetryPolicy


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (5000, 300.0)])
def test_backoff_doubles_up_to_its_bound(attempt: int, delay_s: float) -> None:
    """In the middle of the jitter the pause is exact."""
    assert RetryPolicy().delay_s(attempt, 0.5) == delay_s


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_its_share(attempt: int, chance: float) -> None:
    """A fifth either way, never over the bound."""
    policy = RetryPolicy()
    middle_s = min(2.0 ** min(attempt - 1, 60), 1e9)
    delay_s = policy.delay_s(attempt, chance)
    assert min(0.8 * middle_s, 300.0) <= delay_s <= min(1.2 * middle_s, 300.0)


GROUP = ("ExceptionGroup", "BaseExceptionGroup", "Exception", "ValueError", "ConnectionError", "OSError")


@pytest.mark.parametrize(
    ("policy", "error", "retried"),
    [
        (RetryPolicy(non_retryable=frozenset({"ValueError"})), ErrorItem("processing_error", mro=GROUP), False),
        (RetryPolicy(retry_on=frozenset({"ConnectionError"})), ErrorItem("processing_error", mro=GROUP), True),
        (RetryPolicy(retry_on=frozenset({"KeyError"})), ErrorItem("processing_error", mro=GROUP), False),
        (RetryPolicy(), ErrorItem("processing_error", permanent=True), False),
        (RetryPolicy(), ErrorItem("processing_error"), True),
    ],
)
def test_rules_look_into_a_group_and_what_is_permanent_is_not_tried_again(
    policy: RetryPolicy, error: ErrorItem, retried: bool
) -> None:
    assert policy.retries(error, 1) is retried
