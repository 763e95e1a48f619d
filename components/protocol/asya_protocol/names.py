"""Names that several rooms share: queues, headers, files. Changing one changes the wire format."""

import re
from dataclasses import dataclass
from typing import Final

HAPPY_END: Final = "happy-end"
"""Actor that persists successful results; routes never list it."""
ERROR_END: Final = "error-end"
"""Actor that persists failed envelopes; routes never list it."""
FAN_IN: Final = "fan-in"
"""Actor that joins the children of a fan-out into one envelope; routes list it where they want that."""
CREW: Final = (HAPPY_END, ERROR_END, FAN_IN)
"""The actors that come with a mesh, to which every other sends."""
RESERVED_ACTORS: Final = frozenset({HAPPY_END, ERROR_END})
"""Actors that the sidecars send to by themselves."""

CANCELLED: Final = "Cancelled by its caller"
"""Error text of a cancelled envelope at error-end."""

QUEUE_PREFIX: Final = "asya-"
"""Every actor's queue is this prefix and the actor's name, unless the mesh has a prefix of its own (``QueueNames``)."""
QUEUE_PREFIX_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,13}")
"""Prefix, actor (63) and the ending of a dead letter queue (4) fit into SQS's 80 characters."""
DLQ_SUFFIX: Final = "-dlq"
"""An actor's dead letter queue is its queue's name and this suffix."""

SOCKET_NAME: Final = "asya-runtime.sock"
"""File name of the runtime's Unix socket inside the socket folder."""
METRICS_SOCKET_NAME: Final = "asya-metrics.sock"
"""File name, inside the socket folder, of the Unix socket on which the sidecar takes handlers' own metrics as lines of JSON."""
READY_NAME: Final = "runtime-ready"
"""File that the runtime writes, inside the socket folder, once its handler is loaded and the socket listens."""
END_NAME: Final = "runtime-end"
"""File that whoever started the runtime keeps inside the socket folder: how its process ended last (``runtime_end``)."""
SIDECAR_ADDRESS_NAME: Final = "sidecar-http"
"""File that the sidecar writes, inside the socket folder, with the ``host:port`` of its HTTP endpoints."""

HEADER_ATTEMPT: Final = "x-asya-attempt"
"""Envelope header: attempts of the handler at this hop so far, counted from 1; absent means 1."""
HEADER_DELIVERY: Final = "x-asya-delivery"
"""Envelope header: deliveries of this hop spent on infrastructure failures, counted from 1; absent means 1."""
HEADER_WAITS: Final = "x-asya-waits"
"""Envelope header: how often it has waited for a limit at this hop; absent means never."""
HEADER_THROTTLED: Final = "x-asya-throttled"
"""Envelope header: how often in a row the service behind this hop's handler wanted no more calls."""
HEADER_NOT_BEFORE: Final = "x-asya-not-before"
"""Envelope header, set by its sender: the moment before which its next handler may not take it; ends with that hop."""
HEADER_CLAIM: Final = "x-asya-claim"
"""Envelope header: where a payload waits that is too large for a queue; ends with the hop that reads it."""
HEADER_LINEAGE: Final = "x-asya-lineage"
"""Envelope header: places in their routes of the fan-outs that an envelope comes from, outermost first, e.g. `[0, 2]`."""
HEADER_REPLAY: Final = "x-asya-replay"
"""Envelope header: the failure that a replayed envelope is the replay of, 8 hex digits; absent in a first run."""
HEADER_FAN_IN: Final = "x-asya-fan-in"
"""Envelope header: the groups that an envelope belongs to, innermost last: `[{"group", "index", "count"?}]`."""
HEADER_MISSING: Final = "x-asya-fan-in-missing"
"""Envelope header of a joined envelope: indexes of the children that are not in it."""
HEADER_ON_MISSING: Final = "x-asya-fan-in-on-missing"
"""Envelope header, set by its sender: `fail` or `partial`, what fan-in does when a child of it is missing."""
HEADER_DELAY: Final = "x-asya-delay-s"
"""Header of an output: seconds to wait before it is sent on, or before its next handler may take it; ends there."""
HEADER_FAILED: Final = "x-asya-failed"
"""Header of a collector's output: it goes to error-end, whatever its route says; the value says why. Ends there."""
HEADER_MARK: Final = "x-asya-mark"
"""Envelope header, made by a gateway: what reports about the envelope, and about those that its fan-outs make, must show."""
HEADER_TRACEPARENT: Final = "traceparent"
"""Envelope header: W3C trace context, `00-<trace id>-<span id>-<flags>`."""
HEADER_TRACESTATE: Final = "tracestate"
"""Envelope header: W3C vendor trace state, passed on untouched."""
HEADER_TRACE: Final = "x-asya-trace"
"""Envelope header of a traced envelope: `{"root", "sent"?}`, the span above all hops and the moment it was sent."""
HEADER_LINKS: Final = "x-asya-trace-links"
"""Header of a collector's output: `traceparent` of each envelope that it was made of; ends there."""

ATTRIBUTE_REASON: Final = "asya-reason"
"""Transport attribute of a dead letter: why it is here, in words for a person."""
ATTRIBUTE_QUEUE: Final = "asya-queue"
"""Transport attribute of a dead letter: the queue it was taken from."""

MAX_DELIVERIES: Final = 5
"""Deliveries of a hop spent on crashes and timeouts before the dead letter queue, where an actor does not say."""

DEFAULT_EXCHANGE: Final = "asya"
"""RabbitMQ topic exchange through which outside producers may publish, routing key = actor name."""


@dataclass(frozen=True, slots=True)
class QueueNames:
    """How the queues of one mesh are named.

    Raises:
        ValueError: Brokers would not take the prefix.
    """

    prefix: str = QUEUE_PREFIX

    def __post_init__(self) -> None:
        if not QUEUE_PREFIX_PATTERN.fullmatch(self.prefix):
            raise ValueError(f"{self.prefix!r} is not 1 to 13 letters, digits, '-' or '_'")

    def queue(self, actor: str) -> str:
        """Name the queue of an actor, e.g. ``asya-ocr`` for ``ocr``."""
        return f"{self.prefix}{actor}"

    def dlq(self, actor: str) -> str:
        """Name the dead letter queue of an actor, e.g. ``asya-ocr-dlq`` for ``ocr``."""
        return dlq_name(self.queue(actor))

    def actor(self, queue: str) -> str:
        """Name the actor of a queue; a queue without the prefix is its own actor."""
        return queue.removeprefix(self.prefix)


def dlq_name(queue: str) -> str:
    """Name the dead letter queue of a queue, e.g. ``asya-ocr-dlq`` for ``asya-ocr``."""
    return f"{queue}{DLQ_SUFFIX}"
