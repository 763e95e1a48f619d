"""Pieces of handlers' streams: as sidecars post them, and as readers follow them.

A reader that comes back names the place that it was told last (``Last-Event-ID``), at any replica.
"""

import logging
import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from asya_gateway.access.middleware import caller, require
from asya_gateway.following import follow_pieces
from asya_gateway.records.pieces import Anew, Gap, Piece, Place, Told
from asya_gateway.requests import app_of, json_answer, path_id, read_json
from asya_gateway.waiting import KEEPALIVE, STREAM_HEADERS
from asya_protocol.errors import StoreUnavailable
from asya_protocol.pieces import PiecesBody
from asya_protocol.reports import BatchAnswer

log: Final = logging.getLogger(__name__)

MOST: Final = 2000
"""Batches in one request."""
_PLACE: Final = re.compile(r"([0-9A-Za-z]{1,64})\.([0-9]{1,16})")


async def take(request: Request) -> Response:
    """Take batches of pieces; the answer is a status for each."""
    require(request, "report")
    body = await read_json(request, PiecesBody)
    if len(body.batches) > MOST:
        raise HTTPException(400, f"More than {MOST} batches in one request")
    statuses: list[int] = []
    for batch in body.batches:
        try:
            statuses.append(200 if await app_of(request).pieces.take(batch) else 409)
        except (UnicodeError, msgspec.MsgspecError):
            statuses.append(400)
    return json_answer(BatchAnswer(statuses))


async def stream(request: Request) -> Response:
    """Stream pieces after ``Last-Event-ID``, as they come, until their envelope is final; also of one that is not known.

    With ``?rest=true`` the stream of one that is not known ends with what is on its way by now.
    """
    app, envelope_id = app_of(request), path_id(request)
    record = await app.store.get(envelope_id)
    if record is None or not caller(request).sees(record.owner, "read"):
        require(request, "read")
    place = read_place(request.headers.get("last-event-id", ""))
    rest = request.query_params.get("rest") == "true"

    async def frames() -> AsyncIterator[bytes]:
        try:
            with app.metrics.streams.labels("pieces").track_inprogress():
                async for told in follow_pieces(app, envelope_id, place, rest=rest):
                    yield KEEPALIVE if told is None else b"".join(map(piece_frame, told))
        except StoreUnavailable as exc:
            log.warning("stream cut", extra={"envelope_id": envelope_id, "error": str(exc)})

    return StreamingResponse(frames(), media_type="text/event-stream", headers=STREAM_HEADERS)


def read_place(text: str) -> Place | None:
    """Read a place as ``write_place`` writes it; anything else is before everything."""
    found = _PLACE.fullmatch(text)
    return None if found is None else Place(found[1], int(found[2]))


def write_place(place: Place) -> str:
    """Write a place as an event's id."""
    return f"{place.run}.{place.number}"


def piece_frame(told: Told, before: str = "") -> bytes:
    """Encode what a reader is told as a server-sent event, with ``before`` in front of the place in its id."""
    match told:
        case Piece(place, body):
            kind, data = "partial", bytes(body)
            if b"\n" in data or b"\r" in data:  # between its values; an event's data is one line
                data = msgspec.json.format(data, indent=-1)
        case Anew(place, actor, attempt):
            kind, data = "anew", msgspec.json.encode({"actor": actor, "attempt": attempt})
        case Gap(place, lost):
            kind, data = "gap", msgspec.json.encode({"lost": lost})
    return b"id: %b%b\nevent: %b\ndata: %b\n\n" % (before.encode(), write_place(place).encode(), kind.encode(), data)
