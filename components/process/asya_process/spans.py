"""A span as a value, and how spans are named: OpenTelemetry's conventions for messaging, of one version. Pure.

Every name and attribute of a span that Asya exports is made here, so that a newer version of the conventions is a change of
this file. Nothing here imports OpenTelemetry; ``tracer`` is the only module that does.

Source: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/messaging/messaging-spans.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from asya_protocol.trace import TraceContext

SEMCONV: Final = "1.44.0"
"""Version of the conventions; a test holds the names below against the package of that version."""

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
BODY_SIZE: Final = "messaging.message.body.size"
BATCH_COUNT: Final = "messaging.batch.message_count"
ERROR_TYPE: Final = "error.type"
TOOL_NAME: Final = "gen_ai.tool.name"
MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"

NAMESPACE: Final = "k8s.namespace.name"
ACTOR: Final = "asya.actor"
HOP: Final = "asya.hop"
ATTEMPT: Final = "asya.attempt"
DELIVERY: Final = "asya.delivery"
RESULT: Final = "asya.result"
PARENT: Final = "asya.parent_id"
COST_USD: Final = "asya.llm.cost_usd"
"""The conventions have no name for what a call costs."""

LONGEST_FAILURE: Final = 500
"""Characters of what went wrong that a span keeps."""

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Operation = Literal["send", "receive", "process", "ack", "retry", "release", "dead_letter"]
Value = str | int | float | bool

_TYPES: Final[Mapping[Operation, str]] = {"send": "send", "receive": "receive", "process": "process"}
"""The conventions' type of each operation; settling one is ``settle``, however it ends."""
_KINDS: Final[Mapping[str, Kind]] = {
    "send": "producer",
    "receive": "client",
    "process": "consumer",
    "settle": "client",
}
_SYSTEMS: Final[Mapping[str, str]] = {"sqs": "aws_sqs", "rabbitmq": "rabbitmq", "memory": "asya_memory"}
"""A transport's name in the conventions; they have none for our own broker in memory."""


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span.

    Attributes:
        name: As it is listed.
        context: Its trace and its own id.
        parent_id: The span that it is part of; ``None`` for one that begins a trace.
        start_s: Seconds since 1970.
        end_s: Seconds since 1970, not before ``start_s``.
        kind: OpenTelemetry's.
        attributes: What is known of it.
        links: Spans that it follows from without being part of them.
        failure: What went wrong, for people; empty when nothing did.
    """

    name: str
    context: TraceContext
    parent_id: str | None
    start_s: float
    end_s: float
    kind: Kind = "internal"
    attributes: Mapping[str, Value] = field(default_factory=dict)
    links: tuple[TraceContext, ...] = ()
    failure: str = ""


def operation_name(operation: Operation, queue: str) -> str:
    """Name the span of something that is done with a queue, e.g. ``send asya-ocr``."""
    return f"{operation} {queue}"


def operation_kind(operation: Operation) -> Kind:
    """The kind of such a span."""
    return _KINDS[_TYPES.get(operation, "settle")]


def operation_attributes(
    operation: Operation,
    queue: str,
    transport: str,
    *,
    envelope_id: str = "",
    body_bytes: int | None = None,
    batch: int | None = None,
) -> dict[str, Value]:
    """Attributes of such a span.

    Args:
        operation: What is done.
        queue: Full name of the queue.
        transport: ``sqs``, ``rabbitmq`` or ``memory``.
        envelope_id: Whose; empty where that cannot be read.
        body_bytes: Size of the envelope.
        batch: How many envelopes are concerned, where they may be several.
    """
    found: dict[str, Value | None] = {
        SYSTEM: _SYSTEMS.get(transport, transport),
        OPERATION_NAME: operation,
        OPERATION_TYPE: _TYPES.get(operation, "settle"),
        DESTINATION: queue,
        MESSAGE_ID: envelope_id or None,
        BODY_SIZE: body_bytes,
        BATCH_COUNT: batch,
    }
    return {name: value for name, value in found.items() if value is not None}
