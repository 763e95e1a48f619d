"""When a token ends, as far as it says so."""

import base64
import json

import pytest

from asya_process.token_end import token_ends_s

pytestmark = pytest.mark.unit


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{body}.c2lnbmVk"


@pytest.mark.parametrize(
    ("token", "ends_s"),
    [
        (jwt({"exp": 1790000000, "sub": "a"}), 1790000000.0),
        (jwt({"exp": 1790000000.5}), 1790000000.5),
        (jwt({"sub": "a"}), None),
        (jwt({"exp": "soon"}), None),
        (jwt({"exp": True}), None),
        (jwt([1]), None),
        ("a.b.c", None),
        ("a.ä.c", None),
        ("a-plain-token", None),
        ("", None),
    ],
)
def test_a_token_says_its_end_or_nothing_is_known(token: str, ends_s: float | None) -> None:
    assert token_ends_s(token) == ends_s
