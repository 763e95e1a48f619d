"""What holds an envelope: from the evidence to one answer, for ``asya why``, commands that wait, and the console.

Pure: the time is part of the evidence.

The first row of ``RULES`` that applies decides: what has ended is told before what is on its way, and what is certain (a
handler at work, a dead letter) before what can only be concluded (it waits in a queue).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from asya_manifest.statuses import WARNINGS
from asya_protocol import names
from asya_protocol.durations import format_duration
from asya_protocol.envelope import child_id, format_time
from asya_protocol.failure import document_words
from asya_protocol.not_before import parse_moment
from asya_protocol.partial import without

SETTLED_FOR_GOOD: Final = frozenset({"end_consumed"})
IN_TROUBLE: Final = WARNINGS | {"Terminating"}
"""Statuses of actors, in a cluster or a local mesh, that may be why nothing moves."""


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """One actor's state; ``None`` is unknown."""

    name: str
    status: str = ""
    message: str = ""
    ready: int | None = None
    desired: int | None = None
    queued: int | None = None
    in_flight: int | None = None
    max_attempts: int | None = None


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One settlement, as a sidecar logged or reported it.

    Attributes:
        at_s: Seconds since 1970.
        actor: Where.
        result: The sidecar's word: success, retried, failed, dead_lettered, released, cancelled and so on.
        to: Actor that the first output went to; empty when there was none.
        cause: Why it failed.
        attempt: Attempts of the handler until then; ``None`` when nothing failed.
        again_in_s: Seconds until it comes again, of one that was sent again.
        delivery: Which delivery of the attempt failed.
        deliveries: How many there are, where a crash or a timeout used one up; it costs no attempt.
        parents: Ids of the envelopes whose fan-outs it comes from, its parent's first, as a sidecar's own log tells.
        until: The moment for which it waits since then, RFC 3339; empty where for none.
    """

    at_s: float
    actor: str
    result: str
    to: str = ""
    cause: str = ""
    attempt: int | None = None
    again_in_s: float | None = None
    delivery: int | None = None
    deliveries: int | None = None
    parents: tuple[str, ...] = ()
    until: str = ""


@dataclass(frozen=True, slots=True)
class DeadFacts:
    """It lies in a dead letter queue."""

    actor: str
    reason: str = ""
    attempts: int | None = None
    deliveries: int | None = None


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """It waits at fan-in for its siblings."""

    here: int
    count: int | None
    missing: tuple[int, ...] = ()
    opener: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that could be found out.

    Attributes:
        id: The envelope.
        now_s: Seconds since 1970.
        record: The gateway's document; ``None`` when there is no gateway or it does not know it.
        events: The gateway's events, oldest first.
        end: ``succeeded`` or ``failed`` as the crew has persisted it, with the error.
        failed_at: The actor at which it failed, as the crew has persisted it; empty where that is not known.
        missing: The children without which it was joined.
        cancelled: It, or what it came from, is on the list of cancels.
        last: The last settlement in the sidecars' logs, or an attempt that failed as the gateway was told last.
        running: Actor, attempt and seconds, of a handler that is at work on it.
        dead: Its dead letter.
        group: Its fan-in group.
        actors: By name; ``None`` when nobody can say which there are.
        trace: Id of its trace and a link to it; either is empty where it is not known.
        place: What runs the actors: ``mesh`` (on this machine) or ``kubernetes``; anything else is not known.
    """

    id: str
    now_s: float
    record: Mapping[str, Any] | None = None
    events: Sequence[Mapping[str, Any]] = ()
    end: tuple[str, str] | None = None
    failed_at: str = ""
    missing: Sequence[int | str] = ()
    cancelled: bool = False
    last: StepFacts | None = None
    running: tuple[str, int, float] | None = None
    dead: DeadFacts | None = None
    group: GroupFacts | None = None
    actors: Mapping[str, ActorFacts] | None = None
    trace: tuple[str, str] = ("", "")
    place: str = ""

    @property
    def route(self) -> tuple[str, ...]:
        """Its route, as the gateway knows it."""
        return tuple((self.record or {}).get("route", {}).get("actors") or ())

    @property
    def error(self) -> str:
        """Its last error."""
        known = document_words(self.record or {})
        if known or self.end is None:
            told = self.dead.reason if self.dead else self.last.cause if self.last else ""
            retry: dict[str, Any] = next((event["retry"] for event in reversed(self.events) if event.get("retry")), {})
            return known or told or str(retry.get("cause", ""))
        return self.end[1]

    @property
    def where(self) -> str:
        """The actor where it is or waits."""
        if self.running is not None:
            return self.running[0]
        if self.dead is not None:
            return self.dead.actor
        if self.last is not None:
            return self.last.to or self.last.actor
        return self._told_by_gateway()

    def _told_by_gateway(self) -> str:
        """The actor of the last progress, or the one after it when that one is done with it."""
        told = next((event for event in reversed(self.events) if event.get("envelope_state")), None)
        route = self.route
        if told is None:
            begun = int((self.record or {}).get("route", {}).get("current") or 0)  # a child begins in the middle
            return route[begun] if begun < len(route) else ""
        place = int(told.get("current_actor_idx") or 0) + (told["envelope_state"] == "completed")
        actors = tuple(told.get("actors") or route)
        return actors[place] if place < len(actors) else names.HAPPY_END

    @property
    def facts(self) -> ActorFacts | None:
        """How the actor stands where it is."""
        return None if self.actors is None else self.actors.get(self.where)

    @property
    def next_try_s(self) -> float | None:
        """When it comes again, seconds since 1970; ``None`` when it does not wait for that."""
        if self.last is None or self.last.again_in_s is None:
            return None
        return self.last.at_s + self.last.again_in_s

    @property
    def until_s(self) -> float | None:
        """The moment before which no handler may take it, seconds since 1970; ``None`` where there is none to come."""
        told = next((event for event in reversed(self.events) if event.get("envelope_state")), None)
        if self.last is not None:
            found: object = self.last.until
        elif told is not None:
            found = told.get("until")
        else:
            headers = (self.record or {}).get("headers")
            found = headers.get(names.HEADER_NOT_BEFORE) if isinstance(headers, Mapping) else None
        try:
            until_s = parse_moment(found).timestamp()
        except ValueError:
            return None
        return until_s if until_s > self.now_s else None

    @property
    def attempts(self) -> int | None:
        """Attempts of the handler where it is, one that runs included; ``None`` when unknown."""
        if self.running is not None:
            return self.running[1]
        if self.dead is not None:
            return self.dead.attempts
        if self.last is not None and self.last.result == "retried":
            return self.last.attempt
        received = [event for event in self.events if event.get("envelope_state") == "received"]
        return sum(event.get("actor") == self.where for event in received) or None


