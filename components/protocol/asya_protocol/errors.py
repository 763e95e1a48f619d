"""The error tree: every deliberate error descends from ``AsyaError``.

AsyaError
├── SettingsError          a setting is missing or wrong; names the variable      (permanent, operator of the mesh)
├── EnvelopeError          bytes that are no envelope                             (permanent, producer)
│   ├── MalformedEnvelope      not JSON, not UTF-8, not an object, nested too deeply
│   ├── InvalidEnvelope        an object, but a field is missing or has a wrong type
│   └── RouteError             the route does not lead here, or nowhere
├── StoreUnavailable       the object store did not do what was asked             (retryable)
├── FrameError             a frame on the runtime socket is cut or too large      (retryable, peer)
├── ReplyError             the runtime answered something that is no reply        (retryable, peer)
└── TransportError         the broker did not do what was asked
    ├── TransportUnavailable   cannot reach it, or it is busy; try again          (retryable)
    ├── QueueMissing           the queue does not exist                           (permanent until someone creates it)
    ├── EnvelopeTooLarge       over the broker's size limit                       (permanent)
    ├── EnvelopeRefused        holds bytes that the broker cannot carry           (permanent)
    └── LeaseLost              the delivery is no longer ours to settle           (retryable: it comes again)

A class answers two questions: is trying again sensible (``retryable``), and whose fault was it (``fault``).
"""

from typing import ClassVar, Literal

Fault = Literal["ours", "peer", "producer", "handler", "user"]


class AsyaError(Exception):
    """Root of all deliberate errors."""

    retryable: ClassVar[bool] = False
    fault: ClassVar[Fault] = "ours"


class SettingsError(AsyaError):
    """A setting is missing or cannot be used; the text names the variable, the value and what is allowed."""

    fault: ClassVar[Fault] = "user"

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem


class EnvelopeError(AsyaError):
    """Bytes on a queue that cannot be processed as an envelope."""

    fault: ClassVar[Fault] = "producer"


class MalformedEnvelope(EnvelopeError):
    """Not a UTF-8 JSON object."""


class InvalidEnvelope(EnvelopeError):
    """A JSON object whose fields break the envelope's rules."""


class RouteError(EnvelopeError):
    """The route does not lead to this actor, or leads nowhere."""


class StoreUnavailable(AsyaError):
    """The object store cannot be reached, or refused; the text is the store's own and names the object."""

    retryable: ClassVar[bool] = True
    fault: ClassVar[Fault] = "peer"


class FrameError(AsyaError):
    """A frame on the runtime socket is cut short or over the limit."""

    retryable: ClassVar[bool] = True
    fault: ClassVar[Fault] = "peer"


class ReplyError(AsyaError):
    """The runtime sent a frame that is no reply."""

    retryable: ClassVar[bool] = True
    fault: ClassVar[Fault] = "peer"


class TransportError(AsyaError):
    """The broker did not do what was asked."""

    fault: ClassVar[Fault] = "peer"


class TransportUnavailable(TransportError):
    """The broker cannot be reached or refuses for now; trying again is sensible."""

    retryable: ClassVar[bool] = True


class QueueMissing(TransportError):
    """The named queue does not exist, so nothing was sent or received."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"queue {queue!r} does not exist; apply its AsyncActor, or create the queue")
        self.queue = queue


class EnvelopeTooLarge(TransportError):
    """The body is over the broker's limit, so nothing was sent."""

    fault: ClassVar[Fault] = "producer"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"envelope of {size_bytes} bytes is over the transport's limit of {limit_bytes} bytes")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class EnvelopeRefused(TransportError):
    """The body holds bytes that the broker cannot carry, so nothing was sent."""

    fault: ClassVar[Fault] = "producer"


class LeaseLost(TransportError):
    """The delivery is no longer ours: its lease or its connection is gone; the broker hands it out again."""

    retryable: ClassVar[bool] = True
