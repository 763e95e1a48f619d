"""Depth of JSON: counted outside of texts, and the same whatever Python reads it."""

import pytest

from asya_protocol.nesting import DEEPEST, too_deep


def nested(depth: int, inner: bytes = b"") -> bytes:
    return b"[" * depth + inner + b"]" * depth


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (nested(DEEPEST), False),
        (nested(DEEPEST + 1), True),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), True),
        (b"[" + b",".join([nested(3, b'{"a": 1}')] * DEEPEST) + b"]", False),
        (b'["' + b"[" * 2 * DEEPEST + b'"]', False),
        (b'["\\"' + b"[" * 2 * DEEPEST + b'\\\\"]', False),
        (b'["' + b"]" * 2 * DEEPEST + b'",' + nested(DEEPEST) + b"]", True),
        (b'["' + b"[" * 2 * DEEPEST + b'",' + nested(DEEPEST) + b"]", True),
    ],
    ids=["deepest", "deeper", "objects", "many", "text", "quotes", "closed-in-text", "open-in-text"],
)
def test_a_depth_is_that_of_arrays_and_objects(text: bytes, deep: bool) -> None:
    assert too_deep(text) is deep
