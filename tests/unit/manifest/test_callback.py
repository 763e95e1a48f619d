"""Where the end of an envelope is told, as tool files and calls write it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_manifest.callback import Callback, read_callback, split_url

HIDDEN = "s3cret"


def test_a_callback_has_a_secret_and_events_of_its_own_or_the_usual_ones() -> None:
    assert read_callback({"url": "https://a.example/x?y=1"}) == Callback("https://a.example/x?y=1")
    assert Callback("u").events == ("succeeded", "failed")
    found = read_callback({"url": "http://a.example", "secretRef": "team-a", "events": ["failed"]})
    assert found == Callback("http://a.example", "team-a", ("failed",))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("https://a.example", "must have a url"),
        ({}, "url must be a text"),
        ({"url": "https://a.example", "retries": 3}, "unknown key 'retries'"),
        ({"url": "https://a.example", 1: 3}, "unknown key '1'"),
        ({"url": f"file:///{HIDDEN}"}, "must begin with"),
        ({"url": f"gopher://a.example/{HIDDEN}"}, "must begin with"),
        ({"url": f"//a.example/{HIDDEN}"}, "must begin with"),
        ({"url": f"https:///{HIDDEN}"}, "must begin with"),
        ({"url": f"https://a.example:0/{HIDDEN}"}, "must begin with"),
        ({"url": f"https://a.example:99999/{HIDDEN}"}, "is no URL"),
        ({"url": f"https://[::1/{HIDDEN}"}, "is no URL"),
        ({"url": f"https://u:{HIDDEN}@a.example"}, "a user or a password"),
        ({"url": f"https://@a.example/{HIDDEN}"}, "a user or a password"),
        ({"url": f"https://a.example/#{HIDDEN}"}, "a fragment"),
        ({"url": f"https://a.example/{HIDDEN}#"}, "a fragment"),
        ({"url": f"https://a.example/\r\nHost: {HIDDEN}"}, "characters that no URL has"),
        ({"url": f"https://a.example/\t{HIDDEN}"}, "characters that no URL has"),
        ({"url": f"https://a.example\\@b.example/{HIDDEN}"}, "characters that no URL has"),
        ({"url": f"https://\u0430.example/{HIDDEN}"}, "punycode"),
        ({"url": f"https://a.example/{HIDDEN * 400}"}, "1 to 2048 characters"),
        ({"url": "https://a.example", "secretRef": "a b"}, "secretRef must be a name"),
        ({"url": "https://a.example", "secretRef": 7}, "secretRef must be a name"),
        ({"url": "https://a.example", "events": []}, "events must be a list"),
        ({"url": "https://a.example", "events": "failed"}, "events must be a list"),
        ({"url": "https://a.example", "events": ["failed", ["x"]]}, "events must be a list"),
    ],
)
def test_what_cannot_be_is_refused_without_repeating_the_url(given: object, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        read_callback(given)
    assert HIDDEN not in str(caught.value)


@given(st.text() | st.from_regex(r"https?://[^\s]*", fullmatch=True))
def test_a_url_that_is_taken_can_be_split_and_has_one_host(url: str) -> None:
    try:
        parts = split_url(url)
    except ValueError:
        return
    assert parts.hostname
    assert parts.geturl().startswith(("http://", "https://"))
    assert not set(url) & set(" \r\n\t\\@#") or "@" not in parts.netloc
