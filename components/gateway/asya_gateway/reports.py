"""Applies reports of sidecars to the envelope store: progress, children of fan-outs, ends. Knows no HTTP.

The outcome is a value: the record after the report, or why it was refused.
"""

from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import msgspec

from asya_gateway.actors.history import CallTimes
from asya_gateway.metrics import Metrics
from asya_gateway.records.lifecycle import Ended, Progress, Report
from asya_gateway.records.mark import NotShown, headers_of_child, is_shown
from asya_gateway.records.record import Record
from asya_gateway.store.port import Applied, EnvelopeStore
from asya_protocol.reports import ChildBody, FinalBody, Json, ProgressBody
from asya_protocol.status import Status

LONGEST_ID: Final = 512
OUTCOMES: Final = {Applied.CHANGED: "changed", Applied.FINAL_BEFORE: "late", Applied.UNKNOWN: "unknown"}


class Refused(Enum):
    """Why a report was not taken, in the words of Asya 0.1.1."""

    UNKNOWN = "Envelope not found"
    NO_ID = "Missing required field: id"
    INVALID_ID = "Invalid envelope id"
    TAKEN_ID = "Envelope exists already"
    NO_END = "Invalid status: must be 'succeeded' or 'failed'"
    NO_TEXT = "Invalid request body"
    NOT_SHOWN = "Report does not show the envelope's mark"


class Reports:
    """Applies reports.

    Args:
        store: Where envelopes are kept.
        metrics: Where reports are counted.
        calls: Where the lengths of handler calls go.
        marked: Whether reports about envelopes of this gateway's must show their mark; sidecars of Asya 0.1.1 show none.
    """

    def __init__(
        self, store: EnvelopeStore, metrics: Metrics, *, calls: CallTimes | None = None, marked: bool = True
    ) -> None:
        self._calls = CallTimes() if calls is None else calls
        self._store = store
        self._marked = marked
        self._metrics = metrics

    async def child(self, body: ChildBody) -> Record | Refused:
        """Record a child under its parent; nothing is sent, its sidecar has done that. The same child twice is one child."""
        if not body.id:
            return Refused.NO_ID
        if len(body.id) > LONGEST_ID or "/" in body.id or "\x00" in body.id:
            return Refused.INVALID_ID
        now = datetime.now(UTC)
        actors = tuple(body.actors or ())
        current = min(max(body.current or 0, 0), len(actors))
        child = Record(
            id=body.id,
            actors=actors,
            created_at=now,
            updated_at=now,
            parent_id=body.parent_id or None,
            current_actor_idx=current,
            current_actor_name=actors[current] if current < len(actors) else None,
        )
        if child.parent_id is not None and (parent := await self._store.get(child.parent_id)) is not None:
            if self._marked and not is_shown(parent.headers, body.mark):
                return self._not_shown("child")
            # Without the parent's deadline, a child whose reports are lost would stay open for ever.
            child = replace(
                child,
                timeout_s=parent.timeout_s,
                deadline=parent.deadline,
                owner=parent.owner,
                headers=headers_of_child(parent.headers, body.until),
            )
        kept = await self._store.create(child)
        self._metrics.reports.labels("child", "changed" if kept else "late").inc()
        if not kept:
            known = await self._store.get(body.id)
            if known is None or known.parent_id != child.parent_id:
                return Refused.TAKEN_ID
        return child

    async def progress(self, envelope_id: str, body: ProgressBody) -> Record | Refused:
        """Apply a progress report; one for a final envelope changes nothing."""
        report = Progress(
            actors=tuple(body.actors or ()),
            index=body.current_actor_idx or 0,
            phase=body.status or "",
            message=body.message or "",
            facts=body.facts,
            shown=self._shown(body.mark),
        )
        taken = await self._apply(envelope_id, "progress", report)
        took_ms = None if report.facts is None else report.facts.duration_ms
        if isinstance(taken, Record) and took_ms is not None and 0 <= report.index < len(report.actors):
            self._calls.add(report.actors[report.index], took_ms / 1000)
        return taken

    async def final(self, envelope_id: str, body: FinalBody) -> Record | Refused:
        """Apply a final report; a second one changes nothing."""
        if body.status not in {Status.SUCCEEDED.value, Status.FAILED.value}:
            return Refused.NO_END
        succeeded = body.status == Status.SUCCEEDED.value
        where = (body.metadata or {}).get("s3_uri")
        try:
            report = Ended(
                succeeded=succeeded,
                result=_value(body.result),
                error="" if succeeded else _words(body.error),
                details=None if succeeded else _value(body.error_details),
                stored_at=where if isinstance(where, str) else "",
                actor=body.current_actor_name or "",
                index=body.current_actor_idx,
                actors=tuple(body.actors or ()),
                shown=self._shown(body.mark),
                how=body.ended,
                missing=tuple(body.missing or ()),
            )
        except UnicodeDecodeError:
            return Refused.NO_TEXT
        taken = await self._apply(envelope_id, "final", report)
        if isinstance(taken, Record) and (lag_s := _age_s(body.timestamp, datetime.now(UTC))) is not None:
            self._metrics.report_lag.observe(lag_s)
        return taken

    def _shown(self, mark: str | None) -> str | None:
        return (mark or "") if self._marked else None

    def _not_shown(self, kind: str) -> Refused:
        self._metrics.reports.labels(kind, "not_shown").inc()
        return Refused.NOT_SHOWN

    async def _apply(self, envelope_id: str, kind: str, report: Report) -> Record | Refused:
        try:
            outcome = await self._store.report(envelope_id, report)
        except NotShown:
            return self._not_shown(kind)
        self._metrics.reports.labels(kind, OUTCOMES[outcome.applied]).inc()
        return outcome.record or Refused.UNKNOWN


def _age_s(moment: object, now: datetime) -> float | None:
    """How long ago a report says that something was; ``None`` where it says nothing that can be read."""
    try:
        return max(0.0, (now - datetime.fromisoformat(str(moment))).total_seconds())
    except (ValueError, TypeError):  # no moment, or one without a time zone
        return None


def _value(value: Json) -> bytes | None:
    if isinstance(value, msgspec.UnsetType):
        return None
    kept = bytes(value)
    kept.decode("utf-8")  # msgspec does not look into what it hands on as it is
    return None if kept.strip() == b"null" else kept


def _words(error: object) -> str:
    if error is None:
        return ""
    return error if isinstance(error, str) else msgspec.json.encode(error).decode()
