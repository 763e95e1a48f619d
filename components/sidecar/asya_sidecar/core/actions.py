"""The actions that a decision consists of: sends, reports, and exactly one settlement per delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from asya_protocol.envelope import Envelope
from asya_protocol.reports import ChildBody, FinalBody, ProgressBody

MessageType = Literal["routing", "happy_end", "error_end", "notice"]


@dataclass(frozen=True, slots=True)
class Send:
    """Put an envelope on an actor's queue, confirmed, before the settlement; after a delay as far as the broker can.

    Attributes:
        actor: Whose queue.
        body: The envelope.
        kind: Why it is sent.
        delay_s: To wait before it may be received.
        links: ``traceparent`` of each envelope that it was made of, where those were several.
        until: The moment before which its actor may not take it, where that is to come.
    """

    actor: str
    body: bytes
    kind: MessageType
    delay_s: float = 0.0
    links: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the gateway.

    Attributes:
        kind: ``progress`` and ``child`` are best effort; ``final`` must arrive before the settlement.
        envelope_id: Whose progress it is.
        body: Body of the gateway's route of that kind.
        child: Of a final report: body of the report about the fan-out that made the envelope, should the gateway not
            have it yet.
    """

    kind: Literal["progress", "child", "final"]
    envelope_id: str
    body: ProgressBody | ChildBody | FinalBody
    child: ChildBody | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: every output is confirmed."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Send ``body`` to the own queue, to arrive after the delay, then acknowledge the delivery."""

    body: bytes
    delay_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Give the delivery back; it costs the envelope nothing."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Move the delivery to the dead letter queue; where there is none, send ``fallback`` instead and acknowledge.

    A dead letter of an end actor has no fallback: without a dead letter queue it is retried, for it must not be lost.
    """

    reason: str
    fallback: Send | None = None


Settlement = Ack | RetryLater | Release | DeadLetter


@dataclass(frozen=True, slots=True)
class Use:
    """What a handler told of its actor's limits.

    Attributes:
        spent: By limit, what the call did cost; those that are not named cost what was expected.
        pause_s: For how long the service behind the handler wants no more calls; ``None`` where it takes them.
    """

    spent: Mapping[str, float] = field(default_factory=dict)
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that happens to one delivery, in order: sends, final reports, settlement.

    Attributes:
        settlement: The one thing told to the broker.
        result: Word for logs and ``messages_processed_total``: success, empty_response, end_consumed, retried,
            failed, dead_lettered, released, cancelled, duplicate, collected, limited, waiting.
        sends: Envelopes to send first.
        reports: What the gateway learns.
        failed_reason: Label for ``messages_failed_total``; ``None`` when nothing failed.
        cause: For people, why it failed. May hold what a handler's exception says, and so a part of the payload.
        kind: The same without the handler's words, for logs; empty where the cause has none of them.
        use: What the handler told of its actor's limits.
        about: The envelope, where it was not let in and nothing else names it to logs.
        until: The moment for which it waits, or the first of what was made of it.
    """

    settlement: Settlement
    result: str
    sends: tuple[Send, ...] = ()
    reports: tuple[Report, ...] = ()
    failed_reason: str | None = None
    cause: str = ""
    kind: str = ""
    use: Use | None = None
    about: Envelope | None = None
    until: datetime | None = None

    def logged(self, causes: bool) -> str:
        """What a log above DEBUG may say of the cause: with ``causes`` all, else nothing of the handler's words."""
        return self.cause if causes else self.kind or self.cause

    @property
    def done(self) -> bool:
        """Whether a duplicate of the envelope has nothing left to do; what failed may be sent again by a person."""
        return self.result in {"success", "empty_response", "end_consumed", "collected"}
