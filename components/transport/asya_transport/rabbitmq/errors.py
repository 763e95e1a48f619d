"""Translates pika's exceptions into those of ``asya_protocol.errors``; nothing outside ``asya_transport.rabbitmq`` sees one.

``translate`` chooses by the nearest class in an exception's MRO, so that a new subclass in pika finds its parent's
entry. Two refusals keep their AMQP reply code (``ChannelRefused``), since what 404 or 406 means depends on the question.
"""

import re
from typing import Final

from pika import exceptions as pika
from pika.adapters.utils import connection_workflow as workflow

from asya_protocol.errors import EnvelopeTooLarge, QueueMissing, TransportError, TransportUnavailable

NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406
ACCESS_REFUSED: Final = 403
# RESOURCE_LOCKED: another connection holds the queue exclusively.
_PERMANENT_CODES: Final = frozenset({ACCESS_REFUSED, NOT_FOUND, 405, PRECONDITION_FAILED})
# The texts of RabbitMQ 3.8 to 4.x; the channel closes, and only the text says that one body was at fault.
_TOO_LARGE: Final = re.compile(r"message size (\d+)\D+max size (\d+)")

NAME_BYTES_MOST: Final = 255
"""A name's length is one octet in AMQP. Source: https://www.rabbitmq.com/docs/queues#names"""


class ChannelRefused(TransportError):
    """The broker refused a request by closing the channel it came on; internal, callers say what it means."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


TRANSLATIONS: Final[dict[type[BaseException], tuple[type[TransportError], str]]] = {
    # The connection is gone or cannot be had: try again.
    pika.AMQPConnectionError: (TransportUnavailable, "cannot be reached"),
    pika.ConnectionOpenAborted: (TransportUnavailable, "connecting was given up"),
    pika.StreamLostError: (TransportUnavailable, "connection lost"),
    pika.IncompatibleProtocolError: (TransportUnavailable, "is no AMQP 0-9-1 broker, or wants TLS (amqps://)"),
    pika.AuthenticationError: (TransportUnavailable, "refused user name or password"),
    pika.ProbableAuthenticationError: (TransportUnavailable, "hung up while authenticating: user name or password?"),
    pika.ProbableAccessDeniedError: (TransportUnavailable, "hung up on opening the vhost: does it exist, with rights?"),
    pika.NoFreeChannels: (TransportUnavailable, "no channel is free on this connection"),
    pika.ConnectionWrongStateError: (TransportUnavailable, "connection is closed"),
    pika.ConnectionClosed: (TransportUnavailable, "connection closed"),
    pika.ConnectionClosedByBroker: (TransportUnavailable, "the broker closed the connection"),
    pika.ConnectionClosedByClient: (TransportUnavailable, "we closed the connection"),
    pika.ConnectionBlockedTimeout: (TransportUnavailable, "the broker blocks publishers (memory or disk alarm)"),
    pika.AMQPHeartbeatTimeout: (TransportUnavailable, "no heartbeat: the network or the broker is stuck"),
    # A channel is gone: a new one serves.
    pika.AMQPChannelError: (TransportUnavailable, "channel failed"),
    pika.ChannelWrongStateError: (TransportUnavailable, "channel is closed"),
    pika.ChannelClosed: (TransportUnavailable, "channel closed"),
    pika.ChannelClosedByBroker: (TransportUnavailable, "the broker closed the channel"),
    pika.ChannelClosedByClient: (TransportUnavailable, "we closed the channel"),
    pika.ConsumerCancelled: (TransportUnavailable, "the broker cancelled the consumer"),
    pika.DuplicateConsumerTag: (TransportUnavailable, "consumer tag is taken"),
    pika.NackError: (TransportUnavailable, "the broker did not take it"),
    # The byte stream makes no sense: pika drops the connection, a new one serves.
    pika.ProtocolSyntaxError: (TransportUnavailable, "broke the protocol"),
    pika.UnexpectedFrameError: (TransportUnavailable, "sent an unexpected frame"),
    pika.ProtocolVersionMismatch: (TransportUnavailable, "speaks another protocol version"),
    pika.BodyTooLongError: (TransportUnavailable, "sent a longer body than announced"),
    pika.InvalidFrameError: (TransportUnavailable, "sent an invalid frame"),
    # What we asked for cannot be done, now or later.
    pika.AMQPError: (TransportError, "request failed"),
    pika.UnroutableError: (TransportError, "no queue takes it"),
    pika.InvalidChannelNumber: (TransportError, "channel number is invalid"),
    pika.InvalidFieldTypeException: (TransportError, "a header's type cannot be sent"),
    pika.UnsupportedAMQPFieldException: (TransportError, "a header's type cannot be sent"),
    pika.MethodNotImplemented: (TransportError, "asked for a method that the client does not know"),
    pika.ShortStringTooLong: (TransportError, "a name is longer than 255 bytes"),
    pika.ChannelError: (TransportError, "channel was misused"),
    pika.DuplicateGetOkCallback: (TransportError, "channel was misused"),
    pika.ReentrancyError: (TransportError, "connection was misused"),
    # Name resolution, TCP, TLS or the handshake failed; the innermost cause is what a person needs.
    workflow.AMQPConnectorException: (TransportUnavailable, "cannot be reached"),
    # Sockets: pika hands some through as they are.
    OSError: (TransportUnavailable, "cannot be reached"),
}
FOREIGN: Final = (pika.AMQPError, pika.ChannelError, pika.ReentrancyError, workflow.AMQPConnectorException, OSError)
"""What an ``except`` at the door must list to catch everything that pika raises."""


def check_name(queue: str) -> None:
    """Refuse a name that no queue can have; to the sender that is a missing queue.

    Raises:
        QueueMissing: It is over 255 bytes of UTF-8.
    """
    if len(queue.encode()) > NAME_BYTES_MOST:
        raise QueueMissing(queue)


def translate(exc: BaseException, where: str) -> TransportError:
    """Choose our error for pika's.

    Args:
        exc: What pika raised or handed to a callback.
        where: The broker in words, without credentials.
    """
    if isinstance(exc, TransportError):
        return exc
    exc = _innermost(exc)
    chosen, text = next(
        (TRANSLATIONS[kind] for kind in type(exc).__mro__ if kind in TRANSLATIONS), (TransportError, "failed")
    )
    detail = f"{where}: {text}{_detail(exc)}"
    if isinstance(exc, pika.ChannelClosedByBroker) and exc.reply_code in _PERMANENT_CODES:
        return ChannelRefused(detail, exc.reply_code)
    return chosen(detail)


def read_size_limit(exc: BaseException) -> int | None:
    """Read the broker's limit for bodies from its refusal of one; ``None`` when it refused for another reason."""
    if isinstance(exc, pika.ChannelClosedByBroker) and exc.reply_code == PRECONDITION_FAILED:
        found = _TOO_LARGE.search(exc.reply_text)
        return int(found[2]) if found else None
    return None


