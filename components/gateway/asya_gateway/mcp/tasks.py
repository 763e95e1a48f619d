"""Envelopes as MCP tasks, in both published dialects: pure, from records to the shapes of the wire.

* ``Core``: part of the protocol in 2025-11-25. The client asks for a task; ``tasks/result`` waits; there is a list.
* ``Extension``: ``io.modelcontextprotocol/tasks`` (SEP-2663), for 2026-07-28. The client says that it knows tasks, the
  server decides; ``tasks/get`` brings the result along; there is no list.

They differ in words (``ttl``/``ttlMs``) and in this: a tool that failed is ``failed`` in the first, ``completed`` with
``isError`` in the second, where ``failed`` is for the protocol's own errors.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from asya_gateway.records.record import Record
from asya_gateway.records.summary import failure_details
from asya_protocol import names
from asya_protocol.envelope import format_time
from asya_protocol.failure import failure_words
from asya_protocol.status import Status

POLL_MS: Final = 1000
RELATED: Final = "io.modelcontextprotocol/related-task"


def result_body(record: Record) -> dict[str, object]:
    """Shape what came out of a final record as MCP's CallToolResult."""
    if record.status is not Status.SUCCEEDED:
        words = failure_words(record.error, failure_details(record))
        return {"content": [_text(words or record.message or "Envelope failed")], "isError": True}
    result = record.result if record.result is not None else b"null"
    body: dict[str, object] = {"content": [_text(_words(result))], "isError": False}
    return {**body, "structuredContent": msgspec.Raw(result)} if result.lstrip()[:1] == b"{" else body


def core_task(record: Record, kept_s: float | None) -> dict[str, object]:
    """Shape a record as a task of 2025-11-25."""
    return {**_task(record), "status": _core_status(record), "ttl": _milliseconds(kept_s), "pollInterval": POLL_MS}


def core_result(record: Record) -> dict[str, object]:
    """Shape the answer to ``tasks/result``."""
    return {**result_body(record), "_meta": {RELATED: {"taskId": record.id}}}


def extension_task(record: Record, kept_s: float | None) -> dict[str, object]:
    """Shape a record as a task of the extension, without its result."""
    status = _core_status(record)
    status = "completed" if status == "failed" else status
    return {**_task(record), "status": status, "ttlMs": _milliseconds(kept_s), "pollIntervalMs": POLL_MS}


def detailed_task(record: Record, kept_s: float | None) -> dict[str, object]:
    """Shape a record as a task of the extension, with its result once there is one."""
    task = extension_task(record, kept_s)
    return {**task, "result": result_body(record)} if task["status"] == "completed" else task


def is_cancelled(record: Record) -> bool:
    """Say whether a record ended as cancelled."""
    return record.status is Status.FAILED and record.error == names.CANCELLED


def write_cursor(record: Record) -> str:
    """Name the place after a record in the list of its owner's."""
    return base64.urlsafe_b64encode(f"{record.created_at.isoformat()} {record.id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Read such a place.

    Raises:
        ValueError: It is none.
    """
    try:
        created_at, _, last_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode().partition(" ")
        moment = datetime.fromisoformat(created_at)
    except (binascii.Error, UnicodeError) as exc:
        raise ValueError("not a cursor of this list") from exc
    if moment.tzinfo is None or "\x00" in last_id:
        raise ValueError("not a cursor of this list")
    return moment, last_id


def _task(record: Record) -> dict[str, object]:
    task: dict[str, object] = {
        "taskId": record.id,
        "createdAt": format_time(record.created_at),
        "lastUpdatedAt": format_time(record.updated_at),
    }
    return {**task, "statusMessage": record.message} if record.message else task


def _core_status(record: Record) -> str:
    if not record.status.final:
        return "working"
    if record.status is Status.SUCCEEDED:
        return "completed"
    return "cancelled" if is_cancelled(record) else "failed"


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def _words(result: bytes) -> str:
    if result.lstrip()[:1] == b'"':
        return msgspec.json.decode(result, type=str)
    return result.decode()


def _text(text: str) -> Mapping[str, str]:
    return {"type": "text", "text": text}
