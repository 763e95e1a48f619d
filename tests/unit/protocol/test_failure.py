"""Why an envelope failed, in one sentence with its place."""

import pytest

from asya_protocol.failure import failure_words, last_place, own_place

STACK = """Traceback (most recent call last):
  File "/srv/pages.py", line 12, in translate
    return words[page]
  File "/srv/.venv/lib/python3.11/site-packages/requests/api.py", line 3, in get
  File "/usr/lib/python3.11/json/decoder.py", line 355, in decode
KeyError: 'evening'
"""
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/usr/lib/python3.11/asyncio/taskgroups.py", line 145, in __aexit__
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/tg.py", line 4, in one
    | ValueError: bad item
    +------------------------------------
"""


def test_the_place_is_the_innermost_frame_of_the_users_own_code():
    assert own_place(STACK) == "pages.py:12 in translate"
    assert last_place(STACK) == "decoder.py:355 in decode"
    assert own_place(GROUP) == "tg.py:4 in one"
    assert own_place(STACK.replace("/srv/pages", "/usr/lib/python3.11/x")) == "decoder.py:355 in decode"
    ours = '  File "/opt/asya/asya_runtime.py", line 483, in encode_json\n'
    assert (own_place(ours), own_place(STACK + ours)) == ("", "pages.py:12 in translate")
    assert own_place("no frames") == own_place("") == ""


@pytest.mark.parametrize(
    ("error", "details", "words"),
    [
        (
            "processing_error",
            {"type": "KeyError", "message": "'evening'", "traceback": STACK},
            "processing_error: KeyError: 'evening', at pages.py:12 in translate",
        ),
        ("timed out, at pages.py:12 in translate", {"traceback": STACK}, "timed out, at pages.py:12 in translate"),
        ("processing_error", {"type": "E", "message": ""}, "processing_error: E"),
        ("code", None, "code"),
        (None, {"traceback": STACK}, ""),
    ],
)
def test_an_error_is_told_with_what_is_known_of_it(error: str | None, details: dict[str, str] | None, words: str):
    assert failure_words(error, details) == words
