"""How a report changes an envelope's record. Pure, so that every store applies the same rules inside its transaction.

Rules, each with a row in the tests: a final record never changes, unless a person replays a failed one; what a report may lead
to is the table ``asya_protocol.status.NEXT``; percent and position never fall within a run; the newest position's route is the
route, also a shorter one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from asya_gateway.records.mark import NotShown, is_shown
from asya_gateway.records.record import Event, Record
from asya_protocol import names
from asya_protocol.partial import without
from asya_protocol.reports import Facts, HowEnded
from asya_protocol.status import Status, advance

WEIGHTS: Final[Mapping[str, int]] = {"received": 10, "processing": 50, "completed": 100}
"""Progress within one actor, in percent, of each phase; unknown phases count 0."""

SENDING: Final = "Sending envelope to first actor"
TIMED_OUT: Final = "envelope timed out"


@dataclass(frozen=True, slots=True)
class Sending:
    """The gateway sends the envelope to its first queue."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A sidecar reports where the envelope is.

    Attributes:
        actors: The route that it carries; empty when not reported.
        index: Place of the reporting actor in it.
        phase: ``received``, ``processing`` or ``completed``.
        message: In words.
        facts: What else it says; ``None`` where it came in words alone.
        shown: The mark that it shows; ``None`` where none has to be shown.
    """

    actors: tuple[str, ...]
    index: int
    phase: str
    message: str = ""
    facts: Facts | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """An end actor, or the gateway itself, reports how it ended.

    Attributes:
        succeeded: Whether it succeeded.
        result: What came out, JSON.
        error: Why it failed.
        details: More about the error, JSON.
        stored_at: Where the result was persisted.
        actor: The actor where it ended.
        index: Its place in the route.
        actors: The route.
        message: In words, instead of the usual ones.
        shown: As of ``Progress``; the gateway's own ends show none.
        how: Where that is not the end of its route.
        missing: The children without which its fan-out was joined.
    """

    succeeded: bool
    result: bytes | None = None
    error: str = ""
    details: bytes | None = None
    stored_at: str = ""
    actor: str = ""
    index: int | None = None
    actors: tuple[str, ...] = ()
    message: str = ""
    shown: str | None = None
    how: HowEnded | None = None
    missing: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reopened:
    """Somebody replays an envelope that has failed: the one way out of a final state, and only a person takes it.

    Attributes:
        message: In words.
        actors: The route that it runs along again; empty where that stays.
        index: Its place in it.
    """

    message: str
    actors: tuple[str, ...] = ()
    index: int | None = None


Report = Sending | Progress | Ended | Reopened


@dataclass(frozen=True, slots=True)
class Change:
    """A record after a report, and the event of that change."""

    record: Record
    event: Event


def timed_out() -> Ended:
    """The deadline has passed."""
    return Ended(succeeded=False, error=TIMED_OUT)


def cancelled() -> Ended:
    """Its caller has cancelled it."""
    return Ended(succeeded=False, error=names.CANCELLED, message="Envelope cancelled")


def send_failed(problem: str) -> Ended:
    """The broker did not accept it."""
    return Ended(succeeded=False, error=f"failed to send envelope: {problem}")


def begun(record: Record, first: "Report | None", now: datetime) -> list[Change]:
    """Begin a history, with the report that is applied along with it."""
    changes = [created(record)]
    if first is not None and (change := apply(changes[0].record, first, now)) is not None:
        changes.append(change)
    return changes


def created(record: Record) -> Change:
    """Begin a history."""
    first = replace(record, events=1)
    message = "Envelope created"
    return Change(first, Event(record.id, 1, record.status, record.created_at, message=message, progress_percent=0.0))


def apply(record: Record, report: Report, now: datetime) -> Change | None:
    """Apply a report to a record; ``None`` when the record is final and nothing changes.

    Raises:
        NotShown: The report has to show the envelope's mark, and does not.
    """
    if isinstance(report, Reopened):
        return _reopened(record, report, now) if record.status is Status.FAILED else None
    if not isinstance(report, Sending) and report.shown is not None and not is_shown(record.headers, report.shown):
        raise NotShown
    if record.status.final:
        return None
    match report:
        case Sending():
            return _change(record, now, status=advance(record.status, Status.RUNNING), message=SENDING)
        case Progress():
            return _progress(record, report, now)
        case Ended():
            return _final(record, report, now)


def percent(actors: int, index: int, phase: str) -> float:
    """Compute the progress along a route, in percent."""
    if actors <= 0:
        return 0.0
    if index >= actors:  # Asya 0.1.1's sidecar reports `completed` with the index of the next actor.
        return 100.0
    return round(min(100.0, (max(index, 0) * 100 + WEIGHTS.get(phase, 0)) / actors), 2)


def _progress(record: Record, report: Progress, now: datetime) -> Change:
    status = advance(record.status, Status.RUNNING)
    behind = report.index < record.current_actor_idx
    actors = report.actors if report.actors and not behind else record.actors
    index = min(max(report.index, 0), len(actors))
    reached = percent(len(actors), index, report.phase)
    # A report of an actor that has been passed already adds an event and changes no position.
    position: dict[str, object] = {}
    if not behind:
        done = index + (1 if report.phase == "completed" and index < len(actors) else 0)
        position = {
            "actors": actors,
            "current_actor_idx": index,
            "current_actor_name": actors[index] if index < len(actors) else record.current_actor_name,
            "actors_completed": min(max(record.actors_completed, done), len(actors)),
            "progress_percent": max(record.progress_percent, reached),
            "message": report.message or record.message,
        }
    named = report.actors or actors
    event = {
        "message": report.message or None,
        "actor": named[report.index] if 0 <= report.index < len(named) else None,
        "actors": named,
        "current_actor_idx": max(report.index, 0),
        "phase": report.phase if report.phase in WEIGHTS else None,
        "facts": report.facts,
    }
    return _change(record, now, status=status, told=event, **position)


def _final(record: Record, report: Ended, now: datetime) -> Change:
    status = Status.SUCCEEDED if report.succeeded else Status.FAILED
    actors = report.actors or record.actors
    index = record.current_actor_idx if report.index is None else min(max(report.index, 0), len(actors))
    message = report.message or _final_message(report)
    result = report.result if report.details is None else _failure(report)
    return _change(
        record,
        now,
        status=status,
        told={
            "result": result,
            "error": report.error or None,
            "actor": report.actor or record.current_actor_name,
            "facts": None if report.how is None else Facts(ended=report.how),
        },
        message=message,
        result=result,
        error=report.error or None,
        actors=actors,
        current_actor_idx=index,
        current_actor_name=report.actor or record.current_actor_name,
        actors_completed=len(actors)
        if report.succeeded and report.how is None
        else min(record.actors_completed, len(actors)),
        progress_percent=100.0,
    )


def _reopened(record: Record, report: Reopened, now: datetime) -> Change:
    actors = report.actors or record.actors
    index = record.current_actor_idx if report.index is None else min(max(report.index, 0), len(actors))
    return _change(
        record,
        now,
        status=Status.RUNNING,
        told={"actor": actors[index] if index < len(actors) else None, "actors": actors, "current_actor_idx": index},
        message=report.message,
        result=None,
        error=None,
        deadline=None,
        actors=actors,
        current_actor_idx=index,
        current_actor_name=actors[index] if index < len(actors) else None,
        actors_completed=index,
        progress_percent=percent(len(actors), index, ""),
    )


def _final_message(report: Ended) -> str:
    if report.how == "joined":
        return f"Joined at '{report.actor}'; what comes of it goes on under its parent's id"
    if report.how == "early":
        return f"Ended early at '{report.actor}', whose handler returned nothing: there is no result"
    if report.succeeded:
        where = f", results stored at {report.stored_at}" if report.stored_at else ""
        if lacks := without(report.missing):
            return f"Envelope completed {lacks}{where}"
        return f"Envelope completed successfully{where}"
    if report.error and report.actor:
        return f"Envelope failed at actor '{report.actor}': {report.error}"
    return f"Envelope failed: {report.error}" if report.error else "Envelope failed"


def _failure(report: Ended) -> bytes:
    """Combine error and details into the result of a failed envelope."""
    document: dict[str, object] = {"error": report.error, "details": msgspec.Raw(report.details or b"null")}
    if report.actor:
        document["failed_actor"] = report.actor
    if report.index is not None:
        document["failed_actor_idx"] = report.index
    if report.actors:
        document["route"] = report.actors
    return msgspec.json.encode(document)


def _change(
    record: Record, now: datetime, *, status: Status, told: Mapping[str, object] | None = None, **changes: object
) -> Change:
    after = replace(record, status=status, updated_at=now, events=record.events + 1, **changes)  # type: ignore[arg-type] # names are this module's own
    shown = {"message": after.message, **(told or {})}
    event = Event(record.id, after.events, status, now, progress_percent=after.progress_percent, **shown)  # type: ignore[arg-type] # as above
    return Change(after, event)
