"""Claim check: a payload too large for a queue waits in the object store while its envelope travels with a claim to it.

The envelope keeps everything but its payload, which is ``null`` meanwhile, and gets the header
``x-asya-claim: {"key", "bytes", "sha256"}``. The key follows from the envelope's id, its place in the route and the payload,
``claims/<id>/<current>-<digest>``, so that a send that is repeated overwrites its own object.

Whoever acknowledged the delivery that carried a claim redeems it: the object becomes an empty one. That tells a duplicate
(its work is done) from a claim that was lost (an error). A bucket's lifecycle rule may expire ``claims/`` after the
longest time that an envelope can wait.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import parse_id, parse_object, parse_route
from asya_protocol.errors import EnvelopeError, InvalidEnvelope
from asya_store.key_segment import segment
from asya_store.port import Store

PREFIX: Final = "claims/"
DEFAULT_OVER_BYTES: Final = 192 * 1024
"""SQS carried 256 KiB until 2025 and LocalStack still does; headers and an error's traceback need the rest."""

_KEY: Final = re.compile(r"claims/(?!\.)[!-.0-~]{1,255}/(?!\.)[!-.0-~]{1,255}")
"""Keys come with envelopes, from anybody; those that we make are ``asya_store.key_segment.segment`` and a plain name."""
_HEADERS: Final = msgspec.json.Decoder(dict[str, object])


class ClaimLost(Exception):
    """The object behind a claim is gone or is not what was left there."""


class ClaimRedeemed(Exception):
    """A delivery with the same claim was acknowledged already: this one is its duplicate."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Where a payload waits.

    Attributes:
        key: Of the object.
        size_bytes: Of the payload.
        sha256: Of the payload, 64 hex digits.
    """

    key: str
    size_bytes: int
    sha256: str

    def as_json(self) -> dict[str, object]:
        """Shape it for the header."""
        return {"key": self.key, "bytes": self.size_bytes, "sha256": self.sha256}


def read_claim(headers: Mapping[str, object]) -> Claim | None:
    """Read the claim of an envelope; ``None`` when it carries its payload itself.

    Raises:
        InvalidEnvelope: The header is there and cannot be read.
    """
    found = headers.get(names.HEADER_CLAIM)
    if found is None:
        return None
    if isinstance(found, dict):
        key, size, digest = found.get("key"), found.get("bytes"), found.get("sha256")
        if isinstance(key, str) and _KEY.fullmatch(key) and isinstance(size, int) and isinstance(digest, str):
            return Claim(key, size, digest)
    raise InvalidEnvelope(f"Header '{names.HEADER_CLAIM}' must be an object with 'key', 'bytes' and 'sha256'")


def check_in(body: bytes, over_bytes: int) -> tuple[Claim, bytes, bytes] | None:
    """Cut an envelope's payload off.

    Args:
        body: The envelope.
        over_bytes: Envelopes up to this size stay whole.

    Returns:
        The claim, the payload to leave under its key, and the envelope that carries the claim; ``None`` when the envelope is
        small enough, is not one, or is not large because of its payload.
    """
    if len(body) <= over_bytes:
        return None
    try:
        document = parse_object(body)
        envelope_id, current = parse_id(document), parse_route(document).current
        headers = _HEADERS.decode(document["headers"]) if "headers" in document else {}
    except (EnvelopeError, msgspec.DecodeError):
        return None
    payload = bytes(document.get("payload", msgspec.Raw(b"null")))
    if len(body) - len(payload) > over_bytes or names.HEADER_CLAIM in headers:
        return None
    digest = hashlib.sha256(payload).hexdigest()
    claim = Claim(f"{PREFIX}{segment(envelope_id)}/{current}-{digest[:32]}", len(payload), digest)
    small = {**document, "headers": {**headers, names.HEADER_CLAIM: claim.as_json()}, "payload": None}
    return claim, payload, msgspec.json.encode(small)


def check_out(body: bytes, payload: bytes) -> bytes:
    """Put the payload back into an envelope that carries a claim."""
    document = parse_object(body)
    headers = _HEADERS.decode(document["headers"])
    headers.pop(names.HEADER_CLAIM, None)
    rest = {name: value for name, value in document.items() if name not in {"headers", "payload"}}
    whole: dict[str, object] = {**rest, **({"headers": headers} if headers else {}), "payload": msgspec.Raw(payload)}
    return msgspec.json.encode(whole)


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