def lost(exc: BaseException, size_bytes: int, where: str) -> TransportError:
    """Say why an unconfirmed body is unconfirmed, after its channel closed."""
    limit = read_size_limit(exc)
    if limit is not None and size_bytes > limit:
        return EnvelopeTooLarge(size_bytes, limit)
    error = translate(exc, where)
    # Another body broke the channel; to this one it is gone for a moment.
    return error if error.retryable else TransportUnavailable(str(error))


def _innermost(exc: BaseException) -> BaseException:
    """Unwrap what pika's connection workflow wraps, down to the last attempt's cause."""
    while True:
        if isinstance(exc, workflow.AMQPConnectionWorkflowFailed) and exc.exceptions:
            exc = exc.exceptions[-1]
        elif isinstance(exc, workflow.AMQPConnectorPhaseErrorBase):
            exc = exc.exception
        elif type(exc) is pika.AMQPConnectionError and exc.args and isinstance(exc.args[0], BaseException):
            exc = exc.args[0]
        else:
            return exc


def _detail(exc: BaseException) -> str:
    if isinstance(exc, pika.ConnectionClosed | pika.ChannelClosed):
        return f" ({exc.reply_code} {exc.reply_text})"
    if isinstance(exc, pika.ProbableAuthenticationError | pika.ProbableAccessDeniedError):
        return ""  # pika repeats the stream error beneath, which only confuses
    words = str(exc) or type(exc).__name__
    return f" ({words})"
