"""What one delivery went through at this hop, and the spans that come of it. Pure: moments and ids are arguments.

All spans of a hop are made at its end and leave together. The hop's own span is a child of the trace's root, not of the hop
before it, which it links to: spans of a process that is killed are lost, and must not take the place of others in the tree
with them. A trace looks like this::

    send asya-ocr                       whoever sent it first
    +-- wait asya-ocr                   in the queue
    +-- process asya-ocr                from its receipt to its settlement; one for each attempt
    |   +-- receive asya-ocr            held here until a worker took it
    |   +-- handle ocr                  the handler's call; of a batch, linked to the others
    |   +-- send asya-translate         confirmed by the broker; linked to what it was joined from
    |   +-- ack asya-ocr                or retry, release, dead_letter
    +-- wait asya-translate ...
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from asya_process import spans
from asya_process.spans import Operation, Span
from asya_protocol import names
from asya_protocol.envelope import Envelope
from asya_protocol.trace import TraceContext, read_note, read_traceparent
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, RetryLater, Settlement

MOST_LINKS: Final = 128
"""Links of one span; OpenTelemetry's own default limit."""
_SETTLED: Final[Mapping[type[Settlement], Operation]] = {
    Ack: "ack",
    RetryLater: "retry",
    Release: "release",
    DeadLetter: "dead_letter",
}
_ID_LIMIT: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Sent:
    """One confirmed send."""

    queue: str
    body_bytes: int
    start_s: float
    end_s: float
    links: tuple[str, ...] = ()


@dataclass(slots=True)
class Trail:
    """One delivery's moments, seconds since 1970; those that did not come are ``None``.

    Attributes:
        context: This hop's span.
        root_id: The span that it is a child of; ``None`` where the trace begins here.
        previous: The hop before this one.
        sent_s: When that sent it.
        received_s: When the broker handed it out.
        taken_s: When a worker took it.
        called: Begin and end of the handler's call.
        batch: Envelopes that shared the call.
        call_links: Hops that shared it.
        sends: What was sent.
        settling: Begin and end of the settlement.
        usage: What the handler said of models that it called, as attributes.
    """

    context: TraceContext
    root_id: str | None
    previous: TraceContext | None
    sent_s: float | None
    received_s: float
    taken_s: float
    called: tuple[float, float] | None = None
    batch: int = 1
    call_links: tuple[TraceContext, ...] = ()
    sends: list[Sent] = field(default_factory=list)
    settling: tuple[float, float] | None = None
    usage: Mapping[str, spans.Value] = field(default_factory=dict)

    @property
    def recorded(self) -> bool:
        """Whether spans come of it."""
        return self.context.sampled


@dataclass(frozen=True, slots=True)
class Place:
    """The hop whose spans they are."""

    actor: str
    queue: str
    transport: str


def begin_trail(
    headers: Mapping[str, object],
    fresh: Callable[[], tuple[str, str]],
    samples: Callable[[str, TraceContext | None], bool],
    *,
    received_s: float,
    taken_s: float,
) -> Trail | None:
    """Go on with the trace of an envelope, or begin one.

    Args:
        headers: The envelope's.
        fresh: Makes ids for a trace and for a span.
        samples: Whether a trace is recorded, by its id and by what came with the envelope.
        received_s: When the broker handed it out.
        taken_s: When a worker took it.

    Returns:
        ``None`` for an envelope whose trace is not recorded, and whose own header says all of it that the next hop needs.
    """
    came = read_traceparent(headers.get(names.HEADER_TRACEPARENT))
    if came is None:
        trace_id, span_id = fresh()
        return Trail(TraceContext(trace_id, span_id, samples(trace_id, None)), None, None, None, received_s, taken_s)
    if not samples(came.trace_id, came):
        return None
    note = read_note(headers)
    return Trail(
        context=TraceContext(came.trace_id, fresh()[1]),
        root_id=came.span_id if note is None else note.root_id,
        previous=came,
        sent_s=None if note is None else note.sent_s,
        received_s=received_s,
        taken_s=taken_s,
    )


