"""Did an envelope that arrived at a good end leave its route before its end?"""

import pytest

from asya_protocol.envelope import left_early_at


@pytest.mark.parametrize(
    ("actors", "current", "end", "left_at"),
    [
        (["a", "b"], 2, "happy-end", ""),
        (["a", "b"], 1, "happy-end", "b"),
        (["a", "happy-end"], 1, "happy-end", ""),
        (["a", "done"], 1, "done", ""),
        (["a", "happy-end", "b"], 2, "happy-end", "b"),
        ([], 0, "happy-end", ""),
        (["a"], -1, "happy-end", ""),
    ],
)
def test_where_a_handler_returned_nothing(actors: list[str], current: int, end: str, left_at: str) -> None:
    """A route that names its end, as producers of 0.1.1 may write it, has ended there, not before."""
    assert left_early_at(actors, current, end) == left_at
