"""Payloads in the store, left, fetched and redeemed."""

import json
from pathlib import Path

import pytest

from asya_protocol.claim import Claim, read_claim
from asya_store.claims import ClaimCheck, ClaimLost, ClaimRedeemed
from asya_store.folder import FolderStore

BODY = json.dumps({"id": "e/1", "route": {"actors": ["a", "b"], "current": 1}, "payload": "x" * 1000}).encode()


def test_a_desk_gives_back_what_was_left_until_it_is_redeemed(tmp_path: Path) -> None:
    desk = ClaimCheck(FolderStore(tmp_path), 500)
    claim = read_claim(json.loads(desk.leave(BODY))["headers"], "e/1")
    assert claim is not None
    assert json.loads(desk.fetch(claim)) == "x" * 1000
    desk.redeem(claim)
    with pytest.raises(ClaimRedeemed):
        desk.fetch(claim)
    desk.leave(BODY)
    assert json.loads(desk.fetch(claim)) == "x" * 1000


def test_a_lost_or_changed_payload_is_an_error_that_names_the_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    claim = Claim("claims/e1/0-aa", 5, "0" * 64)
    with pytest.raises(ClaimLost, match="5 bytes is missing from the object store: claims/e1/0-aa"):
        ClaimCheck(store).fetch(claim)
    store.put(claim.key, b"other")
    with pytest.raises(ClaimLost, match="not what was left there"):
        ClaimCheck(store).fetch(claim)
