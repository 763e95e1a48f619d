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
        is_list: The handler returned a list or a stream, be it without outputs.
        first: The first of those that were streamed, where it was held back: see ``decide.keeps_the_id``.
    """

    items: tuple[Item, ...] = ()
    streamed: int = 0
    error: ErrorItem | None = None
    is_list: bool = False
    first: Item | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The handler ran past its limit and is gone, or as good as gone; ``streamed`` outputs had left before."""

    limit_s: float
    streamed: int = 0


@dataclass(frozen=True, slots=True)
class RuntimeLost:
    """The runtime died, hung up, or answered something that is no reply; ``streamed`` outputs had left before."""

    detail: str
    streamed: int = 0


Outcome = Replied | TimedOut | RuntimeLost
