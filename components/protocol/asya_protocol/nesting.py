"""How deep JSON may be nested: as deep as every Python reads it.

Pythons before 3.12 give up at about a thousand levels, newer ones at many thousands, each at a depth of its own. What one
process takes the next one has to take as well, so that the depth is said here and not left to the interpreter.
"""

from itertools import accumulate
from typing import Final

DEEPEST: Final = 1000
"""Levels of arrays and objects inside one another."""
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = tuple({91: 1, 123: 1, 93: -1, 125: -1}.get(byte, 0) for byte in range(256))


def too_deep(text: bytes) -> bool:
    """Whether valid JSON is nested deeper than ``DEEPEST``; quick where it has no more brackets than that."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return False
    unquoted = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(unquoted.split(b'"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, outside.translate(None, _NO_BRACKETS))), default=0) > DEEPEST
