"""Bookkeeping of publisher confirms on one channel: matches acks, nacks and returns to the bodies sent.

Pure: the caller publishes and tells what the broker said; futures are only settled here. The broker counts publishes
on a confirming channel from 1 and names them by that number, one by one or "up to this one". A body that no queue
takes comes back first and is confirmed after.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from asya_protocol.errors import QueueMissing, TransportUnavailable


@dataclass(slots=True)
class Unconfirmed:
    """One body on its way.

    Attributes:
        queue: The queue it is meant for, in the end.
        size_bytes: Its size.
        done: Settled with nothing when the broker has it, else with our error.
        sent_s: When it was published, on the caller's clock.
        returned: Whether the broker found no queue for it.
    """

    queue: str
    size_bytes: int
    done: asyncio.Future[None]
    sent_s: float = 0.0
    returned: bool = False


class Confirms:
    """The unconfirmed bodies of one channel, oldest first."""

    def __init__(self) -> None:
        self._last_tag = 0
        self._waiting: dict[int, Unconfirmed] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, unconfirmed: Unconfirmed) -> int:
        """Note a body that is published next; returns its number."""
        self._last_tag += 1
        self._waiting[self._last_tag] = unconfirmed
        return self._last_tag

    def take_back(self, tag: int) -> None:
        """Forget the body noted last, which could not be published after all; the broker never counts it."""
        if self._waiting.pop(tag, None) is not None:
            self._last_tag -= 1

    def note_returned(self, tag: int) -> None:
        """Note that the broker found no queue for it; its confirm follows."""
        if tag in self._waiting:
            self._waiting[tag].returned = True

    def confirm(self, tag: int, *, multiple: bool) -> None:
        """Settle what the broker has taken, or has returned before."""
        for unconfirmed in self._pop(tag, multiple=multiple):
            if unconfirmed.done.done():  # Its sender was cancelled, or waited too long.
                continue
            if unconfirmed.returned:
                unconfirmed.done.set_exception(QueueMissing(unconfirmed.queue))
            else:
                unconfirmed.done.set_result(None)

    def refuse(self, tag: int, *, multiple: bool) -> None:
        """Settle what the broker says it could not take."""
        for unconfirmed in self._pop(tag, multiple=multiple):
            if not unconfirmed.done.done():
                text = f"queue {unconfirmed.queue!r} did not take it (full, or without a majority of its replicas)"
                unconfirmed.done.set_exception(TransportUnavailable(text))

    def expire(self, sent_before_s: float, error_of: Callable[[Unconfirmed], Exception]) -> None:
        """Settle what was published before a moment; the broker may still confirm it, which then changes nothing."""
        for unconfirmed in self._waiting.values():  # Oldest first.
            if unconfirmed.sent_s > sent_before_s:
                break
            if not unconfirmed.done.done():
                unconfirmed.done.set_exception(error_of(unconfirmed))

    def abandon(self, error_of: Callable[[Unconfirmed], Exception]) -> None:
        """Settle everything after the channel is gone."""
        for unconfirmed in self._pop(self._last_tag, multiple=True):
            if not unconfirmed.done.done():
                unconfirmed.done.set_exception(error_of(unconfirmed))

    def _pop(self, tag: int, *, multiple: bool) -> list[Unconfirmed]:
        if not multiple:
            single = self._waiting.pop(tag, None)
            return [] if single is None else [single]
        tags = []
        for waiting in self._waiting:  # Oldest first, so the first newer one ends it.
            if waiting > tag:
                break
            tags.append(waiting)
        return [self._waiting.pop(waiting) for waiting in tags]
