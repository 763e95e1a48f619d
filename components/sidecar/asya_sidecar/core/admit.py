"""Admission: is this delivery an envelope for this actor, and what is to be run?

The order of checks is Asya 0.1.1's (JSON, id, actor of the route), with these differences: every rule of the envelope
is checked here, an envelope past its deadline is never run, and an end actor always has something to persist.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from asya_process.settings import flag, required, setting, whole, zero_is_unset
from asya_protocol import names
from asya_protocol.acceptance import Acceptance, NotAccepted, accept, read_acceptance
from asya_protocol.claim import Claim, check_out
from asya_protocol.durations import parse_duration
from asya_protocol.envelope import Envelope, Route, parse_envelope, parse_id, parse_object, parse_route
from asya_protocol.errors import EnvelopeError, InvalidEnvelope, MalformedEnvelope
from asya_protocol.not_before import LONGEST_WAIT
from asya_sidecar.core.actions import Ack, Decision, Send
from asya_sidecar.core.build import count_of, lenient_headers, refusal_body, refusal_from_envelope
from asya_sidecar.core.fan_out import give_up
from asya_sidecar.core.retry import RetryPolicy
from asya_sidecar.core.trail import Trail
from asya_store.limits.rule import Rule, read_rules


@dataclass(frozen=True, slots=True)
class Hop:
    """The facts about this actor that decisions need."""

    actor: str = required("ASYA_ACTOR_NAME", "the name of the actor whose queue to consume")
    happy_end: str = setting("ASYA_ACTOR_HAPPY_END", str, names.HAPPY_END)
    """Where finished envelopes go."""
    error_end: str = setting("ASYA_ACTOR_ERROR_END", str, names.ERROR_END)
    """Where failed envelopes go."""
    is_end_actor: bool = setting("ASYA_IS_END_ACTOR", flag, "false")
    """This actor forwards nothing and takes envelopes whose route is finished."""
    is_collector: bool = setting("ASYA_IS_COLLECTOR", flag, "false")
    """This actor's handler keeps envelopes: one without output is done, and outputs have the ids and delays that it
    gives them; `true` by default for `fan-in`."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    queue_names: names.QueueNames = field(default_factory=names.QueueNames)
    max_deliveries: int = setting("ASYA_MAX_DELIVERIES", whole(1, 1000), str(names.MAX_DELIVERIES))
    """Deliveries of a hop spent on crashes and timeouts before its dead letter queue."""
    logs_causes: bool = setting("ASYA_LOG_CAUSES", flag, "false")
    """Write what a handler's exception says, often a part of its input, into the log also above DEBUG."""
    longest_wait_s: float = setting("ASYA_LONGEST_WAIT", parse_duration, LONGEST_WAIT)
    """How far ahead the moment may lie before which an envelope may not be handled. A cancel is remembered for 8 days:
    what waits longer forgets it, where no gateway keeps it."""
    limits: tuple[Rule, ...] = setting("ASYA_LIMITS", read_rules, "[]")
    """The limits that every call is asked for, as JSON: `spec.limits`, each with the figures of its `Limit`."""
    accepts: Acceptance | None = setting("ASYA_ACCEPTS", read_acceptance, "")
    """Which routes and control headers envelopes may bring here, as JSON: `spec.accepts`; empty is any."""
    timeout_s: float = setting("ASYA_RUNTIME_TIMEOUT", zero_is_unset(parse_duration), "5m")
    """One handler call; a handler that runs longer is ended and started again."""


@dataclass(frozen=True, slots=True)
class Work:
    """An admitted envelope.

    Attributes:
        envelope: As parsed.
        body: What the runtime gets: the producer's own bytes.
        timeout_s: How long the handler may run: the actor's limit, or less when the deadline is nearer.
        deadline_bound: The deadline, not the actor's limit, is what ends it.
        attempt: Attempts of the handler at this hop, this one included.
        delivery: Deliveries of this hop spent on infrastructure, this one included.
        source: The delivered bytes, where they are not ``body``: the payload came from the object store.
        claim: To where it was there.
        redelivered: It was handed out before, and may have been worked on.
        lease: Name of its call at the actor's limits; empty where none was asked.
        trail: What it went through here; ``None`` where traces are off.
    """

    envelope: Envelope
    body: bytes
    timeout_s: float
    deadline_bound: bool = False
    attempt: int = 1
    delivery: int = 1
    source: bytes | None = None
    claim: Claim | None = None
    redelivered: bool = False
    lease: str = ""
    trail: Trail | None = field(default=None, compare=False)


