"""Many reports of a sidecar in one request: progress and children, which nobody waits for.

Asya 0.1.1 has no such route. Reports are taken one after the other, so that an envelope's own stay in their order. Each has
a status of its own, the one that its single route would have answered.
"""

from typing import Final, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.requests import LONGEST_ID, Rooms, json_answer, read_json, require, rooms
from asya_gateway.routes.reports import ChildBody, ProgressBody, take_child, take_progress
from asya_protocol.errors import StoreUnavailable

MOST: Final = 500
"""Reports in one request."""


class BatchEntry(msgspec.Struct):
    """One report: ``body`` is that of its single route, ``id`` the envelope of a progress report."""

    kind: Literal["progress", "child"]
    id: str = ""
    body: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class BatchBody(msgspec.Struct):
    """Reports in the order in which they are to be taken."""

    reports: list[BatchEntry]


async def take_batch(request: Request) -> Response:
    """Take reports; the answer is a status for each."""
    require(request, "report")
    batch = await read_json(request, BatchBody)
    if len(batch.reports) > MOST:
        raise HTTPException(400, f"More than {MOST} reports in one request")
    return json_answer({"statuses": [await _take(rooms(request), entry) for entry in batch.reports]})


async def _take(here: Rooms, entry: BatchEntry) -> int:
    try:
        if entry.kind == "child":
            await take_child(here, msgspec.json.decode(entry.body, type=ChildBody))
            return 201
        if not entry.id or len(entry.id) > LONGEST_ID:
            return 404
        await take_progress(here, entry.id, msgspec.json.decode(entry.body, type=ProgressBody))
    except HTTPException as exc:
        return exc.status_code
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return 400
    except StoreUnavailable:
        return 503
    return 200
