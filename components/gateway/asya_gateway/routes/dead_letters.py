"""Dead letters: counting, showing and redriving them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import caller, require
from asya_gateway.dead_letters import UnderWay
from asya_gateway.requests import SMALL_BYTES, app_of, json_answer, read_json
from asya_protocol.errors import QueueMissing, TransportError
from asya_transport.dead_letters.documents import letter_summary, tally_document
from asya_transport.dead_letters.letter import DeadLetter

log: Final = logging.getLogger(__name__)

LOOK: Final = 50
LOOK_MOST: Final = 200
BODY_BYTES_MOST: Final = 4096


class RedriveBody(msgspec.Struct):
    """Which dead letters to redrive, and where to."""

    actor: str = ""
    id: str | None = None
    to: str | None = None
    dry_run: bool = False


async def show(request: Request) -> Response:
    """Count them by actor; with ``actor`` show up to ``limit`` of that actor's.

    While they are read, the entries are invisible to others.
    """
    require(request, "read")
    letters = app_of(request).letters
    actor = request.query_params.get("actor")
    with _translated():
        if actor is None:
            counts = await letters.counts()
            return json_answer({"actors": [{"actor": name, "dead_letters": count} for name, count in counts.items()]})
        listing = await letters.look(actor, _limit(request))
    entries = [_entry(letter) for letter in listing.entries]
    return json_answer({"actor": actor, "total": listing.total, "complete": listing.complete, "entries": entries})


async def redrive(request: Request) -> Response:
    """Redrive dead letters: all of an actor, or those of one envelope. Each gets its full number of attempts again."""
    require(request, "operate")
    body = await read_json(request, RedriveBody, SMALL_BYTES)
    if not body.actor:
        raise HTTPException(400, "Missing required field: actor")
    with _translated():
        tally = await app_of(request).letters.redrive(body.actor, envelope_id=body.id, to=body.to, dry_run=body.dry_run)
    done = {"actor": body.actor, "redriven": tally.done, "matched": tally.matched, "by": caller(request).name}
    log.info("dead letters redriven", extra=done)
    return json_answer(tally_document(tally, "redriven", body.dry_run))


def _entry(letter: DeadLetter) -> dict[str, object]:
    text = letter.body[:BODY_BYTES_MOST].decode("utf-8", "replace")
    return {**letter_summary(letter), "body": text, "body_cut": len(letter.body) > BODY_BYTES_MOST}


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", str(LOOK))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 0 < int(limit) <= LOOK_MOST):
        raise HTTPException(400, f"Invalid limit (1 to {LOOK_MOST})")
    return int(limit)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnderWay as exc:
        raise HTTPException(409, str(exc)) from None
    except QueueMissing as exc:
        raise HTTPException(404, str(exc)) from None
    except TransportError as exc:
        raise HTTPException(503, str(exc), {"Retry-After": "1"}) from None
