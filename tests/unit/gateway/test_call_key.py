"""Keys of calls: what is one, and what tells two calls apart."""

import pytest

from asya_gateway.records.call_key import LONGEST, InvalidKey, call_key, read_key


@pytest.mark.parametrize("text", ["a", '"a"', "8e03978e-40d5-43dd-bc93-6894a57f9324", "x" * LONGEST, '"'])
def test_a_key_is_text_that_a_header_can_hold(text: str) -> None:
    assert read_key(text) == (text.strip('"') or '"')


@pytest.mark.parametrize("text", ["", '""', "a b", "a\tb", "é", "x" * (LONGEST + 1), None, 7, ["a"]])
def test_what_is_none_is_refused(text: object) -> None:
    with pytest.raises(InvalidKey, match="a key is 1 to 255 printable ASCII characters"):
        read_key(text)


def test_a_call_is_told_by_caller_key_tool_and_arguments() -> None:
    one = call_key("me", "k", "tool", {"a": 1, "b": [2.5]})
    assert one == call_key("me", "k", "tool", {"b": [2.5], "a": 1})
    assert one.digest == call_key("me", "k", "other", None).digest
    digests = {call_key(owner, key, "tool", None).digest for owner in ("me", "you") for key in ("k", ["s", 1])}
    assert len(digests) == 4
    assert call_key("me", "k", "tool", None, strict=False).digest != one.digest
    assert one.arguments != call_key("me", "k", "other", {"a": 1, "b": [2.5]}).arguments
    assert one.arguments != call_key("me", "k", "tool", {"a": 2, "b": [2.5]}).arguments
