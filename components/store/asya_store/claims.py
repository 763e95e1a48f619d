"""Claim check: a payload too large for a queue waits in the object store while its envelope travels with a claim to it.

Whoever acknowledged the delivery that carried a claim (``asya_protocol.claim``) redeems it: the object becomes an empty one.
That tells a duplicate (its work is done) from a claim that was lost (an error). A bucket's lifecycle rule may expire
``claims/`` after the longest time that an envelope can wait.
"""

import hashlib
from typing import Final

from asya_protocol.claim import Claim, check_in
from asya_store.port import Store

DEFAULT_OVER_BYTES: Final = 192 * 1024
"""SQS carried 256 KiB until 2025 and LocalStack still does; headers and an error's traceback need the rest."""


class ClaimLost(Exception):
    """The object behind a claim is gone or is not what was left there."""


class ClaimRedeemed(Exception):
    """A delivery with the same claim was acknowledged already: this one is its duplicate."""


class ClaimCheck:
    """Leaves and redeems payloads in one store. Methods block; several threads may call them."""

    def __init__(self, store: Store, over_bytes: int = DEFAULT_OVER_BYTES) -> None:
        self._store = store
        self.over_bytes = over_bytes

    def leave(self, body: bytes) -> bytes:
        """Leave an envelope's payload in the store where the envelope is too large; returns what is to be sent.

        Raises:
            StoreUnavailable: It is not there; nothing may be sent.
        """
        cut = check_in(body, self.over_bytes)
        if cut is None:
            return body
        claim, payload, small = cut
        self._store.put(claim.key, payload)
        return small

    def fetch(self, claim: Claim) -> bytes:
        """Read a payload; it stays in the store.

        Raises:
            ClaimLost: It is not there, or not what was left.
            ClaimRedeemed: It has been redeemed.
            StoreUnavailable: The store is away.
        """
        payload = self._store.get(claim.key)
        if payload is None:
            raise ClaimLost(f"payload of {claim.size_bytes} bytes is missing from the object store: {claim.key}")
        if not payload:
            raise ClaimRedeemed(claim.key)
        if hashlib.sha256(payload).hexdigest() != claim.sha256:
            raise ClaimLost(f"payload in the object store is not what was left there: {claim.key}")
        return payload

    def redeem(self, claim: Claim) -> None:
        """Replace the payload by an empty object, which marks the claim as redeemed.

        Raises:
            StoreUnavailable: It stays until the bucket's lifecycle rule removes it.
        """
        self._store.put(claim.key, b"")
