"""Kubernetes Events: what happened to an actor, in ``kubectl describe``. Repeated ones are counted, not repeated."""

import hashlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from asya_kube.api import ApiConflict, ApiError, KubeApi
from asya_kube.resources import ACTOR, EVENT

log: Final = logging.getLogger(__name__)

COMPONENT: Final = "asya-operator"
LONGEST_MESSAGE: Final = 1024
"""The API server's own limit."""


class Recorder:
    """Writes Events; a failure costs the Event only."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def record(self, actor: Mapping[str, Any], severity: str, reason: str, message: str) -> None:
        """Write one Event about an actor.

        Args:
            actor: The object as the API server shows it.
            severity: ``Normal`` or ``Warning``.
            reason: One CamelCase word.
            message: A sentence.
        """
        event = build_event(actor, severity, reason, message, datetime.now(UTC))
        meta = event["metadata"]
        told = {
            "namespace": actor["metadata"].get("namespace"),
            "actor": actor["metadata"]["name"],
            "reason": reason,
        }
        log.info("event", extra={**told, "text": message})
        try:
            try:
                await self._api.create(event)
            except ApiConflict:
                present = await self._api.get(EVENT, meta["namespace"], meta["name"])
                again = {"count": int((present or {}).get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
                await self._api.patch(EVENT, meta["namespace"], meta["name"], again)
        except ApiError as exc:
            log.warning("event not written", extra={**told, "error": str(exc)})


def build_event(actor: Mapping[str, Any], severity: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """An Event object, named by its content, so that the same thing twice is one object. Pure."""
    meta = actor["metadata"]
    message = message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
    mark = hashlib.sha256(f"{meta.get('uid')} {severity} {reason} {message}".encode()).hexdigest()[:16]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{meta['name']}.{mark}", "namespace": meta["namespace"]},
        "involvedObject": {
            "apiVersion": ACTOR.api_version,
            "kind": ACTOR.kind,
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta.get("uid", ""),
        },
        "type": severity,
        "reason": reason,
        "message": message,
        "source": {"component": COMPONENT},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
