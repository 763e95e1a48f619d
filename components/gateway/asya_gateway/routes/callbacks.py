"""Callbacks that have not arrived: listing them, and redriving dead letters."""

import logging
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import caller, require
from asya_gateway.records.delivery import delivery_body
from asya_gateway.requests import SMALL_BYTES, app_of, json_answer, read_json

log: Final = logging.getLogger(__name__)

MOST: Final = 500


class RedriveBody(msgspec.Struct):
    """Which dead letters to redrive."""

    id: str | None = None
    all: bool = False


async def show(request: Request) -> Response:
    """List the oldest ones: ``state`` is ``dead``, which is the default, or ``waiting``; with both numbers."""
    require(request, "read")
    state = request.query_params.get("state", "dead")
    if state not in {"dead", "waiting"}:
        raise HTTPException(400, "Invalid state (allowed: dead, waiting)")
    deliveries = app_of(request).store.deliveries
    found, (waiting, dead) = await deliveries.kept(MOST, dead=state == "dead"), await deliveries.counts()
    return json_answer({"callbacks": [delivery_body(one) for one in found], "waiting": waiting, "dead": dead})


async def redrive(request: Request) -> Response:
    """Let dead letters begin anew, each with its whole day: one by its id, or all."""
    require(request, "operate")
    body = await read_json(request, RedriveBody, SMALL_BYTES)
    if (body.id is None) is not body.all:
        raise HTTPException(400, "Name either an id or all")
    redriven = await app_of(request).store.deliveries.redrive(body.id)
    if body.id is not None and not redriven:
        raise HTTPException(404, "Callback is no dead letter")
    log.info("callbacks redriven", extra={"redriven": redriven, "by": caller(request).name})
    return json_answer({"redriven": redriven})
