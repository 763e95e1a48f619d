"""Requests to a memory broker, and their frames between processes: length-prefixed msgpack. No I/O.

A request's frame is ``[number, request]``; its reply repeats the number, so that many are under way at once on one
connection. What the answer of a request looks like is said by the type that calling it returns.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final, get_type_hints

import msgspec

from asya_protocol import names
from asya_protocol.errors import (
    AsyaError,
    EnvelopeTooLarge,
    LeaseLost,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)
from asya_protocol.framing import encode_frame
from asya_transport.memory.broker import LocalSession, Request, Taken
from asya_transport.memory.queue import Stored
from asya_transport.port import Depth, QueueSpec

_NO_ATTRIBUTES: Final[Mapping[str, str]] = {}


class Hello(Request[int], frozen=True):
    """Ask for the body limit in bytes."""

    def __call__(self, session: LocalSession) -> int:
        return session.max_body_bytes


class Send(Request[None], frozen=True):
    """Store one body."""

    queue: str
    body: bytes
    delay_s: float = 0.0
    attributes: dict[str, str] | None = None

    def check_size(self, limit_bytes: int) -> None:
        """Refuse a body over the limit."""
        if len(self.body) > limit_bytes:
            raise EnvelopeTooLarge(len(self.body), limit_bytes)

    def __call__(self, session: LocalSession) -> None:
        broker = session.broker
        queue = broker.queue(self.queue)
        self.check_size(broker.max_body_bytes)
        now_s = broker.clock()
        queue.put(Stored(self.body, self.attributes or _NO_ATTRIBUTES, sent_s=now_s), now_s, self.delay_s)


class Receive(Request[list[Taken]], frozen=True):
    """Take up to ``limit`` deliveries; answered by none after ``wait_s``. The only one that waits."""

    consumer: int
    queue: str
    limit: int
    wait_s: float

    def __call__(self, session: LocalSession) -> list[Taken]:
        raise NotImplementedError  # sessions have a ``receive`` of their own


class Cancel(Request[None], frozen=True):
    """Nobody waits for this ``Receive`` any more: end it, release what it takes. Never answered."""

    receive: int

    def __call__(self, session: LocalSession) -> None:
        pass  # only the server knows the receives that wait


class Ack(Request[None], frozen=True):
    """Forget a delivery."""

    tag: int

    def __call__(self, session: LocalSession) -> None:
        queue, _ = session.settle(self.tag)
        queue.in_flight -= 1


class Release(Request[None], frozen=True):
    """Give a delivery back."""

    tag: int
    delay_s: float = 0.0

    def __call__(self, session: LocalSession) -> None:
        queue, stored = session.settle(self.tag)
        queue.release(stored, session.broker.clock(), self.delay_s)


class DeadLetter(Request[None], frozen=True):
    """Move a delivery to the dead letter queue."""

    tag: int
    reason: str

    def __call__(self, session: LocalSession) -> None:
        broker, (queue, stored) = session.broker, session.held(self.tag)
        dead = broker.queue(names.dlq_name(queue.name))
        session.settle(self.tag)
        broker.dead_letter(queue, dead, stored, self.reason)


class Stop(Request[None], frozen=True):
    """Let a consumer's receives end empty."""

    consumer: int

    def __call__(self, session: LocalSession) -> None:
        session.stop(self.consumer)


class Create(Request[None], frozen=True):
    """Make a queue and its dead letter queue; leases and retention mean nothing to a memory broker."""

    queue: str
    max_deliveries: int

    def __call__(self, session: LocalSession) -> None:
        session.broker.create(self.queue, QueueSpec(max_deliveries=self.max_deliveries))


class Measure(Request[Depth], frozen=True):
    """Count a queue."""

    queue: str

    def __call__(self, session: LocalSession) -> Depth:
        return session.broker.queue(self.queue).depth(session.broker.clock())


class ListQueues(Request[list[str]], frozen=True):
    """Name the queues with a prefix, sorted."""

    prefix: str

    def __call__(self, session: LocalSession) -> list[str]:
        return sorted(name for name in session.broker.queues if name.startswith(self.prefix))


class Drain(Request[int], frozen=True):
    """Purge what waits; answered by the count."""

    queue: str

    def __call__(self, session: LocalSession) -> int:
        return session.broker.queue(self.queue).drain()


class Delete(Request[bool], frozen=True):
    """Delete a queue and its dead letter queue; answered by whether they are gone."""

    queue: str
    force: bool

    def __call__(self, session: LocalSession) -> bool:
        return session.broker.delete(self.queue, force=self.force)


class Close(Request[None], frozen=True):
    """The client leaves on purpose: what it holds comes back without being counted as lost."""

    def __call__(self, session: LocalSession) -> None:
        session.end(lost=False)


class Reply(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Answer to the request with the same number.

    Attributes:
        number: The request's.
        error: Name of the error's class; ``None`` when it went well.
        details: What the error's class is built from.
        value: The answer's value, undecoded.
    """

    number: int
    error: str | None = None
    details: list[str | int] | None = None
    value: msgspec.Raw = msgspec.Raw(b"\xc0")


AnyRequest = (
    Hello | Send | Receive | Cancel | Ack | Release | DeadLetter
    | Stop | Create | Measure | ListQueues | Drain | Delete | Close
)  # fmt: skip

_encoder: Final = msgspec.msgpack.Encoder()
decode_request: Final[msgspec.msgpack.Decoder[tuple[int, AnyRequest]]] = msgspec.msgpack.Decoder(tuple[int, AnyRequest])
decode_reply: Final = msgspec.msgpack.Decoder(Reply)


@functools.cache
def decoder_of(kind: type[Request[Any]]) -> msgspec.msgpack.Decoder[Any]:
    """Choose what reads the answers of a kind of request."""
    return msgspec.msgpack.Decoder(get_type_hints(kind.__call__)["return"])


def encode_request(number: int, request: Request[Any]) -> bytes:
    """Write one request as a frame."""
    return encode_frame(_encoder.encode((number, request)))


def encode_value(number: int, value: object) -> bytes:
    """Write the answer of a request that went well."""
    return encode_frame(_encoder.encode(Reply(number, value=msgspec.Raw(_encoder.encode(value)))))


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
    return encode_frame(_encoder.encode(Reply(number, type(error).__name__, details)))


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