def admit(body: bytes, hop: Hop, now: datetime) -> Work | Decision:
    """Check one delivery's bytes.

    Returns:
        Work to run, or the decision for an envelope that must not be run here.
    """
    if hop.is_end_actor:
        return _admit_at_end(body, hop)
    try:
        envelope = parse_envelope(body)
    except MalformedEnvelope as exc:
        return _refuse_bytes(body, hop, f"Failed to parse message: {exc}", "parse_error")
    except InvalidEnvelope as exc:
        return _refuse_bytes(body, hop, str(exc), "validation_error")
    actual = envelope.route.actor or ""
    if actual != hop.actor:
        text = f"Route mismatch: message routed to wrong actor (expected: {hop.actor}, actual: {actual})"
        return refuse(envelope, hop, text, "route_mismatch")
    changed = False
    if hop.accepts is not None:
        try:
            taken = accept(envelope, hop.accepts, hop.actor)
        except NotAccepted as exc:
            return refuse(envelope, hop, str(exc), "not_accepted")
        changed, envelope = taken is not envelope, taken
    if changed or envelope.route.has_legs:
        body = envelope.dump()  # a runtime reads our form of the route
    return in_time(_work(envelope, body, hop.timeout_s, deadline_bound=False), hop, now)


def in_time(work: Work, hop: Hop, now: datetime) -> Work | Decision:
    """Look at an envelope's deadline, when it is admitted and again when it has waited since.

    Returns:
        Work with as much time as is left, or the decision for an envelope that is too late.
    """
    deadline = work.envelope.deadline
    if deadline is None:
        return work
    left_s = (deadline - now).total_seconds()
    if left_s <= 0:
        return refuse(work.envelope, hop, f"Deadline exceeded {-left_s:.1f}s before the handler could run", "deadline")
    if left_s >= hop.timeout_s:
        return work
    return replace(work, timeout_s=left_s, deadline_bound=True)


def refuse(envelope: Envelope, hop: Hop, text: str, reason: str) -> Decision:
    """Decide for an envelope that can never succeed here: straight to error-end."""
    error = Send(hop.error_end, refusal_from_envelope(envelope, text), "error_end")
    sends = (error, *give_up(envelope, hop.actor, text))
    return Decision(Ack(), "failed", sends=sends, failed_reason=reason, cause=text, about=envelope)


def with_payload(work: Work, claim: Claim, payload: bytes) -> Work:
    """Give an envelope that carried a claim its payload; another try of the hop sends the claim again."""
    whole = replace(work.envelope.with_headers({names.HEADER_CLAIM: None}), payload=msgspec.Raw(payload))
    return replace(work, envelope=whole, body=check_out(work.body, payload), source=work.body, claim=claim)


def refused_at_end(work: Work, hop: Hop, text: str) -> Work:
    """What error-end persists of an envelope that it cannot take as it is: it is never sent to itself."""
    body = refusal_from_envelope(work.envelope, text)
    return _work(parse_envelope(body), body, hop.timeout_s, deadline_bound=False)


def _refuse_bytes(body: bytes, hop: Hop, text: str, reason: str) -> Decision:
    error = Send(hop.error_end, refusal_body(body, text, hop.error_end), "error_end")
    return Decision(Ack(), "failed", sends=(error,), failed_reason=reason, cause=text)


def _admit_at_end(body: bytes, hop: Hop) -> Work | Decision:
    """Keep whatever has an id; wrap what has none, so that error-end can persist it. It is never sent to itself."""
    try:
        document = parse_object(body)
        envelope_id = parse_id(document)
    except EnvelopeError as exc:
        text = f"Failed to parse message: {exc}" if isinstance(exc, MalformedEnvelope) else str(exc)
        if hop.actor != hop.error_end:
            return _refuse_bytes(body, hop, text, "parse_error")
        body = refusal_body(body, text, hop.error_end)
        return _work(parse_envelope(body), body, hop.timeout_s, deadline_bound=False)
    try:
        envelope = parse_envelope(body)
    except EnvelopeError:
        # Asya 0.1.1 never checked routes here, so results of foreign producers must be persisted too.
        try:
            route = parse_route(document)
        except EnvelopeError:
            route = Route(actors=())
        payload = document.get("payload", msgspec.Raw(b"null"))
        envelope = Envelope(id=envelope_id, route=route, payload=payload, headers=lenient_headers(document))
    return _work(envelope, body, hop.timeout_s, deadline_bound=False)


def _work(envelope: Envelope, body: bytes, timeout_s: float, deadline_bound: bool) -> Work:
    return Work(
        envelope=envelope,
        body=body,
        timeout_s=timeout_s,
        deadline_bound=deadline_bound,
        attempt=count_of(envelope.headers, names.HEADER_ATTEMPT),
        delivery=count_of(envelope.headers, names.HEADER_DELIVERY),
    )