@dataclass(frozen=True, slots=True)
class Why:
    """The answer.

    Attributes:
        held_by: A word for programs, the rule's name.
        because: A sentence for people.
        cure: What to do or look at; empty when nothing.
    """

    held_by: str
    because: str
    cure: str = ""


def told_by_gateway(events: Sequence[Mapping[str, Any]]) -> StepFacts | None:
    """The last that was reported, when it is an attempt that failed and is made again.

    Args:
        events: The gateway's, oldest first.
    """
    event = next((event for event in reversed(events) if event.get("envelope_state")), None)
    retry = (event or {}).get("retry")
    if event is None or retry is None:
        return None
    return StepFacts(
        at_s=datetime.fromisoformat(str(event["timestamp"])).timestamp(),
        actor=str(event.get("actor") or ""),
        result="retried",
        cause=str(retry["cause"]),
        attempt=retry["attempt"],
        again_in_s=retry["again_in_s"],
        delivery=retry.get("delivery"),
        deliveries=retry.get("deliveries"),
    )


Rule = Callable[[Evidence], Why | None]


def explain(evidence: Evidence) -> Why:
    """Say what holds an envelope."""
    return next(found for rule in RULES if (found := rule(evidence)) is not None)


def _ended(evidence: Evidence) -> Why | None:
    status = str((evidence.record or {}).get("status", ""))
    if status not in ("succeeded", "failed"):
        if evidence.record is not None and evidence.next_try_s is not None:
            return None  # it is in the store, and its end actor still has to tell the gateway
        status = evidence.end[0] if evidence.end is not None else ""
    if status == "succeeded":
        record = evidence.record or {}
        if any(event.get("ended") == "joined" for event in evidence.events):
            return _joined(str(record.get("parent_id")))
        lacks = without(evidence.missing or record.get("missing") or ())
        return Why("nothing", f"it has succeeded {lacks}".rstrip(), f"asya result {evidence.id}")
    if status != "failed" or evidence.dead is not None:
        return None
    if evidence.error == names.CANCELLED:
        return Why("cancelled", "its caller has cancelled it")
    result = (evidence.record or {}).get("result")
    place = str(result.get("failed_actor") or "") if isinstance(result, dict) else ""
    at = f" at {place or evidence.failed_at}" if place or evidence.failed_at else ""
    cure = f"asya result {evidence.id}; once mended: asya replay {evidence.id}"
    return Why("failed", f"it has failed{at}: {evidence.error or 'nobody says why'}", cure)


