"""What the crew has persisted about an envelope, as commands tell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_cli.exit_codes import ExitCode


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
    def cancelled(self) -> bool:
        """Whether its caller ended it."""
        from asya_protocol.names import CANCELLED

        return not self.succeeded and self.error.get("code") == CANCELLED

    @property
    def exit_code(self) -> ExitCode:
        """What a command that waited for it ends with."""
        if self.succeeded:
            return ExitCode.SUCCESS
        return ExitCode.CANCELLED if self.cancelled else ExitCode.FAILED

    @property
    def error(self) -> Mapping[str, Any]:
        """Code and details of a failure; empty of a success."""
        payload = self.envelope.get("payload")
        failure = payload if isinstance(payload, Mapping) else {"error": payload}
        return {} if self.succeeded else {"code": failure.get("error"), **(failure.get("details") or {})}

    @property
    def failed_at(self) -> str:
        """The actor at which it failed; empty where that is not known, and of a success."""
        from asya_protocol.partial import failed_place

        route = {} if self.succeeded else self.envelope.get("route") or {}
        actors, current = route.get("actors") or (), route.get("current", 0)
        place = failed_place(actors, current, self.error.get("type"))
        return str(actors[place]) if place < len(actors) else ""

    @property
    def missing(self) -> tuple[int | str, ...]:
        """The children without which its fan-out was joined; empty where it is whole."""
        from asya_protocol.partial import lacking

        return lacking(self.envelope.get("headers") or {}) if self.succeeded else ()

    @property
    def cause(self) -> str:
        """Why it failed; empty of a success."""
        from asya_protocol.failure import failure_words

        return failure_words(self.error.get("code"), self.error)

    def as_json(self) -> dict[str, object]:
        """Shape it for ``--json``: `{"id", "status", "payload", "missing"?}`, or `"error"` and what the handler was given."""
        payload = self.envelope.get("payload")
        document: dict[str, object] = {"id": self.envelope.get("id"), "status": "succeeded", "payload": payload}
        if self.ended_early:
            # What is kept is what that actor was given.
            document |= {"payload": None, "ended": "early", "ended_at": self.ended_early}
        if self.missing:
            document["missing"] = list(self.missing)
        if not self.succeeded:
            given = payload.get("original_payload") if isinstance(payload, Mapping) else None
            document |= {"status": "failed", "payload": given, "error": self.error}
        return document
