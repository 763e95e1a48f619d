"""What a client knows of an envelope that it sent."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One envelope that is on its way.

    Attributes:
        id: Its id.
        trace_id: Of this send, where its result is looked for in the store; empty where a gateway knows it by its id.
    """

    id: str
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an envelope.

    Attributes:
        status: ``pending``, ``running``, ``succeeded`` or ``failed``.
        message: In words.
        actor: Where.
        percent: How far it is, 0 to 100.
        result: What came out, of a success.
        error: Why it failed.
        kind: ``update``; or of a handler's stream ``partial`` (a piece), ``anew`` (the actor's handler is called again, and
            what it streamed before counts no more), ``gap`` (pieces were lost).
        piece: As the handler made it, of ``partial``.
        lost: How many pieces, of ``gap``.
    """

    status: str
    message: str = ""
    actor: str = ""
    percent: float = 0.0
    result: Any = None
    error: str = ""
    kind: str = "update"
    piece: Any = None
    lost: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self.status in {"succeeded", "failed"}
