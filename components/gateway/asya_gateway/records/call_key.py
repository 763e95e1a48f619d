"""A call that may be made again: its key, and what a store keeps of it. Pure.

The same key of the same caller stands for one envelope for a day, whichever replica it reaches, whether the first call's
answer arrived or not. Facts: draft-ietf-httpapi-idempotency-key-header-07 (422 for other content); MCP 2026-07-28 has no key
of its own, and makes clients repeat a call whose stream broke (SEP-3182 proposed one and was closed).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

KEPT_S: Final = 24 * 3600.0
"""How long a key stands for its envelope."""
LONGEST: Final = 255
"""Characters of a key."""


class InvalidKey(ValueError):
    """Not a key."""

    def __init__(self) -> None:
        super().__init__(f"a key is 1 to {LONGEST} printable ASCII characters without a space")


@dataclass(frozen=True, slots=True)
class CallKey:
    """One call, as its repetitions name it.

    Attributes:
        digest: Of caller and key, so that neither is readable in the database.
        arguments: Digest of the tool and its arguments, which must be the same when it is repeated.
        strict: Whether other arguments are refused; where the key is only a request's number, they are another call.
    """

    digest: str
    arguments: str
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """A key's row.

    Attributes:
        envelope_id: The envelope that it stands for.
        arguments: Digest of the first call's.
        calls: How often it was called; 1 is the call that made the envelope.
        sending_until: Until when one of the calls is sending it; ``None`` once it is sent, or known not to be.
    """

    envelope_id: str
    arguments: str
    calls: int
    sending_until: datetime | None


def read_key(text: object) -> str:
    """Check a key as callers write it; the quotes of a structured header are no part of it.

    Raises:
        InvalidKey: It is none.
    """
    if not isinstance(text, str):
        raise InvalidKey
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidKey
    return key


def call_key(
    owner: str, key: object, tool: str, arguments: Mapping[str, object] | None, *, strict: bool = True
) -> CallKey:
    """Name a call of an owner's.

    Args:
        owner: The caller's name.
        key: JSON that its repetitions share.
        tool: The tool's name.
        arguments: As they were given; of those that are still JSON the digest is put in when they are read.
        strict: See ``CallKey``.
    """
    return CallKey(_digest([owner, strict, key]), arguments_digest(tool, arguments), strict)


def arguments_digest(tool: str, arguments: Mapping[str, object] | None) -> str:
    """Digest a tool and its arguments, as a key's row keeps them."""
    return _digest([tool, arguments or {}])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