def share_call(trails: list[Trail]) -> None:
    """Link the hops of a batch: the first one with all others, those with the first."""
    first, *others = trails
    first.call_links = tuple(other.context for other in others[:MOST_LINKS])
    for other in others:
        other.call_links = (first.context,)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose hop it is.

    Attributes:
        envelope: ``None`` for bytes that are none.
        attempt: Attempts of the handler at this hop.
        delivery: Deliveries spent on infrastructure.
    """

    envelope: Envelope | None
    attempt: int = 1
    delivery: int = 1


def hop_spans(trail: Trail, place: Place, subject: Subject, done: Decision, end_s: float) -> list[Span]:
    """Make the spans of a hop that has ended.

    Args:
        trail: Its moments.
        place: Where it was.
        subject: Whose.
        done: What was done in the end.
        end_s: Now.
    """
    envelope = subject.envelope
    envelope_id = "" if envelope is None else envelope.id
    failure = done.cause if done.failed_reason is not None else ""
    own = trail.context

    def nth(number: int) -> TraceContext:
        return TraceContext(own.trace_id, f"{(int(own.span_id, 16) + number) % _ID_LIMIT or 1:016x}")

    def step(number: int, operation: Operation, queue: str, start_s: float, stop_s: float, **more: int) -> Span:
        return Span(
            spans.operation_name(operation, queue),
            nth(number),
            own.span_id,
            start_s,
            stop_s,
            spans.operation_kind(operation),
            spans.operation_attributes(operation, queue, place.transport, envelope_id=envelope_id, **more),
        )

    made = [
        Span(
            spans.operation_name("process", place.queue),
            own,
            trail.root_id,
            trail.received_s,
            end_s,
            spans.operation_kind("process"),
            {
                **spans.operation_attributes("process", place.queue, place.transport, envelope_id=envelope_id),
                spans.ACTOR: place.actor,
                spans.ATTEMPT: subject.attempt,
                spans.DELIVERY: subject.delivery,
                spans.RESULT: done.result,
                **_of_envelope(envelope),
                **({spans.ERROR_TYPE: done.failed_reason} if done.failed_reason is not None else {}),
            },
            _before(trail),
            failure,
        ),
        step(1, "receive", place.queue, trail.received_s, trail.taken_s),
    ]
    if trail.sent_s is not None and trail.root_id is not None:
        waited: dict[str, spans.Value] = {spans.DESTINATION: place.queue}
        # Clocks of two machines differ.
        begin_s = min(trail.sent_s, trail.received_s)
        made.append(Span(f"wait {place.queue}", nth(2), trail.root_id, begin_s, trail.received_s, "internal", waited))
    if trail.called is not None:
        told: dict[str, spans.Value] = {spans.ACTOR: place.actor, spans.BATCH_COUNT: trail.batch, **trail.usage}
        if trail.batch == 1:
            del told[spans.BATCH_COUNT]
        made.append(
            Span(f"handle {place.actor}", nth(3), own.span_id, *trail.called, "internal", told, trail.call_links)
        )
    if trail.settling is not None:
        made.append(step(4, _SETTLED[type(done.settlement)], place.queue, *trail.settling))
    for number, sent in enumerate(trail.sends, 5):
        span = step(number, "send", sent.queue, sent.start_s, sent.end_s, body_bytes=sent.body_bytes)
        links = [read_traceparent(link) for link in sent.links[:MOST_LINKS]]
        made.append(_linked(span, tuple(link for link in links if link is not None)))
    return made


def _linked(span: Span, links: tuple[TraceContext, ...]) -> Span:
    return Span(span.name, span.context, span.parent_id, span.start_s, span.end_s, span.kind, span.attributes, links)


def _before(trail: Trail) -> tuple[TraceContext, ...]:
    """The hop before this one, unless it is the root itself."""
    previous = trail.previous
    return () if previous is None or previous.span_id == trail.root_id else (previous,)


def _of_envelope(envelope: Envelope | None) -> dict[str, spans.Value]:
    if envelope is None:
        return {}
    parent = {} if envelope.parent_id is None else {spans.PARENT: envelope.parent_id}
    return {spans.HOP: envelope.route.current, **parent}
