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
from asya_store.factory import open_store
from asya_store.port import Store
from asya_store.results import persist
from asya_store.settings import Prefixes

logger = logging.getLogger("asya.crew")


check_environment(os.environ, "End handlers")

_STORE: Final = open_store(os.environ)
_PREFIXES: Final = read(Prefixes, os.environ)

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
    return _end(_STORE, _PREFIXES.errors, envelope)


def _end(store: Store | None, prefix: str, envelope: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(envelope, dict):
        raise ValueError(f"Envelope must be a dict, not {type(envelope).__name__}")  # noqa: TRY004 - as Asya 0.1.1
    if "id" not in envelope:
        raise ValueError("Envelope missing required field: id")
    if store is not None:
        key = persist(store, prefix, envelope, datetime.now(UTC))
        logger.debug("envelope id=%s persisted as %s", envelope["id"], key)
    return {}
