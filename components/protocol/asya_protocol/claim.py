"""The claim that an envelope carries whose payload is too large for a queue, and how the two are parted and joined. Pure.

The envelope keeps everything but its payload, which is ``null`` meanwhile, and gets the header
``x-asya-claim: {"key", "bytes", "sha256"}``. The key follows from the envelope's id, its place in the route and the payload,
``claims/<id>/<current>-<digest>``, so that a send that is repeated overwrites its own object.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import origin_mark, parse_id, parse_object, parse_route
from asya_protocol.errors import EnvelopeError, InvalidEnvelope
from asya_protocol.key_segment import segment

PREFIX: Final = "claims/"

_KEY: Final = re.compile(r"claims/(?!\.)[!-.0-~]{1,255}/(?!\.)[!-.0-~]{1,255}")
"""Keys come with envelopes, from anybody; those that we make are ``asya_protocol.key_segment.segment`` and a plain name."""
_HEADERS: Final = msgspec.json.Decoder(dict[str, object])


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


def read_claim(headers: Mapping[str, object], envelope_id: str) -> Claim | None:
    """Read the claim of an envelope; ``None`` when it carries its payload itself.

    Raises:
        InvalidEnvelope: The header is there and cannot be read, or names an object that was left for another envelope:
            whoever sent it would read, and then redeem, what is not theirs.
    """
    found = headers.get(names.HEADER_CLAIM)
    if found is None:
        return None
    if isinstance(found, dict):
        key, size, digest = found.get("key"), found.get("bytes"), found.get("sha256")
        if isinstance(key, str) and _KEY.fullmatch(key) and isinstance(size, int) and isinstance(digest, str):
            if not key.startswith(f"{_folder(envelope_id)}/"):
                raise InvalidEnvelope(f"Header '{names.HEADER_CLAIM}' names an object of another envelope: {key}")
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
    mark = origin_mark(headers)
    place = f"{current}~{mark}" if mark else f"{current}"
    claim = Claim(f"{_folder(envelope_id)}/{place}-{digest[:32]}", len(payload), digest)
    small = {**document, "headers": {**headers, names.HEADER_CLAIM: claim.as_json()}, "payload": None}
    return claim, payload, msgspec.json.encode(small)


def _folder(envelope_id: str) -> str:
    """Where the payloads of one envelope wait."""
    return f"{PREFIX}{segment(envelope_id)}"


def check_out(body: bytes, payload: bytes) -> bytes:
    """Put the payload back into an envelope that carries a claim."""
    document = parse_object(body)
    headers = _HEADERS.decode(document["headers"])
    headers.pop(names.HEADER_CLAIM, None)
    rest = {name: value for name, value in document.items() if name not in {"headers", "payload"}}
    whole: dict[str, object] = {**rest, **({"headers": headers} if headers else {}), "payload": msgspec.Raw(payload)}
    return msgspec.json.encode(whole)
