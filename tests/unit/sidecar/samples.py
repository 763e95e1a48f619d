"""Envelopes and constants for the decision core's tests."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asya_protocol.envelope import parse_envelope
from asya_sidecar.core.admit import Work

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TRACE, SPAN = "a" * 32, "b" * 16

MakeWork = Callable[..., Work]


def envelope_bytes(**fields: object) -> bytes:
    """Write an envelope for actor ``ocr``; ``...`` as a value leaves the field out."""
    document = {"id": "e1", "route": {"actors": ["ocr", "translate"]}, "payload": {"n": 1}, **fields}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def sent(body: bytes) -> dict[str, Any]:
    """Read an envelope that leaves the sidecar; it must be a valid one."""
    parse_envelope(body)
    decoded: dict[str, Any] = json.loads(body)
    return decoded
