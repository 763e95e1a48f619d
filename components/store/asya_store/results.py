"""The outcome of an envelope: written once by the end actors, found by its id.

A redelivered envelope overwrites its own objects. The dated key holds the moment of the first write, so it is kept
in the index object's metadata, which is written first: whatever interrupts us, the next delivery finds the same name.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from asya_process.settings import read
from asya_protocol import names
from asya_protocol.envelope import origin_mark
from asya_protocol.status import Status
from asya_protocol.trace import trace_id_of
from asya_store.end_keys import children_prefix, dated_key, index_key, name_of
from asya_store.port import Store
from asya_store.settings import Prefixes

DATED_KEY: Final = "asya-dated-key"
"""Metadata of an index object: key of the dated object beside it."""
TOO_LARGE: Final = "1e999"
"""Stands for a number that no float holds: JSON, and every reader that has floats reads infinity again, as from ``1e400``."""
_STRING_OR_CONSTANT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|Infinity|NaN')
"""Strings are matched as a whole, so that what is matched bare is no part of one."""


def persist(store: Store, prefix: str, envelope: Mapping[str, Any], moment: datetime) -> str:
    """Write an envelope's two objects; what they hold is the whole envelope.

    Args:
        store: Where to.
        prefix: The end actor's own.
        envelope: With ``id``; the rest is as it came.
        moment: Now, for an envelope that is not in the store yet.

    Returns:
        The index key.

    Raises:
        ValueError: The envelope holds NaN, which no JSON does.
        Exception: The store's own, when it could not write; the envelope is then not to be settled.
    """
    body = _write(envelope)
    name = name_of(envelope, body)
    index = index_key(prefix, name, origin_mark(_headers(envelope)))
    known = store.info(index)
    dated = known.metadata.get(DATED_KEY) if known is not None else None
    if dated is None:
        dated = dated_key(prefix, name, envelope, moment)
    store.put(index, body, metadata={DATED_KEY: dated})
    store.put(dated, body)
    return index


def find_result(
    store: Store, prefixes: Prefixes | Mapping[str, str], envelope_id: str, trace_id: str | None = None
) -> tuple[Status, dict[str, Any]] | None:
    """Find what the end actors wrote about an envelope.

    Args:
        store: Where they write.
        prefixes: Their prefixes, or the environment that holds them.
        envelope_id: Not empty. Where none of that id was sent, a fan-out's child of that name is looked for.
        trace_id: Whose send it is, where an id may have been sent before; ``None`` takes the end of any.

    Returns:
        ``succeeded`` or ``failed``, and the envelope as they got it; ``None`` when neither has it (yet). Where both have
        it (an error was sent again and went through), the later one.
    """
    if not isinstance(prefixes, Prefixes):
        prefixes = read(Prefixes, prefixes)
    ends = {Status.SUCCEEDED: prefixes.results, Status.FAILED: prefixes.errors}
    keys = {index_key(prefix, envelope_id): status for status, prefix in ends.items()}
    if (found := _latest(store, keys, trace_id)) is None and trace_id is None:
        children = {
            key: status for status, prefix in ends.items() for key in store.list(children_prefix(prefix, envelope_id))
        }
        found = _latest(store, children, None)
    return found


def _latest(store: Store, keys: Mapping[str, Status], trace_id: str | None) -> tuple[Status, dict[str, Any]] | None:
    written_s = {key: info.modified_s for key in keys if (info := store.info(key)) is not None}
    for key in sorted(written_s, key=lambda key: written_s[key], reverse=True):
        body = store.get(key)
        envelope = None if body is None else json.loads(body)
        if envelope is not None and (trace_id is None or _trace_of(envelope) == trace_id):
            return keys[key], envelope
    return None


def _trace_of(envelope: Mapping[str, Any]) -> str | None:
    return trace_id_of(_headers(envelope).get(names.HEADER_TRACEPARENT))


def _headers(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read an envelope's headers, which are persisted whatever they are."""
    headers = envelope.get("headers")
    return headers if isinstance(headers, Mapping) else {}


def _write(envelope: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(envelope, indent=2, default=str, allow_nan=False).encode()
    except ValueError:
        # Persisting is the last chance to keep what came, so that a number which Python cannot write is no reason not to.
        return _STRING_OR_CONSTANT.sub(_as_json, json.dumps(envelope, indent=2, default=str)).encode()


def _as_json(found: re.Match[str]) -> str:
    if found[0] == "NaN":
        raise ValueError("NaN is no JSON number")
    return TOO_LARGE if found[0] == "Infinity" else found[0]
