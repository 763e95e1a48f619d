"""The secrets of callbacks, and the headers that they sign: Standard Webhooks, by its own library.

A secret is known by a name; tool files, calls and the store have the name alone. A name that is given twice signs with both,
so that a receiver can go from the old secret to the new one.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

from asya_manifest.callback import is_name

PREFIX: Final = "whsec_"
SHORTEST_BYTES: Final = 24
LONGEST_BYTES: Final = 64
"""What the specification asks for."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets by name."""

    known: Mapping[str, tuple[Webhook, ...]] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        """Whether there is any: callbacks are off without."""
        return bool(self.known)

    def headers(self, name: str, delivery_id: str, body: str, now: datetime) -> dict[str, str]:
        """Make the headers that sign a body.

        Raises:
            KeyError: There is no secret of that name.
        """
        signed = " ".join(secret.sign(delivery_id, now, body) for secret in self.known[name])
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed,
        }


def read_secrets(text: str) -> Secrets:
    """Read ``NAME=SECRET``, separated by spaces or lines.

    Raises:
        ValueError: One cannot be used; names its number, and repeats nothing of it.
    """
    known: dict[str, tuple[Webhook, ...]] = {}
    for number, entry in enumerate(text.split(), 1):
        name, equals, secret = entry.partition("=")
        if not equals or not is_name(name):
            raise ValueError(f"secret {number} is not written as NAME={PREFIX}SECRET")
        known[name] = (*known.get(name, ()), Webhook(_key(number, secret)))
    return Secrets(known)


def _key(number: int, secret: str) -> bytes:
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"secret {number} is not {PREFIX} and base64") from None
    if not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise ValueError(f"secret {number} has {len(key)} bytes, not {SHORTEST_BYTES} to {LONGEST_BYTES}")
    return key
