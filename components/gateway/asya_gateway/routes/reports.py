"""Reports of sidecars: progress, final reports, children of a fan-out, and batches of them.

Asya 0.1.1 has no batches. The reports of a batch are applied in order, and each gets the status that its own route would have
answered.
"""

from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import require
from asya_gateway.records.record import Record
from asya_gateway.reports import LONGEST_ID, Refused, Reports
from asya_gateway.requests import SMALL_BYTES, app_of, json_answer, path_id, read_json
from asya_protocol.errors import StoreUnavailable
from asya_protocol.reports import BatchAnswer, BatchBody, BatchEntry, ChildBody, FinalBody, ProgressBody

MOST: Final = 500
"""Reports in one request."""
STATUS: Final = {Refused.UNKNOWN: 404, Refused.TAKEN_ID: 409, Refused.NOT_SHOWN: 409}
"""Of a report that was refused; 400 is the rest."""


async def add_child(request: Request) -> Response:
    """Record a child of a fan-out."""
    require(request, "report")
    child = _taken(await app_of(request).reports.child(await read_json(request, ChildBody, SMALL_BYTES)))
    return json_answer({"id": child.id, "status": "created"}, 201)


async def progress(request: Request) -> Response:
    """Take a progress report."""
    require(request, "report")
    body = await read_json(request, ProgressBody, SMALL_BYTES)
    record = _taken(await app_of(request).reports.progress(path_id(request), body))
    return json_answer({"progress_percent": record.progress_percent, "status": "ok"})


async def final(request: Request) -> Response:
    """Take a final report."""
    require(request, "report")
    body = await read_json(request, FinalBody)
    _taken(await app_of(request).reports.final(path_id(request), body))
    return json_answer({"status": "ok"})


async def take_batch(request: Request) -> Response:
    """Take many reports; the answer is a status for each."""
    require(request, "report")
    batch = await read_json(request, BatchBody)
    if len(batch.reports) > MOST:
        raise HTTPException(400, f"More than {MOST} reports in one request")
    return json_answer(BatchAnswer([await take_entry(app_of(request).reports, entry) for entry in batch.reports]))


async def take_entry(reports: Reports, entry: BatchEntry) -> int:
    """Take one report of a batch; the status that its own route would have answered."""
    try:
        if entry.kind == "child":
            return _status(await reports.child(msgspec.json.decode(entry.body, type=ChildBody)), 201)
        if not entry.id or len(entry.id) > LONGEST_ID:
            return 404
        return _status(await reports.progress(entry.id, msgspec.json.decode(entry.body, type=ProgressBody)), 200)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return 400
    except StoreUnavailable:
        return 503


def _status(taken: Record | Refused, good: int) -> int:
    return STATUS.get(taken, 400) if isinstance(taken, Refused) else good


def _taken(taken: Record | Refused) -> Record:
    if isinstance(taken, Refused):
        raise HTTPException(STATUS.get(taken, 400), taken.value)
    return taken
