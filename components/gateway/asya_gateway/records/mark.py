"""The mark of an envelope that this gateway made: reports about it must show it, so that an id alone ends nothing. Pure.

Ids are chosen by whoever sends an envelope and stand in logs, so a producer could send another one of a caller's id, and its
end would be taken for that of the call. The mark is random, travels in the envelope's headers to the actors of its route
alone, and is kept in the headers of its record, which callers see without it. Children of its fan-outs carry the same.
"""

import hmac
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import format_time
from asya_protocol.not_before import parse_moment

_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NotShown(Exception):
    """A report shows no mark of the envelope that it is about."""


def marked(headers: Mapping[str, object], mark: str) -> bytes:
    """Headers of a record with a mark, JSON."""
    return msgspec.json.encode({**headers, names.HEADER_MARK: mark})


def headers_of_child(headers: bytes | None, until: str | None) -> bytes | None:
    """The headers of a child's record: its parent's mark, and the moment for which it waits; ``None`` without either."""
    found = dict(mark_headers(headers))
    if until is not None:
        with suppress(ValueError):
            found[names.HEADER_NOT_BEFORE] = format_time(parse_moment(until))
    return msgspec.json.encode(found) if found else None


def mark_headers(headers: bytes | None) -> Mapping[str, str]:
    """What an envelope gets of its record's headers; empty for one without a mark."""
    mark = _kept(headers)
    return {} if mark is None else {names.HEADER_MARK: mark}


def is_shown(headers: bytes | None, mark: str | None) -> bool:
    """Whether a report may be taken: it shows the mark that a record's headers keep, or they keep none."""
    kept = _kept(headers)
    return kept is None or hmac.compare_digest(kept.encode(), (mark or "").encode("utf-8", "surrogatepass"))


def without_mark(headers: bytes | None) -> bytes | None:
    """The headers of a record as callers see them; ``None`` when there are no others."""
    if headers is None or _kept(headers) is None:
        return headers
    rest = {name: value for name, value in _DECODER.decode(headers).items() if name != names.HEADER_MARK}
    return msgspec.json.encode(rest) if rest else None


def _kept(headers: bytes | None) -> str | None:
    if headers is None or names.HEADER_MARK.encode() not in headers:
        return None
    try:
        found = _DECODER.decode(headers).get(names.HEADER_MARK)
        return None if found is None else msgspec.json.decode(found, type=str)
    except msgspec.MsgspecError:
        return None
