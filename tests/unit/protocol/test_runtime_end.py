"""How a runtime's process ended, in words."""

import pytest

from asya_protocol.runtime_end import describe_end, describe_note, encode_end


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (-9, "the runtime was ended by SIGKILL (out of memory?)"),
        (-11, "the runtime was ended by SIGSEGV (a crash in native code)"),
        (-6, "the runtime was ended by SIGABRT (native code gave up)"),
        (-15, "the runtime was ended by SIGTERM"),
        (-35, "the runtime was ended by signal 35"),
        (0, "the runtime ended with exit code 0"),
        (3, "the runtime ended with exit code 3"),
    ],
)
def test_an_end_is_told_by_its_signal_or_its_exit_code(exit_code: int, words: str):
    assert describe_note(encode_end(exit_code)) == describe_end(exit_code) == words


@pytest.mark.parametrize("note", [b"", b"{}", b"nonsense", b"[]", b'{"signal": "x"}', b"\xff"])
def test_a_note_that_says_nothing_is_no_words(note: bytes):
    assert describe_note(note) == ""
