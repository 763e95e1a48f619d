"""What is cut off an envelope that is too large, and put back: nothing else changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_protocol.claim import check_in, check_out, read_claim
from asya_protocol.errors import InvalidEnvelope

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=10,
)


def envelope(payload: object = "x" * 1000, **more: object) -> bytes:
    return json.dumps({"id": "e/1", "route": {"actors": ["a", "b"], "current": 1}, "payload": payload, **more}).encode()


@given(JSON, st.dictionaries(st.sampled_from(["traceparent", "tenant"]), JSON, max_size=2))
def test_what_is_put_back_is_what_was_cut_off(payload: object, headers: dict[str, object]) -> None:
    body = envelope(payload, extension=[1], **({"headers": headers} if headers else {}))
    cut = check_in(body, 0)
    assert (cut is None) == (len(body) - len(json.dumps(payload).encode()) > 0)
    forced = check_in(body, len(body) - 1)
    if forced is not None:
        claim, left, small = forced
        assert json.loads(small)["payload"] is None
        assert read_claim(json.loads(small)["headers"], "e/1") == claim
        assert json.loads(check_out(small, left)) == json.loads(body)


def test_the_key_follows_from_id_origin_place_and_payload() -> None:
    keys = [
        check_in(body, 500)[0].key  # type: ignore[index]
        for body in (
            envelope(),
            envelope(),
            envelope("y" * 1000),
            envelope(route={"actors": ["a"], "current": 0}),
            envelope(headers={"x-asya-lineage": [0]}),
            envelope(headers={"x-asya-lineage": [0] * 100}),
            envelope(headers={"x-asya-lineage": [0], "x-asya-fan-in": [{"group": "e@0~try1.2"}]}),
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 6
    assert keys[0].startswith("claims/e%2F1/1-")
    assert keys[4].startswith("claims/e%2F1/1~0-")
    assert all(read_claim({"x-asya-claim": {"key": key, "bytes": 1, "sha256": ""}}, "e/1") for key in keys)


@pytest.mark.parametrize(
    "body",
    [
        envelope("small"),
        b"x" * 1000,
        b'{"id": 7, "payload": "' + b"x" * 1000 + b'"}',
        envelope("small", headers={"large": "x" * 1000}),
        envelope(headers={"x-asya-claim": {}}),
    ],
)
def test_what_is_small_no_envelope_or_not_large_by_its_payload_stays_whole(body: bytes) -> None:
    assert check_in(body, 500) is None


@pytest.mark.parametrize(
    "header",
    [
        *(1, "x", {}, {"key": "claims/x"}),
        *(
            {"key": key, "bytes": 1, "sha256": "x"}
            for key in (
                *("results/e1.json", "claims/../results/e1.json", "claims/./x", "claims//x", "claims/x", "claims/x/"),
                *("claims/a/b/c", "claims/.partial/x", "claims/a/b\0", "claims/a/\n", f"claims/a/{'x' * 300}"),
            )
        ),
    ],
)
def test_a_claim_that_cannot_be_read_is_named(header: object) -> None:
    with pytest.raises(InvalidEnvelope, match="x-asya-claim"):
        read_claim({"x-asya-claim": header}, "a")
