"""Replay: what is sent of a failed envelope keeps its lineage and loses what belonged to the run that failed."""

import json
from typing import Any

import pytest

from asya_protocol import names
from asya_protocol.replay import NotReplayable, from_hop, from_start, read_failed, replay_mark


def kept(payload: dict[str, Any] | None = None, **more: Any) -> bytes:
    document = {
        "id": "order-7-1",
        "parent_id": "order-7",
        "route": {"actors": ["split", "work", "fan-in"], "current": 1, "metadata": {"job_id": "j"}},
        "headers": {
            "tenant": "blue",
            "x-asya-attempt": 3,
            "x-asya-lineage": [0],
            "x-asya-fan-in": [{"group": "order-7@0", "index": 1, "count": 2}],
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        },
        "deadline": "2026-01-01T00:00:00Z",
        "payload": payload
        or {
            "error": "processing_error",
            "details": {"type": "KeyError", "message": "'n'"},
            "original_payload": {"n": 1},
        },
    }
    return json.dumps({**document, **more}).encode()


def test_from_the_hop_that_failed_it_goes_on_with_what_that_hop_was_given_and_all_its_lineage() -> None:
    failed = read_failed(kept())
    sent = json.loads(from_hop(failed).dump())
    assert failed.cause == "KeyError: 'n'"
    assert sent == {
        "id": "order-7-1",
        "parent_id": "order-7",
        "route": {"actors": ["split", "work", "fan-in"], "current": 1, "metadata": {"job_id": "j"}},
        "headers": {
            "tenant": "blue",
            "x-asya-lineage": [0],
            "x-asya-fan-in": [{"group": "order-7@0", "index": 1, "count": 2}],
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            "x-asya-replay": failed.token,
        },
        "payload": {"n": 1},
    }
    assert replay_mark(from_hop(failed)) == failed.token


def test_every_failure_has_a_token_of_its_own() -> None:
    assert read_failed(kept()).token == read_failed(kept()).token != read_failed(kept(extra=1)).token


def test_a_payload_that_waits_in_the_store_is_claimed_again() -> None:
    claim = {"key": "claims/x", "sha256": "0" * 64, "bytes": 9}
    sent = from_hop(
        read_failed(kept({"error": "Deadline exceeded", "original_payload": None, "original_claim": claim}))
    )
    assert sent.headers[names.HEADER_CLAIM] == claim
    assert bytes(sent.payload) == b"null"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"not json", "no failed envelope"),
        (kept({"error": names.CANCELLED, "original_payload": 1}), "cancelled by its caller"),
        (kept({"error": "Failed to parse message", "original_body": "x"}), "keeps no input"),
        (
            kept(
                {"error": "processing_error", "details": {"type": "ChildrenMissing", "message": "1 of 2"}},
                route={"actors": ["split", "fan-in", "sum"], "current": 2},
            ),
            "want of its children",
        ),
    ],
)
def test_what_cannot_run_again_says_why(body: bytes, why: str) -> None:
    with pytest.raises(NotReplayable, match=why):
        from_hop(read_failed(body))


def test_from_its_start_it_has_the_route_and_the_payload_that_it_was_sent_with() -> None:
    top = read_failed(kept(headers={"tenant": "blue"}, parent_id=None))
    sent = from_start(top, ("split", "work"), b'{"whole":true}')
    assert (sent.route.actors, sent.route.current, bytes(sent.payload)) == (("split", "work"), 0, b'{"whole":true}')
    assert sent.headers["tenant"] == "blue"


def test_a_start_that_nobody_knows_is_refused_and_one_that_failed_at_once_is_known() -> None:
    with pytest.raises(NotReplayable, match="--from hop"):
        from_start(read_failed(kept()))
    with pytest.raises(NotReplayable, match="its start is its parent's"):
        from_start(read_failed(kept()), ("split",), b"{}")
    at_once = read_failed(kept(route={"actors": ["split"], "current": 0}, headers={}))
    assert bytes(from_start(at_once).payload) == b'{"n": 1}'
