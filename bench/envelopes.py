"""What producers send in every benchmark."""

import json
from typing import Final

ACTOR: Final = "bench"
PAYLOAD: Final = {"text": "x" * 400, "number": 7}


def envelope(number: int, payload: object, actors: tuple[str, ...] = (ACTOR,)) -> bytes:
    """Write an envelope as a producer would."""
    return json.dumps({"id": f"b{number}", "route": {"actors": actors, "current": 0}, "payload": payload}).encode()
