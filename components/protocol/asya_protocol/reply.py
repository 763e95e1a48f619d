"""The runtime's reply to one request: items, or one error. No I/O.

A *final* frame is a JSON array: ``[]`` (abort), one or more items ``{"payload", "route", "headers"?}``, or an item
``{"error": code, "details"?: {"message", "type", "mro"?, "traceback"}}``. On connections opened with our hello
(docs/protocol.md) frames ``{"more": [item, ...]}`` may precede it, so that a generator's items leave as they are made, and
frames ``{"pieces": [value, ...], "first": n}`` of a stream that goes past the queues.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from asya_protocol.envelope import PlainRoute, Route, parse_route
from asya_protocol.errors import EnvelopeError, ReplyError

ErrorCode = Literal[
    "connection_error", "msg_parsing_error", "processing_error", "timeout_error", "interrupted", "cancelled"
]

PERMANENT_CODES: Final = frozenset({"msg_parsing_error"})
"""Error codes that no retry can mend."""

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder()
_COUNT: Final = msgspec.json.Decoder(int)


@dataclass(frozen=True, slots=True)
class Item:
    """One output of a handler.

    Attributes:
        payload: JSON value, undecoded; ``null`` when the item had none.
        route: The route as returned (``current`` already points at the next actor); ``None`` when the item had none or it
            cannot be read, which means "finished" as in Asya 0.1.1.
        headers: Headers as returned; ``None`` when the item had none.
        id: Id as returned; only a collector's is used.
        parent_id: The same.
    """

    payload: msgspec.Raw
    route: Route | None = None
    headers: Mapping[str, object] | None = None
    id: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """The handler, or the runtime around it, failed.

    Attributes:
        code: See ``ErrorCode``; other runtimes may send others.
        message: ``str(exception)``.
        type: Class name of the exception.
        mro: Names of the class and its bases, most derived first; only ``(type,)`` from Asya 0.1.1's runtime.
        traceback: Full text.
        permanent: Another attempt would end the same, e.g. with a result that is no JSON.
        retry_after_s: What the handler called wants no call for so long; 0 where it did not say for how long (a 429), ``None``
            where it said nothing of the kind.
    """

    code: str
    message: str = ""
    type: str = ""
    mro: tuple[str, ...] = ()
    traceback: str = ""
    permanent: bool = False
    retry_after_s: float | None = None

    def details(self) -> dict[str, object]:
        """Shape it for an error envelope: ``{"message"?, "type"?, "traceback"?}``, empty ones left out."""
        pairs = {"message": self.message, "type": self.type, "traceback": self.traceback}
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class ReplyFrame:
    """One frame of an answer.

    Attributes:
        items: Outputs in order, up to the first error.
        error: The error that ended them, if any.
        final: No further frame follows for this request.
        pieces: Of a stream, each a JSON value.
        first: Number of the first of them, from 0; the numbers that are left out were lost on the way.
    """

    items: tuple[Item, ...] = ()
    error: ErrorItem | None = None
    final: bool = field(default=True)
    pieces: tuple[msgspec.Raw, ...] = ()
    first: int = 0


def parse_reply(frame: bytes) -> ReplyFrame:
    """Read one frame of the runtime's answer.

    Raises:
        ReplyError: Neither an array nor ``{"more": [...]}`` nor pieces, or an item is no object.
    """
    items = _read_plain(frame)
    if items is not None:
        return ReplyFrame(items=items)
    try:
        frame.decode("utf-8")
        if frame.lstrip()[:1] == b"{":
            fields = _OBJECT.decode(frame)
            if "pieces" in fields:
                pieces = tuple(_ARRAY.decode(fields["pieces"]))
                return ReplyFrame(final=False, pieces=pieces, first=_COUNT.decode(fields["first"]))
            return _collect(_ARRAY.decode(fields["more"]), final=False)
        return _collect(_ARRAY.decode(frame), final=True)
    except (KeyError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as exc:
        raise ReplyError(f"failed to parse runtime response: {exc}") from exc


class _PlainItem(msgspec.Struct, forbid_unknown_fields=True):
    payload: msgspec.Raw
    route: PlainRoute
    headers: dict[str, object] | None = None


_PLAIN: Final = msgspec.json.Decoder(list[_PlainItem])


def _read_plain(frame: bytes) -> tuple[Item, ...] | None:
    """Read outputs that have nothing unusual in one go, as most have; ``None`` for any other frame."""
    try:
        frame.decode("utf-8")
        plain = _PLAIN.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    items: list[Item] = []
    for each in plain:
        route = each.route.read()
        if route is None:
            return None
        items.append(Item(each.payload, route, each.headers))
    return tuple(items)


def _collect(raw_items: list[msgspec.Raw], *, final: bool) -> ReplyFrame:
    items: list[Item] = []
    for raw in raw_items:
        document = _OBJECT.decode(raw)
        error = _error(document)
        if error is not None:
            return ReplyFrame(items=tuple(items), error=error, final=True)
        items.append(_item(document))
    return ReplyFrame(items=tuple(items), final=final)


def _item(document: dict[str, msgspec.Raw]) -> Item:
    route: Route | None
    try:
        route = parse_route(document)
    except EnvelopeError:
        route = None
    headers = _ANY.decode(document["headers"]) if "headers" in document else None
    return Item(
        payload=document.get("payload", msgspec.Raw(b"null")),
        route=route,
        headers=headers if isinstance(headers, dict) else None,
        id=_text(document, "id"),
        parent_id=_text(document, "parent_id"),
    )


def _text(document: dict[str, msgspec.Raw], name: str) -> str | None:
    value = _ANY.decode(document[name]) if name in document else None
    return value if isinstance(value, str) and value else None


def _seconds(value: object) -> float | None:
    """Seconds of ``Retry-After``; a date, or whatever else is no number, counts as no time given."""
    if value is None:
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0


def _error(document: dict[str, msgspec.Raw]) -> ErrorItem | None:
    code = _ANY.decode(document["error"]) if "error" in document else None
    if not code:
        return None
    details = _ANY.decode(document["details"]) if "details" in document else {}
    if not isinstance(details, dict):
        details = {"message": details}
    mro = details.get("mro")
    kind = str(details.get("type") or "")
    return ErrorItem(
        code=str(code),
        message=str(details.get("message") or ""),
        type=kind,
        mro=tuple(str(name) for name in mro) if isinstance(mro, list) else (kind,) if kind else (),
        traceback=str(details.get("traceback") or ""),
        permanent=details.get("permanent") is True,
        retry_after_s=_seconds(details.get("retry_after")),
    )
