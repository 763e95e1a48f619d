"""The handlers of happy-end and error-end: each persists the envelope it gets and sends nothing on.

They run inside the runtime, in envelope mode without validation, and refuse to be imported otherwise: in payload mode
there is no id to persist under. A store that fails raises; the sidecar then keeps the envelope and tries again.
"""

import logging
import os
from datetime import UTC, datetime
from typing import Any, Final

from asya_crew.settings import check_environment
from asya_process.settings import read
from asya_process.trace_settings import read_trace_settings
from asya_protocol import names
from asya_protocol.trace import trace_id_of, trace_link
from asya_store.factory import open_store
from asya_store.port import Store
from asya_store.results import persist
from asya_store.settings import Prefixes

logger = logging.getLogger("asya.crew")


check_environment(os.environ, "End handlers")

_STORE: Final = open_store(os.environ)
_PREFIXES: Final = read(Prefixes, os.environ)
_TRACE_URL: Final = read_trace_settings(os.environ).url

if _STORE is None:
    logger.warning("neither ASYA_S3_BUCKET nor ASYA_STORE_URL is set: nothing is persisted")


def happy_end_handler(envelope: dict[str, Any]) -> dict[str, Any]:
    """Persist a finished envelope.

    Raises:
        ValueError: It is no envelope, or has no ``id``.
    """
    return _end(_STORE, _PREFIXES.results, envelope)


def error_end_handler(envelope: dict[str, Any]) -> dict[str, Any]:
    """Persist a failed envelope.

    Raises:
        ValueError: It is no envelope, or has no ``id``.
    """
    return _end(_STORE, _PREFIXES.errors, _with_trace(envelope))


def _with_trace(envelope: dict[str, Any]) -> dict[str, Any]:
    """Name the trace of a failed envelope for whoever looks at its object, with a link where there is a template."""
    headers = envelope.get("headers") if isinstance(envelope, dict) else None
    trace_id = trace_id_of(headers.get(names.HEADER_TRACEPARENT)) if isinstance(headers, dict) else None
    link = trace_link(_TRACE_URL, trace_id)
    return envelope if link is None else {**envelope, "trace": {"id": trace_id, "url": link}}


def _end(store: Store | None, prefix: str, envelope: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(envelope, dict):
        raise ValueError(f"Envelope must be a dict, not {type(envelope).__name__}")  # noqa: TRY004 - as Asya 0.1.1
    if "id" not in envelope:
        raise ValueError("Envelope missing required field: id")
    if store is not None:
        key = persist(store, prefix, envelope, datetime.now(UTC))
        logger.debug("envelope id=%s persisted as %s", envelope["id"], key)
    return {}
