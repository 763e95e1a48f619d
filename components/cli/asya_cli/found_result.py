"""What the crew has persisted about an envelope, as commands tell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FoundResult:
    """What the crew has persisted about an envelope.

    Attributes:
        succeeded: It reached happy-end.
        envelope: As the end actor got it.
    """

    succeeded: bool
    envelope: Mapping[str, Any]

    @property
    def ended_early(self) -> str:
        """The actor whose handler returned nothing, where that ended the route before its end; else empty."""
        from asya_protocol.envelope import left_early_at

        route = self.envelope.get("route") or {}
        return left_early_at(route.get("actors") or (), route.get("current", 0)) if self.succeeded else ""

    @property
    def error(self) -> Mapping[str, Any]:
        """Code and details of a failure; empty of a success."""
        payload = self.envelope.get("payload")
        failure = payload if isinstance(payload, Mapping) else {"error": payload}
        return {} if self.succeeded else {"code": failure.get("error"), **(failure.get("details") or {})}

    @property
    def cause(self) -> str:
        """Why it failed; empty of a success."""
        from asya_protocol.failure import failure_words

        return failure_words(self.error.get("code"), self.error)

    def as_json(self) -> dict[str, object]:
        """Shape it for ``--json``: ``{"id", "status", "payload"}``, or ``"error"`` and what was given to the handler."""
        payload = self.envelope.get("payload")
        document: dict[str, object] = {"id": self.envelope.get("id"), "status": "succeeded", "payload": payload}
        if self.ended_early:
            # What is kept is what that actor was given.
            document |= {"payload": None, "ended": "early", "ended_at": self.ended_early}
        if not self.succeeded:
            given = payload.get("original_payload") if isinstance(payload, Mapping) else None
            document |= {"status": "failed", "payload": given, "error": self.error}
        return document
