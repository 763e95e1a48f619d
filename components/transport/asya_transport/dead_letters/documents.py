"""Dead letters and redrives as JSON values, the same for the CLI and the gateway. No I/O."""

import base64
from typing import Any, Final

import msgspec

from asya_transport.dead_letters.letter import DeadLetter
from asya_transport.dead_letters.redrive import Tally

FIRST_BYTES: Final = 48
"""So much is shown of what is no envelope."""


def letter_summary(letter: DeadLetter) -> dict[str, object]:
    """Shape one dead letter for a list in JSON."""
    document: dict[str, object] = {
        "id": letter.id,
        "source": letter.source,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "deliveries": letter.deliveries,
        "size_bytes": len(letter.body),
        "received": letter.received,
    }
    if letter.envelope is None:
        return document | {"problem": letter.problem, "first_bytes": letter.body[:FIRST_BYTES].decode(errors="replace")}
    route = letter.envelope.route
    return document | {"route": {"actors": list(route.actors), "current": route.current}}


def letter_document(letter: DeadLetter) -> dict[str, object]:
    """Shape one dead letter with all that it holds."""
    whole = letter_summary(letter) | {"attributes": dict(letter.attributes)}
    if letter.envelope is not None:
        return whole | {"envelope": msgspec.json.decode(letter.body)}
    try:
        return whole | {"body": letter.body.decode()}
    except UnicodeDecodeError:
        return whole | {"body_base64": base64.b64encode(letter.body).decode()}


def tally_document(tally: Tally, verb: str, dry_run: bool) -> dict[str, Any]:
    """Shape a tally for JSON.

    Args:
        tally: Of the pass.
        verb: ``redriven`` or ``purged``.
        dry_run: Whether nothing was done.
    """
    return {
        "dry_run": dry_run,
        "looked_at": tally.read,
        "matched": tally.matched,
        verb: tally.done,
        "uncertain": tally.uncertain,
        "failed": sum(tally.failed.values()),
        "failures": [{"reason": reason, "count": count} for reason, count in tally.failed.most_common()],
        "interrupted": tally.interrupted,
        "error": str(tally.trouble) if tally.trouble is not None else None,
    }
