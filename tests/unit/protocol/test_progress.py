"""Facts that older sidecars told in words alone are read from them, and from nothing else."""

import pytest

from asya_protocol.progress import facts_in_words
from asya_protocol.reports import Facts, Retry

READ: list[tuple[str | None, Facts]] = [
    ("Processing in happy-end", Facts(by="happy-end")),
    ("Completed processing in 7ms", Facts(duration_ms=7)),
    ("Attempt 1 failed, next in 0.2 s: E: line one\nline two", Facts(retry=Retry(1, 0.2, "E: line one\nline two"))),
    ("Attempt one failed, next in 1 s: x", Facts()),
    ("Received message (0.10 KB)", Facts()),
    ("", Facts()),
    (None, Facts()),
]


@pytest.mark.parametrize(("message", "facts"), READ)
def test_facts_are_read_from_words(message: str | None, facts: Facts) -> None:
    assert facts_in_words(message) == facts