def _joined(parent: str) -> Why:
    return Why("nothing", f"fan-in joined it with its siblings into {parent}", f"asya result {parent}")


def _duplicate(evidence: Evidence) -> Why | None:
    last = evidence.last
    if last is None or last.result != "duplicate":
        return None
    text = f"{last.actor} has done it before, so that it was not run again; its end is that of the send before"
    return Why("duplicate", text, f"asya result {evidence.id}")


def _dead_letter(evidence: Evidence) -> Why | None:
    dead = evidence.dead
    if dead is None:
        return None
    reason = dead.reason or "the broker moved it there: it was handed out too often"
    cure = (
        f"asya dlq show {dead.actor} {evidence.id}; once mended: asya dlq redrive {dead.actor} --where id={evidence.id}"
    )
    return Why("dead_letter", f"it is a dead letter of {dead.actor}: {reason}", cure)


def _running(evidence: Evidence) -> Why | None:
    if evidence.running is None:
        return None
    actor, attempt, for_s = evidence.running
    text = f"the handler of {actor} has been at work on it for {for_s:.1f} s"
    text += f", attempt {attempt}" if attempt > 1 else ""
    if evidence.cancelled:
        return Why("cancelling", f"it is cancelled and ends within seconds; {text}")
    return Why("handler", text, f"asya local logs {actor}, or end it: asya cancel {evidence.id}")


def _cancelling(evidence: Evidence) -> Why | None:
    if not evidence.cancelled:
        return None
    return Why("cancelling", f"it is cancelled; it ends when its turn comes at {evidence.where or 'its actor'}")


def _moment(evidence: Evidence) -> Why | None:
    until_s = evidence.until_s
    if until_s is None:
        return None
    moment = format_time(datetime.fromtimestamp(until_s, UTC))
    left = format_duration(round(until_s - evidence.now_s))
    at = f" at {evidence.where}" if evidence.where else ""
    return Why("moment", f"it waits{at} until {moment}, for another {left}", f"end it: asya cancel {evidence.id}")


def _retry(evidence: Evidence) -> Why | None:
    last, due_s = evidence.last, evidence.next_try_s
    if last is None or due_s is None or last.to or last.result == "waiting":
        return None
    left_s = due_s - evidence.now_s
    when = f"in {left_s:.1f} s" if left_s > 0 else f"due for {-left_s:.0f} s: it waits in the queue"
    if left_s <= 0 and (facts := evidence.facts) is not None and facts.status in IN_TROUBLE:
        when += f"; {_said(facts)}"
    if last.result == "released":
        return Why("gateway", f"its end cannot be told to the gateway: {last.cause}; again {when}", "asya local status")
    if last.result == "limited":
        return Why(
            "limit", f"it waits at {last.actor}, at no cost, for {last.cause}; it asks again {when}", "asya limits"
        )
    which = f"attempt {last.attempt}" if last.deliveries is None else f"delivery {last.delivery} of {last.deliveries}"
    return Why("retry", f"{which} at {last.actor} failed: {last.cause}; the next one {when}")


def _fan_in(evidence: Evidence) -> Why | None:
    group, last = evidence.group, evidence.last
    if group is None:
        return _joined(last.parents[0]) if last is not None and last.result == "collected" and last.parents else None
    count = "nobody knows yet how many" if group.count is None else str(group.count)
    some = ", ".join(str(index) for index in group.missing[:10])
    missing = f"; missing: {some}{' and more' if len(group.missing) > 10 else ''}" if group.missing else ""
    child = child_id(group.opener or evidence.id, group.missing[0]) if group.missing else ""
    cure = f"look at one that is missing: asya why {child}" if child else ""
    return Why("fan_in", f"fan-in waits for its siblings: {group.here} of {count} are there{missing}", cure)


