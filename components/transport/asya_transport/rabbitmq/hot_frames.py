"""The few AMQP frames of the hot path: deliveries and confirms as they come, publishes and acknowledgements as they go. No I/O.

pika takes every frame apart into objects and looks its callbacks up by name, which is most of what a hop cost. Here the four
methods that every envelope needs are read and written by their bytes; every other frame is handed to pika as it came, in order,
so that pika goes on being the one that knows the protocol.

Source of the layouts: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 4.2.3 (frames), 4.2.6 (content) and 1.8
(class basic).
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from pika.spec import BasicProperties

OnDelivery = Callable[[int, bool, Mapping[str, Any], int | None, bytes], None]
"""Called with a delivery's tag, whether it was handed out before, its headers, its timestamp (s since 1970) and its body."""
OnConfirm = Callable[[int, bool], None]
"""Called with a publish's number, and whether all before it are meant too."""

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END: Final = 0xCE
FRAME_BYTES: Final = 8
"""Of every frame beside its payload: type, channel, length and the end mark."""
_FRAME: Final = struct.Struct(">BHI")
_TAG: Final = struct.Struct(">QB")
_CONTENT: Final = struct.Struct(">QH")
_DELIVER: Final = bytes((0, 60, 0, 60))
_ACK: Final = bytes((0, 60, 0, 80))
_PUBLISH_BITS_MANDATORY: Final = 1
# content-type, delivery-mode, message-id, timestamp; in that order, with the content type and the mode written out.
_OURS: Final = 1 << 15 | 1 << 12 | 1 << 7 | 1 << 6
_PROPERTIES_HEAD: Final = struct.pack(">H", _OURS) + b"\x10application/json" + b"\x02"  # persistent


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Write an acknowledgement of one delivery, or of all up to it."""
    return _FRAME.pack(METHOD, channel, 13) + _ACK + _TAG.pack(tag, multiple) + b"\xce"


def publish_frames(
    channel: int, exchange: str, queue: str, body: bytes, *, message_id: str, timestamp_s: int, largest: int
) -> bytes:
    """Write a mandatory, persistent publish of JSON without headers.

    Args:
        channel: Its number.
        exchange: Name, at most 255 bytes.
        queue: Routing key, at most 255 bytes.
        body: The envelope.
        message_id: At most 255 ASCII characters.
        timestamp_s: Seconds since 1970.
        largest: Bytes that one frame of this connection may have, all told.
    """
    name = message_id.encode("ascii")
    properties = b"".join((_PROPERTIES_HEAD, bytes((len(name),)), name, timestamp_s.to_bytes(8, "big")))
    size, room = len(body), largest - FRAME_BYTES
    parts = [
        _publish_method(channel, exchange, queue),
        _FRAME.pack(HEADER, channel, 12 + len(properties)),
        b"\x00\x3c\x00\x00",
        size.to_bytes(8, "big"),
        properties,
        b"\xce",
    ]
    for start in range(0, size, room):
        piece = body if size <= room else body[start : start + room]
        parts += (_FRAME.pack(BODY, channel, len(piece)), piece, b"\xce")
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _publish_method(channel: int, exchange: str, queue: str) -> bytes:
    """An actor sends to few queues."""
    through, key = exchange.encode(), queue.encode()
    payload = b"".join(
        (
            b"\x00\x3c\x00\x28\x00\x00",
            bytes((len(through),)),
            through,
            bytes((len(key),)),
            key,
            bytes((_PUBLISH_BITS_MANDATORY,)),
        )
    )
    return _FRAME.pack(METHOD, channel, len(payload)) + payload + b"\xce"


class _Content:
    """A delivery of which more frames follow."""

    __slots__ = ("headers", "left", "pieces", "redelivered", "tag", "timestamp")

    def __init__(self, tag: int, redelivered: bool) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.headers: Mapping[str, Any] = {}
        self.timestamp: int | None = None
        self.left = 0
        self.pieces: list[bytes] = []


class FrameReader:
    """Cuts a connection's bytes into frames and hands each to whom it concerns.

    Args:
        pass_on: Takes a frame that is not of the hot path, whole.
    """

    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        self._pass_on = pass_on
        self._rest = b""
        self._contents: dict[int, _Content] = {}
        self.on_delivery: dict[int, OnDelivery] = {}
        """By channel."""
        self.on_confirm: dict[int, OnConfirm] = {}
        """By channel."""

    def forget(self, channel: int) -> None:
        """Leave a channel's frames to pika from now on."""
        self.on_delivery.pop(channel, None)
        self.on_confirm.pop(channel, None)
        self._contents.pop(channel, None)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        while end - at >= FRAME_BYTES - 1:
            kind, channel, size = _FRAME.unpack_from(data, at)
            if kind not in (METHOD, HEADER, BODY, HEARTBEAT):
                self._pass_on(data[at:])  # The broker's protocol header, or no AMQP at all: pika knows what to say.
                return
            stop = at + size + FRAME_BYTES
            if stop > end:
                break
            if data[stop - 1] != FRAME_END or not self._take(kind, channel, data, at + 7, stop - 1):
                self._pass_on(data[at:stop])
            at = stop
        if at < end:
            self._rest = data[at:]

    def _take(self, kind: int, channel: int, data: bytes, at: int, stop: int) -> bool:
        """Take a frame of the hot path; false for any other."""
        if kind == METHOD:
            method = data[at : at + 4]
            if method == _DELIVER and channel in self.on_delivery:
                tag, redelivered = _TAG.unpack_from(data, at + 5 + data[at + 4])  # behind the AMQP consumer's tag
                self._contents[channel] = _Content(tag, bool(redelivered & 1))
                return True
            if method == _ACK and channel in self.on_confirm:
                tag, multiple = _TAG.unpack_from(data, at + 4)
                self.on_confirm[channel](tag, bool(multiple & 1))
                return True
            return False
        content = self._contents.get(channel)
        if content is None:
            return False
        if kind == HEADER:
            content.left, flags = _CONTENT.unpack_from(data, at + 4)
            if flags == _OURS:
                place = at + 14
                place += 2 + data[place]  # behind the content type and the mode
                place += 1 + data[place]  # behind the message id
                content.timestamp = int.from_bytes(data[place : place + 8], "big")
            elif flags:
                properties = BasicProperties()
                properties.decode(data[at + 12 : stop])
                content.headers, content.timestamp = properties.headers or {}, properties.timestamp
        else:
            content.pieces.append(data[at:stop])
            content.left -= stop - at
        if content.left <= 0:
            del self._contents[channel]
            pieces = content.pieces
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.on_delivery[channel](content.tag, content.redelivered, content.headers, content.timestamp, body)
        return True
