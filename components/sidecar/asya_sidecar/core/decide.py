"""The decision table: from an admitted envelope and the outcome of its handler call to everything that happens next.

Rows, first match wins:

| outcome                                   | plain actor                              | end actor                    |
|-------------------------------------------|------------------------------------------|------------------------------|
| no items, no error                        | the input to happy-end; a collector: done| done, final report           |
| the same, a list and fan-in ahead         | fan-in joins an empty list               | done, final report           |
| items                                     | each to its next actor or happy-end      | done, final report           |
| timeout that the deadline caused          | error-end                                | (no deadline is applied)     |
| timeout, runtime lost, connection_error   | again later, up to max_deliveries; DLQ   | the same                     |
| interrupted by a neighbour's end          | released, at no cost                     | the same                     |
| error that asks for patience, at limits   | again later, at no cost                  | (they name no limits)        |
| error worth another attempt               | again later with backoff                 | again later with backoff     |
| other error                               | error-end                                | DLQ (it has nowhere to go)   |

No row ends without a settlement. Called by the pipeline; time and chance are arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from asya_protocol import names
from asya_protocol.durations import format_duration
from asya_protocol.envelope import Envelope, Route, as_child
from asya_protocol.failure import failure_words, last_place
from asya_protocol.not_before import left_s
from asya_protocol.reply import ErrorItem, Item
from asya_protocol.reports import Retry
from asya_protocol.trace import TraceContext
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, Report, RetryLater, Send
from asya_sidecar.core.admit import Hop, Work, refuse
from asya_sidecar.core.build import child, collected, count_of, error_body, onward, with_counters
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.core.fan_out import call_off, close_group, give_up, is_joined, join_group, leads_to_fan_in
from asya_sidecar.core.reports import (
    child_report,
    completed_report,
    dead_report,
    final_report,
    joined_report,
    retry_report,
)
from asya_sidecar.core.retry import LONGEST_DELAY_S
from asya_sidecar.core.waits import rest

END_ACTOR_ATTEMPTS: Final = 20
"""An end actor tries this often before the DLQ: with delays up to the policy's maximum it outlasts an hour without S3."""


DEFAULT_PAUSE_S: Final = 10.0
"""How long a service is left alone that wants no more calls (429) and does not say for how long."""
MOST_THROTTLES: Final = 20
"""So often an envelope comes again at no cost because of that; a quota that is used up for good must end it."""
INTERRUPTED_PAUSE_S: Final = 1.0
"""Before an envelope comes again whose call ended with the process of another: about as long as a runtime takes to start."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the shell brings from outside.

    Attributes:
        now: UTC.
        chance: Evenly distributed in [0, 1), for jitter.
        trace_id: 32 hex digits, used when the envelope carries no trace.
        span_id: 16 hex digits, this hop's span.
        elapsed_s: How long the handler call took.
        sampled: Whether a trace that starts here is recorded.
        traced: This hop is recorded; it leaves a note for the next one.
    """

    now: datetime
    chance: float
    trace_id: str
    span_id: str
    elapsed_s: float = 0.0
    sampled: bool = True
    traced: bool = False

    @property
    def traced_s(self) -> float | None:
        """Now, seconds since 1970, where this hop is recorded."""
        return self.now.timestamp() if self.traced else None

    def onward(self, envelope: Envelope) -> Envelope:
        """Prepare an envelope's headers for leaving this hop."""
        return onward(
            envelope,
            trace_id=self.trace_id,
            span_id=self.span_id,
            sampled=self.sampled,
            traced_s=self.traced_s,
        )


def decide(work: Work, outcome: Outcome, hop: Hop, moment: Moment) -> Decision:
    """Choose what happens to one envelope after its handler call.

    Args:
        work: The admitted envelope; ``route.current`` still points at this actor.
        outcome: What the runtime did.
        hop: This actor.
        moment: Time, chance and ids.

    Returns:
        Sends and reports in order, then exactly one settlement.
    """
    decision = _judge(work, outcome, hop, moment)
    return (
        decision
        if decision.result == "success" or not (outcome.streamed or work.redelivered)
        else without_group(decision, work, hop)
    )


def without_group(decision: Decision, work: Work, hop: Hop) -> Decision:
    """Add to a decision that fan-in is not to join what this hop has made so far, if it made anything.

    Not where the same delivery comes again: it opens the same group.
    """
    if hop.is_collector or hop.is_end_actor or isinstance(decision.settlement, Release):
        return decision
    return replace(decision, sends=(*decision.sends, *call_off(work.envelope, decision.cause)))


