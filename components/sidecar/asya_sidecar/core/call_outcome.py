"""The possible outcomes of one handler call."""

from dataclasses import dataclass

from asya_protocol.reply import ErrorItem, Item


@dataclass(frozen=True, slots=True)
class Replied:
    """The runtime answered in full.

    Attributes:
        items: Outputs that have not been sent yet, in order.
        streamed: Outputs before them that left while the handler was running.
        error: The error that ended the outputs, if any.
    """

    items: tuple[Item, ...] = ()
    streamed: int = 0
    error: ErrorItem | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The handler ran past its limit and is gone, or as good as gone."""

    limit_s: float


@dataclass(frozen=True, slots=True)
class RuntimeLost:
    """The runtime died, hung up, or answered something that is no reply: nothing is said of the envelope."""

    detail: str


Outcome = Replied | TimedOut | RuntimeLost
