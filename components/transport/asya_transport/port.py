"""The port of the transports: what each promises, whichever broker is behind it.

Promises, each proven by ``tests/contract`` on every implementation:

* ``send`` returns only when the broker has confirmed the body; until then the caller must keep its delivery.
* A delivery is handed out until it is settled: a lost consumer's deliveries come again, to anyone.
* ``release`` gives a delivery back at once and costs its envelope nothing.
* A consumer reconnects by itself and goes on receiving; what it had handed out before is then ``LeaseLost``.
* ``stop`` takes nothing more from the broker, and releases what it had taken but not handed out.

This module does no I/O and imports no client. Queue names are full names (``asya-ocr``), not actor names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from asya_protocol import names


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One envelope's bytes, ours until settled.

    Attributes:
        body: As the producer sent it.
        receipt: What the transport needs to settle it; opaque to everyone else.
        delivery_count: How often the broker has handed it out, this time included, as far as it tells; at least 1.
        attributes: Transport attributes (AMQP headers, SQS message attributes) as text.
        sent_s: When it was sent, in seconds since 1970, by the broker's clock or the sender's; ``None`` where nobody says.
    """

    body: bytes
    receipt: object
    delivery_count: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    sent_s: float | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How much a queue holds.

    Attributes:
        ready: Waiting to be received.
        in_flight: Received and not settled.
        delayed: Sent with a delay that still runs; on RabbitMQ, which keeps those elsewhere, what it holds back by itself.
    """

    ready: int
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """Everything that still needs work."""
        return self.ready + self.in_flight + self.delayed

    def queued(self, actor: str) -> int:
        """What waits for an actor. What fan-in has delayed are its own timers, which nobody has sent and nobody waits for."""
        return self.ready if actor == names.FAN_IN else self.ready + self.delayed


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """How a queue and its dead letter queue should be.

    Attributes:
        max_deliveries: Broker's own limit of deliveries before it dead-letters; a backstop behind the sidecar's
            counters, so well above them: every receive counts here, drains too.
        lease_s: Default lease of a received envelope where the broker has one (SQS visibility timeout).
        retention_s: How long an unread envelope stays, where the broker limits it (SQS).
        dlq_retention_s: The same for dead letters.
        encryption_key: Key with which the broker encrypts what waits, where it takes one (SQS: a KMS key's id or ARN); empty
            leaves it to the broker.
        tls_only: Whether the queue refuses callers without TLS, where that is the queue's to say (SQS).
    """

    max_deliveries: int = 20
    lease_s: float = 60.0
    retention_s: float = 4 * 86400.0
    dlq_retention_s: float = 14 * 86400.0
    encryption_key: str = ""
    tls_only: bool = False


class Consumer(Protocol):
    """A subscription to one queue."""

    @property
    def lease_s(self) -> float | None:
        """Seconds a delivery stays ours without ``extend``; ``None`` where it stays ours as long as the connection."""

    @property
    def last_poll_s(self) -> float:
        """``time.monotonic`` of the last moment at which the broker was seen answering this consumer."""

    @property
    def returns_are_free(self) -> bool:
        """Whether ``release`` leaves the count of deliveries alone on which the broker itself dead-letters.

        Where it does not (SQS; RabbitMQ before 4.3) releases are for drains and surplus, not for a habit.
        """

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries, waiting at most about ``wait_s`` for the first; empty when none came.

        Raises:
            TransportUnavailable: The broker is away; call again after a pause, the consumer reconnects by itself.
            QueueMissing: The queue does not exist (any more).
        """

    async def ack(self, delivery: Delivery) -> None:
        """Settle: done, never to come again.

        Raises:
            LeaseLost: It was no longer ours; it comes again.
            TransportUnavailable: The broker could not be told; it comes again.
        """

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Settle: let it come again, after about ``delay_s`` (at once where the broker cannot delay).

        Raises:
            LeaseLost: It was no longer ours.
            TransportUnavailable: The broker could not be told.
        """

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Settle: move it to the queue's dead letter queue with attributes ``asya-reason`` and ``asya-queue``.

        Raises:
            QueueMissing: There is no dead letter queue; the delivery is still ours.
            LeaseLost: It was no longer ours.
            TransportUnavailable: The broker could not be told; the delivery is still ours or comes again.
        """

    async def extend(self, deliveries: Sequence[Delivery], lease_s: float) -> None:
        """Keep deliveries ours for another ``lease_s`` from now; nothing to do where ``lease_s`` is ``None``.

        Those settled meanwhile are left alone.

        Raises:
            LeaseLost: At least one is no longer ours; the others were extended.
            TransportUnavailable: At least one could not be extended.
        """

    async def set_prefetch(self, prefetch: int) -> None:
        """Change how many unsettled deliveries the broker may push; nothing to do where it never pushes."""

    async def pause(self) -> None:
        """Take nothing until the next ``receive``; release what was not handed out. Never raises."""

    async def stop(self) -> None:
        """Take nothing more; release what was not handed out. What was handed out can still be settled."""

    async def close(self) -> None:
        """Stop, and leave nothing on the connection; what was handed out and not settled comes again. Never raises.

        For callers that open many consumers on one transport; closing the transport is enough for the others.
        """


class Transport(Protocol):
    """A connection to a broker, for sending and for opening consumers."""

    @property
    def name(self) -> str:
        """``memory``, ``sqs`` or ``rabbitmq``."""

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes."""

    @property
    def max_delay_s(self) -> float:
        """Longest delay that ``send`` honours; longer ones are refused with ValueError."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests made so far, retries included, by the broker's name of the call; empty where none are billed."""

    async def connect(self) -> None:
        """Reach the broker.

        Raises:
            TransportUnavailable: It cannot be reached, after the attempts the settings allow.
        """

    async def ping(self) -> None:
        """Make sure that the broker answers, without waiting long for one that does not.

        Raises:
            TransportUnavailable: It does not.
        """

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Put one body on a queue; return when the broker has confirmed it. Safe to call concurrently.

        Raises:
            QueueMissing: Nothing was sent.
            EnvelopeTooLarge: Nothing was sent.
            EnvelopeRefused: Nothing was sent: the broker cannot carry such bytes (SQS: what is no text).
            TransportUnavailable: Not confirmed: it may or may not have arrived; send again.
        """

    async def consume(self, queue: str, *, prefetch: int = 1) -> Consumer:
        """Open a consumer.

        Raises:
            QueueMissing: The queue does not exist.
            TransportUnavailable: The broker is away.
        """

    async def close(self) -> None:
        """Disconnect; unsettled deliveries come again. Never raises."""


class QueueAdmin(Protocol):
    """Creates, measures and deletes queues; used by the operator and the local mesh, never by a sidecar."""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What keeps the broker from taking envelopes, such as ``memory`` or ``disk``, as far as it told at the last list."""

    @property
    def version(self) -> str:
        """The broker's version as far as it tells, such as ``4.3``; empty before it was reached, and where it has none."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests made so far, retries included, by the broker's name of the call; empty where none are billed."""

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make the queue and its dead letter queue be as the spec says; idempotent, never at the cost of content.

        Raises:
            TransportUnavailable: The broker is away.
            TransportError: It exists with attributes that the broker cannot change in place; the text says which.
        """

    async def measure(self, queue: str) -> Depth:
        """Count a queue's envelopes.

        Raises:
            QueueMissing: The queue does not exist.
            TransportUnavailable: The broker is away.
        """

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """The queues that start with ``prefix``, sorted by name, by few questions to the broker.

        Returns:
            By name what each holds, some seconds ago at most; ``None`` where the broker tells that only queue by queue.
        """

    async def drain(self, queue: str) -> int:
        """Purge what waits in a queue, and return about how many that was.

        Raises:
            QueueMissing: The queue does not exist.
        """

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """Delete a queue and its dead letter queue.

        Without ``force`` a queue that holds anything (its dead letter queue too) stays whole.

        Returns:
            Whether it is gone; true also when it was not there.
        """

    async def close(self) -> None:
        """Disconnect. Never raises."""