def _judge(work: Work, outcome: Outcome, hop: Hop, moment: Moment) -> Decision:
    if isinstance(outcome, TimedOut):
        return _on_timeout(work, hop, moment, outcome.limit_s)
    if isinstance(outcome, RuntimeLost):
        return _redeliver(work, hop, moment, outcome.detail)
    if outcome.error is None:
        return _succeed(work, outcome, hop, moment)
    if outcome.error.code == "timeout_error":
        return _on_timeout(work, hop, moment, work.timeout_s, outcome.error)
    if outcome.error.code == "interrupted":
        cause = outcome.error.message
        return Decision(Release(INTERRUPTED_PAUSE_S), "released", failed_reason="runtime_error", cause=cause)
    if outcome.error.code == "connection_error":
        return _redeliver(work, hop, moment, f"runtime could not read the request: {outcome.error.message}")
    kind = ": ".join(part for part in (outcome.error.code, outcome.error.type) if part)
    return replace(_on_error(work, outcome, outcome.error, hop, moment), kind=kind)


def cancelled(work: Work, hop: Hop) -> Decision:
    """Choose what happens to an envelope that its caller no longer wants: it ends in error-end, whatever its handler did."""
    return replace(refuse(work.envelope, hop, names.CANCELLED, "cancelled"), result="cancelled", failed_reason=None)


def defect(work: Work | None, hop: Hop, moment: Moment, cause: str) -> Decision:
    """Choose what happens to an envelope on which this program itself failed; it must not take the others with it.

    Args:
        work: The admitted envelope, which is tried again as if its runtime had been lost; one that could not even be admitted
            becomes a dead letter.
        hop: This actor.
        moment: Time, chance and ids.
        cause: For people.
    """
    if work is not None:
        return without_group(_redeliver(work, hop, moment, cause), work, hop)
    return Decision(DeadLetter(cause), "dead_lettered", failed_reason="runtime_error", cause=cause)


def keeps_the_id(item: Item, hop: Hop) -> bool:
    """Whether the first output of a fan-out goes on under its envelope's id.

    It is that envelope then, with its one end: it must not leave before its handler has ended, which may be by an error.
    """
    return not hop.is_collector and not (item.route is not None and leads_to_fan_in(item.route))


def forward(
    work: Work,
    items: tuple[Item, ...],
    first: int,
    hop: Hop,
    moment: Moment,
    *,
    ends: bool = False,
    apart: bool = False,
) -> tuple[tuple[Send, ...], tuple[Report, ...]]:
    """Address outputs.

    Args:
        work: The envelope whose handler made them.
        items: Outputs in order.
        first: Place of the first of them in the whole fan-out; larger than 0 when others have been streamed before.
        hop: This actor.
        moment: Ids for the trace.
        ends: No more outputs follow.
        apart: The envelope has another end, so that the first output too gets an id of its own.

    Returns:
        One send per item, and one child report for each that has an id of its own.
    """
    if hop.is_collector:
        return _forward_collected(work, items, hop, moment), ()
    fans_out = first > 0 or not ends or len(items) > 1
    count = len(items) if ends and first == 0 else None
    parent = moment.onward(work.envelope)
    sends: list[Send] = []
    reports: list[Report] = []
    for index, item in enumerate(items, start=first):
        made = child(parent, item, index)
        if apart and index == 0:
            made = as_child(made, parent, index)
        made, until = rest(made, item.headers, work.envelope.headers, moment.now, hop.longest_wait_s)
        if fans_out:
            made = join_group(made, work.envelope, index, count)
        if made.id != work.envelope.id:
            reports.append(child_report(made))
        sends.append(replace(_send_on(made, hop), delay_s=left_s(until, moment.now), until=until))
    return tuple(sends), tuple(reports)


def _forward_reply(
    work: Work, reply: Replied, items: tuple[Item, ...], hop: Hop, moment: Moment, *, apart: bool = False
) -> tuple[tuple[Send, ...], tuple[Report, ...]]:
    """Address the outputs that have not left yet: those that came last, and the first where it was held back."""
    held = () if reply.first is None else (reply.first,)
    first, about_first = forward(work, held, 0, hop, moment, apart=apart)
    sends, reports = forward(work, items, reply.streamed, hop, moment, ends=True, apart=apart)
    return (*first, *sends), (*about_first, *reports)


