"""What is said while an envelope is waited for."""

import pytest

from asya_cli.quiet import next_quiet
from asya_cli.waits import waiting_words
from asya_manifest.explanation import Why


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (None, "no result yet after 2 of 60 s"),
        (Why("actor", "clean is RuntimeError: no"), "no result yet after 2 of 60 s: clean is RuntimeError: no"),
        (Why("nothing", "it has succeeded"), "it has succeeded; its result is on its way, 2 of 60 s"),
        (Why("failed", "it has failed: E"), "it has failed: E; its result is on its way, 2 of 60 s"),
    ],
)
def test_a_wait_never_contradicts_itself(why: Why | None, words: str) -> None:
    assert waiting_words(2.1, 60.0, why) == words


def test_a_silence_is_spoken_of_at_2_and_7_seconds_and_then_ever_more_rarely() -> None:
    said, at_s = [], next_quiet(None)
    while at_s < 250:
        said.append(at_s)
        at_s += next_quiet(at_s)
    assert said == [2, 7, 14, 28, 56, 112, 172, 232]
