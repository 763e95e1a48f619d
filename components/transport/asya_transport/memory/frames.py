"""Frames between a remote memory session and its server: length-prefixed msgpack, tagged by kind. No I/O here.

A request carries a number that its reply repeats, so that many are under way at once on one connection.
"""

from typing import Final

import msgspec

from asya_protocol.errors import (
    AsyaError,
    EnvelopeTooLarge,
    LeaseLost,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)
from asya_protocol.framing import encode_frame
from asya_transport.port import Delivery, QueueSpec


class Request(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=True):
    """Something a client wants; ``number`` is unique among those under way on its connection."""

    number: int


class Hello(Request, frozen=True):
    """Ask for the broker's limits; answered by an int, the body limit in bytes."""


class Send(Request, frozen=True):
    """Store one body."""

    queue: str
    body: bytes
    delay_s: float = 0.0
    attributes: dict[str, str] | None = None


class Receive(Request, frozen=True):
    """Take up to ``limit`` deliveries; answered by ``Taken`` items, an empty list after ``wait_s``."""

    consumer: int
    queue: str
    limit: int
    wait_s: float


class Cancel(Request, frozen=True):
    """Nobody waits for the ``Receive`` with this number any more: end it, give back what it takes. Never answered."""


class Ack(Request, frozen=True):
    """Forget a delivery."""

    tag: int


class Release(Request, frozen=True):
    """Give a delivery back."""

    tag: int
    delay_s: float = 0.0


class DeadLetter(Request, frozen=True):
    """Move a delivery to the dead letter queue."""

    tag: int
    reason: str


class Stop(Request, frozen=True):
    """Let a consumer's receives end empty."""

    consumer: int


class Create(Request, frozen=True):
    """Make a queue and its dead letter queue."""

    queue: str
    max_deliveries: int


class Measure(Request, frozen=True):
    """Count a queue; answered by ``[ready, in_flight, delayed]``."""

    queue: str


class ListQueues(Request, frozen=True):
    """Name the queues with a prefix; answered by a list of names."""

    prefix: str


class Drain(Request, frozen=True):
    """Throw away what waits; answered by the count."""

    queue: str


class Delete(Request, frozen=True):
    """Delete a queue; answered by whether it is gone."""

    queue: str
    force: bool


class Close(Request, frozen=True):
    """The client leaves on purpose: what it holds comes back without being counted as lost."""


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One delivery on the wire."""

    tag: int
    body: bytes
    delivery_count: int
    attributes: dict[str, str]


class Reply(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Answer to the request with the same number.

    Attributes:
        number: The request's.
        error: Name of the error's class; ``None`` when it went well.
        details: What the error's class is built from.
        value: The answer's value, undecoded; its shape follows from the request.
    """

    number: int
    error: str | None = None
    details: list[str | int] | None = None
    value: msgspec.Raw = msgspec.Raw()


AnyRequest = (
    Hello
    | Send
    | Receive
    | Cancel
    | Ack
    | Release
    | DeadLetter
    | Stop
    | Create
    | Measure
    | ListQueues
    | Drain
    | Delete
    | Close
)

_encoder: Final = msgspec.msgpack.Encoder()
_request_decoder: Final[msgspec.msgpack.Decoder[AnyRequest]] = msgspec.msgpack.Decoder(AnyRequest)
_reply_decoder: Final = msgspec.msgpack.Decoder(Reply)
decode_taken: Final = msgspec.msgpack.Decoder(list[Taken]).decode
decode_depth: Final = msgspec.msgpack.Decoder(tuple[int, int, int]).decode
decode_names: Final = msgspec.msgpack.Decoder(list[str]).decode
decode_count: Final = msgspec.msgpack.Decoder(int).decode
decode_flag: Final = msgspec.msgpack.Decoder(bool).decode
_NIL: Final = msgspec.Raw(_encoder.encode(None))


def encode_request(request: Request) -> bytes:
    """Write one request as a frame."""
    return encode_frame(_encoder.encode(request))


def decode_request(frame: bytes) -> AnyRequest:
    """Read one request; raises msgspec.DecodeError."""
    return _request_decoder.decode(frame)


def decode_reply(frame: bytes) -> Reply:
    """Read one reply; raises msgspec.DecodeError."""
    return _reply_decoder.decode(frame)


def encode_value(number: int, value: object = None) -> bytes:
    """Write the answer of a request that went well."""
    raw = _NIL if value is None else msgspec.Raw(_encoder.encode(value))
    return encode_frame(_encoder.encode(Reply(number, value=raw)))


def encode_taken(number: int, deliveries: list[Delivery]) -> bytes:
    """Write the answer of a ``Receive``."""
    return encode_value(
        number, [[each.receipt, each.body, each.delivery_count, each.attributes] for each in deliveries]
    )


def encode_error(number: int, error: AsyaError) -> bytes:
    """Write the answer of a request that failed."""
    details: list[str | int]
    match error:
        case QueueMissing():
            details = [error.queue]
        case EnvelopeTooLarge():
            details = [error.size_bytes, error.limit_bytes]
        case _:
            details = [str(error)]
    return encode_frame(_encoder.encode(Reply(number, type(error).__name__, details, _NIL)))


def rebuild_error(reply: Reply) -> TransportError:
    """Make the server's error again at the client."""
    match reply.error, reply.details or []:
        case "QueueMissing", [str(queue)]:
            return QueueMissing(queue)
        case "EnvelopeTooLarge", [int(size), int(limit)]:
            return EnvelopeTooLarge(size, limit)
        case "LeaseLost", [str(text)]:
            return LeaseLost(text)
        case "TransportUnavailable", [str(text)]:
            return TransportUnavailable(text)
        case name, details:
            return TransportError(f"the memory broker answered {name}: {', '.join(str(each) for each in details)}")


def spec_of(request: Create) -> QueueSpec:
    """Shape a queue's spec; leases and retention mean nothing to a memory broker."""
    return QueueSpec(max_deliveries=request.max_deliveries)