def _forward_collected(work: Work, items: tuple[Item, ...], hop: Hop, moment: Moment) -> tuple[Send, ...]:
    parent = moment.onward(work.envelope)
    sends: list[Send] = []
    for made in (collected(parent, item) for item in items):
        if made.failed is None:
            sends.append(replace(_send_on(made.envelope, hop), delay_s=made.delay_s, links=made.links))
        else:
            sends.append(Send(hop.error_end, made.envelope.dump(), "error_end", links=made.links))
            at_fan_in = replace(made.envelope.route, current=made.envelope.route.current - 1)
            sends += give_up(replace(work.envelope, route=at_fan_in), hop.actor, made.failed)
    return tuple(sends)


def _route_of(work: Work, items: tuple[Item, ...]) -> Route:
    """The route of a stream's children: as the last of them says, else the input's."""
    returned = items[-1].route if items else None
    return returned or work.envelope.route


def _send_on(made: Envelope, hop: Hop) -> Send:
    actor = made.route.actor
    return Send(hop.happy_end, made.dump(), "happy_end") if actor is None else Send(actor, made.dump(), "routing")


def _succeed(work: Work, reply: Replied, hop: Hop, moment: Moment) -> Decision:
    items = reply.items
    taken = (joined_report(work.envelope, moment.now),) if hop.is_collector and is_joined(work.envelope) else ()
    if hop.is_end_actor:
        return Decision(Ack(), "end_consumed", reports=final_report(work.envelope, items, hop, moment.now))
    if not items and not reply.streamed:
        if hop.is_collector:
            return Decision(Ack(), "collected", reports=taken)
        if _fans_out(reply) and (empty := close_group(work.envelope, work.envelope.route, 0)):
            done = completed_report(work.envelope, hop.actor, items, moment.elapsed_s)
            return Decision(Ack(), "success", sends=empty, reports=(done,))
        unchanged = moment.onward(work.envelope)
        send = Send(hop.happy_end, unchanged.dump(), "happy_end")
        sends = (send, *give_up(work.envelope, hop.actor, "its handler returned nothing"))
        return Decision(Ack(), "empty_response", sends=sends)
    sends, reports = _forward_reply(work, reply, items, hop, moment)
    if reply.streamed and not hop.is_collector:
        sends += close_group(work.envelope, _route_of(work, items), reply.streamed + len(items))
    until = sends[0].until if sends else None
    done = completed_report(work.envelope, hop.actor, items, moment.elapsed_s, until)
    return Decision(Ack(), "success", sends=sends, reports=(*reports, done, *taken), until=until)


def _fans_out(reply: Replied) -> bool:
    return reply.is_list or reply.streamed > 0 or len(reply.items) > 1


def _on_timeout(work: Work, hop: Hop, moment: Moment, limit_s: float, error: ErrorItem | None = None) -> Decision:
    """Say where the handler hung, as far as its runtime could still tell: in a line, and with its stack where it ends."""
    limit = format_duration(round(limit_s, 3))
    place = last_place(error.traceback) if error is not None else ""
    where = f", at {place}" if place else ""
    if work.deadline_bound:
        text = f"Deadline exceeded after the handler ran for {limit}{where}"
        return _fail(work, hop, moment, text, error, cause=text)
    return _redeliver(work, hop, moment, f"Runtime timeout exceeded after {limit}{where}", error)


def _on_error(work: Work, reply: Replied, error: ErrorItem, hop: Hop, moment: Moment) -> Decision:
    cause = failure_words(error.code, {"type": error.type, "message": error.message, "traceback": error.traceback})
    policy = hop.retry
    delay_s = policy.delay_s(work.attempt, moment.chance)
    if (pause_s := asked_pause_s(error)) is not None:
        delay_s = max(delay_s, pause_s)
        if hop.limits and _throttles(work) < MOST_THROTTLES and not _too_late(work.envelope, moment.now, delay_s):
            return _throttled(work, hop, moment, delay_s, cause)
    if hop.is_end_actor:
        if work.attempt < END_ACTOR_ATTEMPTS:
            return _again(work, hop, moment, delay_s, cause, attempt=work.attempt + 1)
        return _bury(work, hop, moment, f"{cause} (after {work.attempt} attempts)")
    if policy.retries(error, work.attempt) and not _too_late(work.envelope, moment.now, delay_s):
        return _again(work, hop, moment, delay_s, cause, attempt=work.attempt + 1)
    # Outputs made before the error have their own way to go, as in Asya 0.1.1; a retry would make them again. Not to fan-in:
    # what cannot be whole is not joined. Nor under the envelope's id, whose end is the error.
    items = tuple(item for item in reply.items if hop.is_collector or not (item.route and leads_to_fan_in(item.route)))
    sends, reports = _forward_reply(work, reply, items, hop, moment, apart=True)
    failed = _fail(work, hop, moment, error.code, error)
    return replace(failed, sends=(*sends, *failed.sends), reports=reports)


