"""Parses the facts out of the messages of sidecars before 0.2.0, which sent words alone. To be removed in 0.4.0.

By then no sidecar of Asya 0.1.1 is served any more, and histories that those wrote are deleted. The only caller is the
gateway's ``Event.told``.
"""

import re
from typing import Final

from asya_protocol.reports import Facts, Retry

_BY: Final = re.compile(r"Processing in (\S+)")
_TOOK: Final = re.compile(r"Completed processing in (\d{1,12})ms")
_FAILED: Final = re.compile(r"Attempt (\d{1,9}) failed, next in (\d{1,9}(?:\.\d+)?) s: (.*)", re.DOTALL)


def facts_in_words(message: str | None) -> Facts:
    """Read a report's message; empty where it says something else."""
    words = message or ""
    if by := _BY.match(words):
        return Facts(by=by[1])
    if took := _TOOK.match(words):
        return Facts(duration_ms=int(took[1]))
    if failed := _FAILED.fullmatch(words):
        return Facts(retry=Retry(int(failed[1]), float(failed[2]), failed[3]))
    return Facts()
