"""Publish and subscribe within one process: wakes streams when an envelope has new events.

A wake-up carries no content: streams then read the history, so nothing is lost. Everything runs on one event loop, without
locks.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

TOOLS_CHANGED: Final = "!tools"
"""Topic of a change of the tools. Topics other than envelope ids begin with ``!``, and are woken only by their name."""


class PubSub:
    """Subscribers by topic; ``stopping`` is set when the gateway stops."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._watchers: list[Callable[[str], None]] = []
        self.stopping = False

    @property
    def streams(self) -> int:
        """Number of subscriptions."""
        return sum(len(events) for events in self._waiting.values())

    def wake(self, envelope_id: str) -> None:
        """Wake the streams of an envelope; of all envelopes when it is empty."""
        if not envelope_id.startswith("!"):
            self._tell(envelope_id)
        if envelope_id:
            for event in self._waiting.get(envelope_id, ()):
                event.set()
            return
        self._wake_all(lambda topic: not topic.startswith("!"))

    def stop(self) -> None:
        """Set ``stopping`` and wake all subscribers."""
        self.stopping = True
        self._tell("")
        self._wake_all(lambda _: True)

    @contextmanager
    def listening(self, *envelope_ids: str) -> Iterator[asyncio.Event]:
        """Subscribe to topics; the event is set when one of them is woken."""
        event = asyncio.Event()
        for envelope_id in envelope_ids:
            self._waiting.setdefault(envelope_id, set()).add(event)
        try:
            yield event
        finally:
            for envelope_id in set(envelope_ids):
                listeners = self._waiting[envelope_id]
                listeners.discard(event)
                if not listeners:
                    del self._waiting[envelope_id]

    @contextmanager
    def watching(self, watcher: Callable[[str], None]) -> Iterator[None]:
        """Subscribe a function to all topics; it gets "" when some may have been missed, and at the stop."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def _tell(self, envelope_id: str) -> None:
        for watcher in self._watchers:
            watcher(envelope_id)

    def _wake_all(self, wanted: Callable[[str], bool]) -> None:
        for topic, events in self._waiting.items():
            if wanted(topic):
                for event in events:
                    event.set()