def asked_pause_s(error: ErrorItem | None) -> float | None:
    """For how long the service behind a handler wants no more calls; ``None`` where it said nothing of the kind."""
    if error is None or error.retry_after_s is None:
        return None
    return min(error.retry_after_s or DEFAULT_PAUSE_S, LONGEST_DELAY_S)


def _throttles(work: Work) -> int:
    headers = work.envelope.headers
    return count_of(headers, names.HEADER_THROTTLED) if names.HEADER_THROTTLED in headers else 0


def _throttled(work: Work, hop: Hop, moment: Moment, delay_s: float, cause: str) -> Decision:
    """Not the envelope's fault: a limit was set higher than the service behind it has it."""
    told = {names.HEADER_THROTTLED: _throttles(work) + 1, names.HEADER_WAITS: 1}
    return replace(_again(work, hop, moment, delay_s, cause, more=told), result="limited", failed_reason=None)


def _fail(
    work: Work, hop: Hop, moment: Moment, text: str, error: ErrorItem | None = None, *, cause: str = ""
) -> Decision:
    parent = moment.onward(work.envelope)
    failure = Send(hop.error_end, error_body(parent, text, error), "error_end")
    cause = cause or (f"{error.type}: {error.message}" if error is not None else text)
    sends = (failure, *give_up(work.envelope, hop.actor, cause))
    return Decision(Ack(), "failed", sends=sends, failed_reason="runtime_error", cause=cause)


def _redeliver(work: Work, hop: Hop, moment: Moment, cause: str, error: ErrorItem | None = None) -> Decision:
    """Infrastructure failed: try the same hop again without blaming the envelope, a limited number of times."""
    delay_s = hop.retry.delay_s(work.delivery, moment.chance)
    if work.delivery >= hop.max_deliveries:
        return _bury(work, hop, moment, f"{cause} (delivered {work.delivery} times)", error)
    if _too_late(work.envelope, moment.now, delay_s) and not hop.is_end_actor:
        text = f"Deadline exceeded; last failure: {cause}"
        return _fail(work, hop, moment, text, error, cause=text)
    return _again(work, hop, moment, delay_s, cause, delivery=work.delivery + 1)


def _again(
    work: Work,
    hop: Hop,
    moment: Moment,
    delay_s: float,
    cause: str,
    *,
    attempt: int | None = None,
    delivery: int | None = None,
    more: Mapping[str, int] | None = None,
) -> Decision:
    copy = with_counters(
        work.source or work.body,
        attempt=attempt or work.attempt,
        delivery=delivery or work.delivery,
        more=more,
        trace=str(TraceContext(moment.trace_id, moment.span_id, moment.sampled)),
        traced_s=moment.traced_s,
    )
    # Of an end actor nothing is told but the end: its envelope still stands at the actor before it.
    spent = {} if delivery is None else {"delivery": work.delivery, "deliveries": hop.max_deliveries}
    retry = Retry(work.attempt, delay_s, cause, **spent)
    reports = () if hop.is_end_actor else (retry_report(work.envelope, hop.actor, retry),)
    return Decision(RetryLater(copy, delay_s), "retried", reports=reports, failed_reason="runtime_error", cause=cause)


def _bury(work: Work, hop: Hop, moment: Moment, reason: str, error: ErrorItem | None = None) -> Decision:
    fallback = None
    if not hop.is_end_actor:
        parent = moment.onward(work.envelope)
        fallback = Send(hop.error_end, error_body(parent, reason, error), "error_end")
    return Decision(
        DeadLetter(reason, fallback),
        "dead_lettered",
        sends=give_up(work.envelope, hop.actor, reason),
        reports=dead_report(work.envelope, reason, moment.now, error),
        failed_reason="runtime_error",
        cause=reason,
    )


def _too_late(envelope: Envelope, now: datetime, delay_s: float) -> bool:
    return envelope.deadline is not None and now + timedelta(seconds=delay_s) >= envelope.deadline
