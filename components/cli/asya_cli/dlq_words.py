"""Formats dead letters and redrives for people. No I/O."""

from collections.abc import Iterator
from typing import Final

from asya_cli.plain_text import json_text
from asya_transport.dead_letters.documents import FIRST_BYTES, letter_document
from asya_transport.dead_letters.letter import DeadLetter
from asya_transport.dead_letters.redrive import Tally

COLUMNS: Final = ("ID", "ROUTE", "ATTEMPTS", "DELIVERIES", "BYTES", "REASON")
REASON_CHARS_MOST: Final = 80
NO_REASON: Final = "(none: the broker moved it)"


def letter_row(letter: DeadLetter) -> tuple[str, ...]:
    """Write one dead letter as a row under ``COLUMNS``; what is no envelope shows its first bytes."""
    attempts, deliveries = ("-" if count is None else str(count) for count in (letter.attempts, letter.deliveries))
    reason = _shorten(" ".join((letter.reason or NO_REASON).split()))
    return (_title(letter), _route(letter), attempts, deliveries, str(len(letter.body)), reason)


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
        yield json_text(document["envelope"], indent=2)
    else:
        yield str(document.get("body", letter.body))


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