def _no_actor(evidence: Evidence) -> Why | None:
    where = evidence.where
    if evidence.actors is None or not where or where in evidence.actors:
        return None
    known = ", ".join(sorted(evidence.actors)) or "none at all"
    return Why("no_actor", f"its next actor {where} is not there, only {known}", "deploy it, or correct the route")


def _trouble(evidence: Evidence) -> Why | None:
    facts = evidence.facts
    if facts is None or facts.ready or (facts.ready is None and facts.status not in IN_TROUBLE):
        return None
    if facts.status in IN_TROUBLE:
        return Why("actor", _said(facts), _look_at(evidence, facts.name))
    if facts.desired == 0 and not facts.queued:
        return None
    if facts.desired == 0:
        return Why("scaling", f"no replica of {facts.name} runs and none is wanted yet; {_ahead(facts)}")
    wanted = "" if facts.desired is None else f" of {facts.desired}"
    text = f"no replica{wanted} of {facts.name} is ready yet; "
    if (
        facts.message
    ):  # it takes longer than replicas do, and somebody has seen why: a handler that hangs while it loads
        return Why("scaling", f"{text}{facts.message}; {_ahead(facts)}", _look_at(evidence, facts.name))
    return Why("scaling", f"{text}{_ahead(facts)}", "it should be in seconds")


def _queued(evidence: Evidence) -> Why | None:
    where = evidence.where
    if not where:
        return None
    facts = evidence.facts
    phase = next((event["envelope_state"] for event in reversed(evidence.events) if event.get("envelope_state")), "")
    if evidence.last is None and phase == "processing":
        text = f"{where} said last that its handler is at work on it"
    else:
        text = f"it waits in the queue of {where}"
    if facts is None:
        return Why("queue", text)
    trouble = f"; {_said(facts)}" if facts.status in IN_TROUBLE else ""  # some of its replicas work
    return Why("queue", f"{text}; {_ahead(facts)}{trouble}")


def _unknown(evidence: Evidence) -> Why | None:
    if evidence.last is not None and evidence.last.result in SETTLED_FOR_GOOD:
        return Why("nothing", f"{evidence.last.actor} was the last to settle it, {evidence.last.result}")
    waiting = sorted((facts for facts in (evidence.actors or {}).values() if facts.queued), key=lambda each: each.name)
    troubled = [facts for facts in waiting if facts.status in IN_TROUBLE]
    if troubled:
        said = "; ".join(_said(facts) for facts in troubled)
        at = ", ".join(facts.name for facts in waiting)  # it may as well wait at one that is well
        text = f"{said}; no actor has settled it yet: it waits at {at}, or was never sent"
        return Why("unknown", text, _look_at(evidence, troubled[0].name))
    where = f"; envelopes wait at {', '.join(facts.name for facts in waiting)}" if waiting else ""
    return Why("unknown", f"nothing is known of it: no actor has settled it yet, or it was never sent{where}")


RULES: Final[Sequence[Rule]] = (
    _ended, _duplicate, _dead_letter, _running, _cancelling, _moment, _retry, _fan_in, _no_actor, _trouble, _queued, _unknown,
)  # fmt: skip


def _look_at(evidence: Evidence, actor: str) -> str:
    """Where an actor's trouble is told at length: what there is on the machine that the actors run on."""
    ways = {"mesh": f"asya local logs {actor}", "kubernetes": f"kubectl describe asya {actor}"}
    return ways.get(evidence.place) or ", or ".join(ways.values())


def _said(facts: ActorFacts) -> str:
    return f"{facts.name} is {facts.status}" + (f": {facts.message}" if facts.message else "")


def _ahead(facts: ActorFacts) -> str:
    parts = []
    if facts.queued is not None:
        parts.append(f"{facts.queued} queued, {facts.in_flight or 0} in hand")
    if facts.ready is not None:
        parts.append(f"{facts.ready} of {'?' if facts.desired is None else facts.desired} replicas ready")
    return ", ".join(parts) or "nobody says how many wait"
