"""The one bounded wait for what another process does; tests and servers use it instead of sleeping."""

import time
from collections.abc import Callable


def wait_until(
    holds: Callable[[], object],
    within_s: float,
    what: str,
    detail: Callable[[], object] = lambda: "",
    *,
    poll_s: float = 0.02,
) -> None:
    """Ask again and again until the answer is true.

    Args:
        holds: The question; it may raise where waiting on is pointless.
        within_s: How long to wait at most.
        what: What is waited for, for the error's text.
        detail: What explains a failure, such as the end of a log; asked only then.
        poll_s: The pause between two questions.

    Raises:
        RuntimeError: It did not hold in time.
    """
    ends_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends_s:
            raise RuntimeError(f"{what}: not within {within_s:g} s\n{detail()}".rstrip())
        time.sleep(poll_s)
