"""An envelope's visits to actors, reconstructed from its events. Pure.

A visit is one attempt of one actor; a handler that fails and is retried makes several. Sidecars report ``received``,
``processing`` and ``completed`` with the actor and its place in the route; end actors report the place where the route
ended. Reports are sent in the background, so that those of two actors may arrive interleaved, or the first
of an actor after those of the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from asya_gateway.records.record import Event, Record
from asya_protocol.envelope import format_time
from asya_protocol.reports import Retry
from asya_protocol.status import Status

VisitState = Literal["running", "completed", "retried", "failed", "unfinished"]


@dataclass(frozen=True, slots=True)
class Visit:
    """One attempt of one actor.

    Attributes:
        index: Place in the route; its length for an end actor behind it.
        actor: The actor, where it is known.
        attempt: Number of this attempt of this actor at this place, from 1.
        state: ``retried`` is or will be followed by another attempt, ``unfinished`` never reported an end.
        end_actor: Whether it is an end actor, which no route lists.
        left_at: When the envelope left the actor before.
        received_at: When the sidecar received it.
        started_at: When the handler was called.
        ended_at: When it completed or failed.
        took_s: Length of the handler call, or of the time between its reports.
        measured: Whether the sidecar measured it.
        error: Why it failed, where another attempt follows; the last error is the envelope's own.
        retry_at: Earliest start of the next attempt.
    """

    index: int
    actor: str | None
    attempt: int = 1
    state: VisitState = "running"
    end_actor: bool = False
    left_at: datetime | None = None
    received_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    took_s: float | None = None
    measured: bool = False
    error: str | None = None
    retry_at: datetime | None = None

    @property
    def began_at(self) -> datetime | None:
        """When its work began; ``received`` and ``processing`` are reported together, just before the call."""
        return self.received_at or self.started_at or self.ended_at

    @property
    def waited_s(self) -> float | None:
        """Time from the previous actor to the start of work, including the delay before a retry."""
        if self.left_at is None or self.began_at is None:
            return None
        return max(0.0, (self.began_at - self.left_at).total_seconds())


def trace(record: Record, history: Sequence[Event]) -> list[Visit]:
    """Return the visits in order, run by run; none when the history has been deleted."""
    for number, event in enumerate(history[:-1]):
        if event.status.final:  # a replay took this end back
            before = replace(record, status=event.status)
            after = replace(record, created_at=history[number + 1].timestamp)
            return [*_run(before, history[: number + 1]), *trace(after, history[number + 1 :])]
    return _run(record, history)


def _run(record: Record, history: Sequence[Event]) -> list[Visit]:
    visits: list[Visit] = []
    for event in history:
        if event.phase is not None:
            _note(visits, event)
    ended_at = next((event.timestamp for event in history if event.status.final), None)
    finished: list[Visit] = []
    left_at = record.created_at
    for number, visit in enumerate(visits):
        following = visits[number + 1] if number + 1 < len(visits) else None
        done = _finished(
            replace(visit, left_at=left_at, attempt=_attempt(finished, visit)), following, record, ended_at
        )
        finished.append(done)
        left_at = done.ended_at or done.began_at or left_at
    # Reports of end actors may come after the final one and are not kept then: none of them is shown by chance.
    return [visit for visit in finished if not (visit.end_actor and record.status.final)]


def visit_body(visit: Visit) -> dict[str, object]:
    """Shape a visit for JSON."""

    def moment(value: datetime | None) -> str | None:
        return None if value is None else format_time(value)

    return {
        "index": visit.index,
        "actor": visit.actor,
        "attempt": visit.attempt,
        "state": visit.state,
        "end_actor": visit.end_actor,
        "left_at": moment(visit.left_at),
        "began_at": moment(visit.began_at),
        "ended_at": moment(visit.ended_at),
        "waited_s": visit.waited_s,
        "took_s": visit.took_s,
        "error": visit.error,
        "retry_at": moment(visit.retry_at),
    }


def _note(visits: list[Visit], event: Event) -> None:
    """Add an event to its visit."""
    index, facts = event.current_actor_idx or 0, event.told
    if facts.retry is not None:
        _note_retry(visits, event, index, facts.retry)
        return
    field = {"received": "received_at", "processing": "started_at", "completed": "ended_at"}[event.phase or "received"]
    place = None if field == "received_at" else _latest_without(visits, index, field)
    if place is None and field == "ended_at":
        place = _latest_without(visits, index - 1, field)  # Asya 0.1.1's sidecar tells the next actor's place.
    if place is None:
        end_actor = event.actor is None and index >= len(event.actors or ())
        place = _add(visits, Visit(index, event.actor, end_actor=end_actor))
    changes: dict[str, object] = {field: event.timestamp}
    if facts.by is not None:
        changes |= {"actor": facts.by, "end_actor": visits[place].end_actor or facts.by != event.actor}
    if field == "ended_at":
        changes["state"] = "completed"
        if facts.duration_ms is not None:
            changes |= {"took_s": facts.duration_ms / 1000, "measured": True}
    visits[place] = replace(visits[place], **changes)  # type: ignore[arg-type] # names are the visit's own


def _add(visits: list[Visit], visit: Visit) -> int:
    """Insert a visit and return its position.

    The first report of a place may come after reports of later places: it belongs before them. A further attempt at a known
    place goes to the end.
    """
    known = any(each.index == visit.index for each in visits)
    further = (n for n, each in enumerate(visits) if each.index > visit.index)
    place = len(visits) if known else next(further, len(visits))
    visits.insert(place, visit)
    return place


def _note_retry(visits: list[Visit], event: Event, index: int, retry: Retry) -> None:
    """End the latest attempt at a place, which failed."""
    place = _latest_without(visits, index, "ended_at")
    if place is None:
        place = _add(visits, Visit(index, event.actor))
    visits[place] = replace(
        visits[place],
        state="retried",
        ended_at=event.timestamp,
        error=retry.cause,
        retry_at=event.timestamp + timedelta(seconds=retry.again_in_s),
    )


def _latest_without(visits: Sequence[Visit], index: int, field: str) -> int | None:
    """Find the latest attempt at a place that lacks a field."""
    found = (n for n, visit in enumerate(visits) if visit.index == index and getattr(visit, field) is None)
    return max(found, default=None)


def _attempt(before: Sequence[Visit], visit: Visit) -> int:
    return 1 + sum(each.index == visit.index and each.actor == visit.actor for each in before)


def _finished(visit: Visit, following: Visit | None, record: Record, ended_at: datetime | None) -> Visit:
    """Derive the end of a visit that reported none, and its duration."""
    if visit.measured:
        return _placed(visit, None if following is None else following.began_at)
    if visit.state == "retried" and following is None and record.status is Status.FAILED:
        visit = replace(visit, state="failed")  # Its deadline, or its caller, ended it before another go.
    if visit.state == "running":
        again = following is not None and (following.index, following.actor) == (visit.index, visit.actor)
        if visit.end_actor and record.status.final:
            visit = replace(visit, state="completed", ended_at=ended_at)
        elif again:
            visit = replace(visit, state="retried")
        elif following is not None:
            visit = replace(visit, state=_left(visit, following, record), ended_at=following.began_at)
        elif record.status is Status.FAILED:
            visit = replace(visit, state="failed", ended_at=ended_at)
        elif record.status.final:  # The final report has overtaken that of the last actor.
            visit = replace(visit, state="completed", ended_at=ended_at)
    if visit.took_s is None and visit.ended_at is not None and visit.began_at is not None:
        visit = replace(visit, took_s=max(0.0, (visit.ended_at - visit.began_at).total_seconds()))
    return visit


def _left(visit: Visit, following: Visit, record: Record) -> VisitState:
    """Derive the state of a visit that is followed by another actor's."""
    if following.end_actor:
        return "failed" if record.status is Status.FAILED else "completed"
    return "completed" if following.index > visit.index else "unfinished"


def _placed(visit: Visit, followed_at: datetime | None) -> Visit:
    """Place a call of known duration in time: reports are sent after what they describe, so the earliest ones bound it."""
    assert visit.ended_at is not None and visit.took_s is not None  # noqa: S101 - that is what measured means
    took = timedelta(seconds=visit.took_s)
    ended_at = visit.ended_at if followed_at is None else min(visit.ended_at, followed_at)
    told = [moment for moment in (visit.received_at, visit.started_at) if moment is not None]
    began_at = min([ended_at - took, *told])
    if visit.left_at is not None:
        began_at = max(began_at, visit.left_at)
    return replace(
        visit, received_at=began_at, started_at=began_at, ended_at=max(began_at, min(ended_at, began_at + took))
    )
