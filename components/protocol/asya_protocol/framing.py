"""Frames on the runtime socket: 4 bytes big-endian length, then that many bytes. No I/O.

The runtime file repeats this in a few lines of its own because it is injected alone into foreign images;
``vectors/framing.json`` holds both to the same bytes.
"""

import struct
from typing import Final

from asya_protocol.errors import FrameError

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 512 * 1024 * 1024
"""Above RabbitMQ's hard ceiling for one message (512 MiB) a length is a lost byte, not a payload.

Source: https://github.com/rabbitmq/rabbitmq-website/blob/main/docs/limits.md
"""


def encode_frame(body: bytes) -> bytes:
    """Prefix a body with its length."""
    return struct.pack(">I", len(body)) + body


def decode_length(header: bytes) -> int:
    """Read a frame's length.

    Args:
        header: Exactly ``HEADER_BYTES`` bytes.

    Raises:
        FrameError: The header is cut, or announces more than ``MAX_FRAME_BYTES``.
    """
    if len(header) != HEADER_BYTES:
        raise FrameError(f"frame header cut: {len(header)} of {HEADER_BYTES} bytes")
    (length,) = struct.unpack(">I", header)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"frame of {length} bytes is over the limit of {MAX_FRAME_BYTES} bytes")
    return int(length)


class FrameDecoder:
    """Cut a byte stream into frames, in whatever pieces it arrives."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes and return the frames that are now complete.

        Raises:
            FrameError: A length is over the limit.
        """
        self._buffer += data
        frames: list[bytes] = []
        while len(self._buffer) >= HEADER_BYTES:
            end = HEADER_BYTES + decode_length(bytes(self._buffer[:HEADER_BYTES]))
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[HEADER_BYTES:end]))
            del self._buffer[:end]
        return frames

    def close(self) -> None:
        """Declare the end of the stream.

        Raises:
            FrameError: It ended inside a frame.
        """
        if self._buffer:
            raise FrameError(f"stream ended inside a frame, {len(self._buffer)} bytes of it read")
