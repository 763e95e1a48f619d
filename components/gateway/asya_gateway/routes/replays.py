"""Replaying failed envelopes."""

import logging
from typing import Final, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import caller, require
from asya_gateway.replays import NotFailed
from asya_gateway.requests import app_of, json_answer, path_id, read_json
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)


class ReplayBody(msgspec.Struct, rename={"begin": "from"}):
    """How an envelope runs again."""

    begin: Literal["hop", "start"] = "hop"
    dry_run: bool = False


async def replay(request: Request) -> Response:
    """Send a failed envelope again, from the hop that failed or from its start; of a group, the children that it lacks.

    Asked twice it is sent once: the second answer is 409, for the envelope has not failed any more.
    """
    require(request, "operate")
    body = await read_json(request, ReplayBody)
    app = app_of(request)
    record = await app.store.get(path_id(request))
    if record is None:
        raise HTTPException(404, "Envelope not found")
    who = caller(request).name
    try:
        done = await app.replays.replay(record, body.begin, who, dry_run=body.dry_run)
    except NotFailed as exc:
        raise HTTPException(409, str(exc)) from None
    if isinstance(done.trouble, StoreUnavailable):
        raise done.trouble
    if done.trouble is not None:
        raise HTTPException(503, f"{done.trouble or 'The broker did not confirm it'}", {"Retry-After": "1"})
    if not body.dry_run:
        log.info("envelope replayed", extra={"envelope_id": record.id, "replayed": done.replayed, "by": who})
    return json_answer({"id": record.id, "from": body.begin, "dry_run": body.dry_run, **done.as_json()})
