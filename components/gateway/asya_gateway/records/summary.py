"""Lists of envelopes: the entries, the query, and the cursor of the next page.

Lists are ordered by creation, newest first, then by id, so that pages neither repeat nor skip an envelope.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from asya_gateway.records.record import Record
from asya_protocol.envelope import format_time
from asya_protocol.failure import failure_words
from asya_protocol.status import Status

ERROR_CHARS_MOST: Final = 300
"""Lists cut longer errors."""


class _Failure(msgspec.Struct):
    """The part of a failed envelope's result that describes the handler's exception."""

    details: dict[str, Any] = {}


_FAILURE: Final = msgspec.json.Decoder(_Failure)


@dataclass(frozen=True, slots=True)
class Summary:
    """One envelope without users' data.

    Attributes:
        reason: The handler's exception as ``type: message``, cut; ``None`` where there is none.

    The others are those of ``Record``, the error cut.
    """

    id: str
    actors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    parent_id: str | None = None
    status: Status = Status.PENDING
    error: str | None = None
    reason: str | None = None
    deadline: datetime | None = None
    progress_percent: float = 0.0
    current_actor_idx: int = 0
    current_actor_name: str | None = None
    message: str | None = None
    actors_completed: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The last envelope of a page."""

    created_at: datetime
    id: str

    def cursor(self) -> str:
        """Encode it as a cursor."""
        document = msgspec.json.encode([self.created_at, self.id])
        return base64.urlsafe_b64encode(document).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Question:
    """The query of a list.

    Attributes:
        limit: Size of a page.
        statuses: States to include; empty is all.
        prefix: Beginning of the ids.
        after: The last envelope of the page before; ``None`` is the first page.
        top: Leave out what fan-outs made.
    """

    limit: int
    statuses: frozenset[Status] = frozenset()
    prefix: str = ""
    after: Place | None = None
    top: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and where the next begins; ``None`` at the end."""

    summaries: Sequence[Summary]
    following: Place | None = None


def read_cursor(text: str) -> Place:
    """Decode a cursor.

    Raises:
        ValueError: It is not a cursor of this list.
    """
    try:
        document = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        created_at, envelope_id = msgspec.json.decode(document, type=tuple[datetime, str])
    except (ValueError, msgspec.MsgspecError) as exc:
        raise ValueError("no cursor of this list") from exc
    if created_at.tzinfo is None:
        raise ValueError("no cursor of this list")
    return Place(created_at, envelope_id)


def summarise(record: Record) -> Summary:
    """Make a list's entry from a record."""
    return Summary(
        id=record.id,
        actors=record.actors,
        created_at=record.created_at,
        updated_at=record.updated_at,
        parent_id=record.parent_id,
        status=record.status,
        error=None if record.error is None else record.error[:ERROR_CHARS_MOST],
        reason=_reason(record),
        deadline=record.deadline,
        progress_percent=record.progress_percent,
        current_actor_idx=record.current_actor_idx,
        current_actor_name=record.current_actor_name,
        message=record.message,
        actors_completed=record.actors_completed,
    )


def failure_details(record: Record) -> Mapping[str, str]:
    """The handler's exception, as far as it is text: ``type``, ``message``, ``traceback``."""
    if record.error is None or record.result is None:
        return {}
    try:
        details = _FAILURE.decode(record.result).details
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    return {name: value for name in ("type", "message", "traceback") if isinstance(value := details.get(name), str)}


def cut(found: Sequence[Summary], limit: int) -> Page:
    """Make a page from up to ``limit + 1`` entries."""
    page = found[:limit]
    return Page(page, Place(page[-1].created_at, page[-1].id) if len(found) > limit else None)


def summary_body(summary: Summary) -> dict[str, object]:
    """Shape a summary for JSON; unset fields are left out."""
    body: dict[str, object] = {
        "id": summary.id,
        "parent_id": summary.parent_id,
        "status": summary.status.value,
        "actors": summary.actors,
        "current_actor_idx": summary.current_actor_idx,
        "current_actor_name": summary.current_actor_name,
        "actors_completed": summary.actors_completed,
        "progress_percent": summary.progress_percent,
        "message": summary.message,
        "error": summary.error,
        "reason": summary.reason,
        "deadline": None if summary.deadline is None else format_time(summary.deadline),
        "created_at": format_time(summary.created_at),
        "updated_at": format_time(summary.updated_at),
    }
    return {name: value for name, value in body.items() if value is not None}


def _reason(record: Record) -> str | None:
    return failure_words(None, failure_details(record))[:ERROR_CHARS_MOST] or None
