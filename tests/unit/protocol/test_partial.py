"""What a joined envelope lacks, and where a group that cannot be joined fails."""

import pytest

from asya_protocol import names
from asya_protocol.partial import LONGEST_PATH, failed_place, inside, lacking, missing_children, without


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ((), ""),
        ((1,), "without child 1 of its fan-out"),
        ((1, 4), "without children 1, 4 of its fan-out"),
        ((1, "0.4"), "without children 1, 0.4 of its fan-out"),
        (range(12), "without children 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more of its fan-out"),
    ],
)
def test_what_a_result_lacks_in_words(missing: tuple[int | str, ...], words: str):
    assert without(missing) == words


@pytest.mark.parametrize("found", [None, "x", {"a": 1}, 3])
def test_a_header_of_another_form_says_nothing(found: object):
    assert missing_children({names.HEADER_MISSING: found}) == ()
    assert missing_children({names.HEADER_MISSING: [1, "x", 3]}) == (1, 3)


def test_what_children_lack_is_named_by_its_path():
    assert lacking({names.HEADER_MISSING: [1, True, "x", "3", "2.0", "2.0.17", "2..0", "1" * 63 + ".1", None]}) == (
        1,
        "2.0",
        "2.0.17",
    )
    assert inside(4, [1, "2.0"]) == ["4.1", "4.2.0"]
    assert inside(4, ["1" * LONGEST_PATH]) == []


def test_a_group_that_cannot_be_joined_fails_at_fan_in_and_not_at_the_actor_behind_it():
    route = ["split", "fan-in", "total"]
    assert failed_place(route, 2, "ChildrenMissing") == 1
    assert failed_place(route, 2, "KeyError") == 2
    assert failed_place(route, 1, "ChildrenMissing") == 1
    assert failed_place(route[:2], 2, "ChildrenMissing") == 1
    assert failed_place([], 0, "ChildrenMissing") == 0
