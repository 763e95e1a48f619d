"""Encodes envelopes for SQS, which carries only certain characters and counts attributes towards the size. No I/O.

Envelopes are JSON, which escapes control characters, so almost every body passes as it is. What cannot pass is refused
when sent, and wrapped in base64 (with an attribute that says so) when dead-lettered, because nothing may be lost.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from asya_protocol import names
from asya_protocol.errors import EnvelopeRefused, EnvelopeTooLarge

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageAttributeValueTypeDef

ATTRIBUTE_ENCODING: Final = "asya-encoding"
"""Attribute of a body that is not the producer's bytes as they were; its one value is ``base64``."""
BASE64: Final = "base64"
MAX_ATTRIBUTES: Final = 10

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NONCHARACTERS: Final = ((b"\xef\xbf\xbe", rb"\ufffe"), (b"\xef\xbf\xbf", rb"\uffff"))
"""What JSON allows as it is and SQS does not; in JSON it can only stand in a string, where its escape says the same."""
_FORBIDDEN_IN_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_REASON: Final = 1024
_KIND: Final = "String"


class Text(NamedTuple):
    """A body ready to be sent.

    Attributes:
        body: What SQS stores.
        attributes: Its message attributes.
        size_bytes: What both count against the limit.
    """

    body: str
    attributes: Mapping[str, str]
    size_bytes: int

    def shape_attributes(self) -> "dict[str, MessageAttributeValueTypeDef]":
        """Shape the attributes for the client."""
        return {name: {"DataType": _KIND, "StringValue": value} for name, value in self.attributes.items()}


def encode(body: bytes, attributes: Mapping[str, str] | None, limit_bytes: int) -> Text:
    """Prepare a body for sending.

    Raises:
        EnvelopeRefused: SQS cannot carry it: empty, not UTF-8, or with characters outside SQS's alphabet.
        EnvelopeTooLarge: It and its attributes are over the limit.
    """
    for raw, escape in _NONCHARACTERS:
        body = body.replace(raw, escape)
    text = _sized(_read(body), _clean(attributes or {}))
    if text.size_bytes > limit_bytes:
        raise EnvelopeTooLarge(text.size_bytes, limit_bytes)
    return text


def encode_dead(body: bytes, attributes: Mapping[str, str], reason: str, queue: str, limit_bytes: int) -> Text:
    """Prepare any body for a dead letter queue; attributes give way before the body does.

    Args:
        body: As it was received.
        attributes: As they were received.
        reason: For a person.
        queue: Where it was taken from.
        limit_bytes: SQS's limit.

    Raises:
        EnvelopeTooLarge: The body alone is over the limit.
    """
    encoding = {}
    try:
        content = _read(body)
    except EnvelopeRefused:
        content, encoding = base64.b64encode(body).decode("ascii"), {ATTRIBUTE_ENCODING: BASE64}
    marks = {names.ATTRIBUTE_REASON: reason[:_MAX_REASON], names.ATTRIBUTE_QUEUE: queue}
    kept = [pair for pair in attributes.items() if pair[0] not in marks and pair[0] != ATTRIBUTE_ENCODING]
    kept = kept[: MAX_ATTRIBUTES - len(marks) - len(encoding)]
    # A body of just the allowed size leaves no room for what we add: better without a reason than not at all.
    for chosen in ({**dict(kept), **marks}, marks, {names.ATTRIBUTE_REASON: reason[:100]}, {}):
        text = _sized(content, _clean({**encoding, **chosen}))
        if text.size_bytes <= limit_bytes:
            return text
    raise EnvelopeTooLarge(text.size_bytes, limit_bytes)


def decode(
    text: str, attributes: "Mapping[str, MessageAttributeValueOutputTypeDef]"
) -> tuple[bytes, Mapping[str, str]]:
    """Turn what SQS stored back into the producer's bytes and attributes; binary attributes are left out."""
    plain = {name: each["StringValue"] for name, each in attributes.items() if "StringValue" in each}
    # A lone surrogate can reach us through JSON escapes; it stays visible as bytes that are no UTF-8.
    body = text.encode("utf-8", "surrogatepass")
    if plain.get(ATTRIBUTE_ENCODING) == BASE64:
        try:
            body = base64.b64decode(body, validate=True)
        except binascii.Error:
            return body, plain
        del plain[ATTRIBUTE_ENCODING]
    return body, plain


def _read(body: bytes) -> str:
    if not body:
        raise EnvelopeRefused("SQS carries no empty body")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise EnvelopeRefused(f"SQS carries text only, and the body is no UTF-8: {exc}") from exc
    found = _FORBIDDEN.search(text)
    if found:
        code = ord(found[0])
        raise EnvelopeRefused(
            f"SQS carries no U+{code:04X} (character {found.start()}); JSON escapes it as \\u{code:04x}"
        )
    return text


def _clean(attributes: Mapping[str, str]) -> dict[str, str]:
    return dict(_clean_pairs(attributes))


def _clean_pairs(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        if value:  # SQS refuses an empty value; absent says the same
            yield _FORBIDDEN_IN_NAME.sub("_", name), _FORBIDDEN.sub("\ufffd", value)


def _sized(body: str, attributes: Mapping[str, str]) -> Text:
    size = len(body.encode("utf-8"))
    for name, value in attributes.items():
        size += len(name) + len(_KIND) + len(value.encode("utf-8"))
    return Text(body, attributes, size)
