"""How dead letters and what was done with them are written, for people and as JSON. No I/O."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from asya_transport.dead_letters import DeadLetter
from asya_transport.dead_letters_redrive import Tally

COLUMNS: Final = ("ID", "ROUTE", "ATTEMPTS", "DELIVERIES", "BYTES", "REASON")
REASON_CHARS_MOST: Final = 80
FIRST_BYTES: Final = 48
NO_REASON: Final = "(none: the broker moved it)"


def letter_row(letter: DeadLetter) -> tuple[str, ...]:
    """Write one dead letter as a row under ``COLUMNS``; what is no envelope shows its first bytes."""
    attempts, deliveries = ("-" if count is None else str(count) for count in (letter.attempts, letter.deliveries))
    reason = _shorten(" ".join((letter.reason or NO_REASON).split()))
    return (_title(letter), _route(letter), attempts, deliveries, str(len(letter.body)), reason)


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


def letter_lines(letter: DeadLetter) -> Iterator[str]:
    """Write one dead letter with all that it holds."""
    yield f"id          {letter.id or '(no envelope: ' + letter.problem + ')'}"
    yield f"reason      {letter.reason or NO_REASON}"
    yield f"taken from  {letter.source}"
    if letter.envelope is not None:
        yield f"route       {_route(letter)}"
        yield f"attempts    {letter.attempts}, deliveries {letter.deliveries}"
    yield f"size        {len(letter.body)} bytes, received {letter.received} times"
    for name, value in letter.attributes.items():
        yield f"attribute   {name}={value}"
    yield ""
    document = letter_document(letter)
    if "envelope" in document:
        yield json.dumps(document["envelope"], indent=2, ensure_ascii=False)
    else:
        yield str(document.get("body", letter.body))


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


def tally_lines(tally: Tally, verb: str, dry_run: bool) -> Iterator[str]:
    """Write a tally in words."""
    if dry_run:
        yield f"would be {verb}: {tally.matched} of {tally.read} dead letters"
    else:
        yield f"{verb}: {tally.done} of {tally.matched} that matched; {tally.read} looked at, {tally.expected} there"
    for reason, count in tally.failed.most_common():
        yield f"kept: {count}: {reason}"
    if tally.uncertain:
        yield f"perhaps still there, as duplicates: {tally.uncertain}"
    if tally.interrupted or tally.trouble is not None:
        yield "ended early; the rest was given back, the same command goes on"


def _title(letter: DeadLetter) -> str:
    if letter.id is not None:
        return letter.id
    return repr(letter.body[:FIRST_BYTES])[1:]


def _route(letter: DeadLetter) -> str:
    if letter.envelope is None:
        return "(no envelope)"
    route = letter.envelope.route
    return " ".join(f"[{actor}]" if index == route.current else actor for index, actor in enumerate(route.actors))


def _shorten(text: str) -> str:
    return text if len(text) <= REASON_CHARS_MOST else text[: REASON_CHARS_MOST - 1] + "…"
