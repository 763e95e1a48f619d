"""Publish and subscribe within one process: wakes streams when an envelope has new events.

A wake-up carries no content: streams then read the history, so nothing is lost. Everything runs on one event loop, without
locks.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

TOOLS_CHANGED: Final = "!tools"
"""Topic of a change of the tools. Topics other than envelope ids begin with ``!``, and are woken only by their name."""


class Sleeper(Protocol):
    """What is woken."""

    def set(self) -> None:
        """Wake it."""


class Bell(asyncio.Event):
    """What one reader of several topics waits for; its cords tell which of them rang."""


class Cord:
    """One topic of a bell; pulled at first, for what was there before."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._pulled = True

    def set(self) -> None:
        """Ring."""
        self._pulled = True
        self._bell.set()

    def take(self) -> bool:
        """Return whether the topic was woken since it was last asked."""
        pulled, self._pulled = self._pulled, False
        return pulled


class PubSub:
    """Subscribers by topic; ``stopping`` is set when the gateway stops."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Sleeper]] = {}
        self._hearers: dict[str, Callable[[str], None]] = {}
        self._watchers: list[Callable[[str], None]] = []
        self.stopping = False

    @property
    def streams(self) -> int:
        """Number of subscriptions."""
        return sum(len(events) for events in self._waiting.values())

    def wake(self, envelope_id: str) -> None:
        """Wake the streams of an envelope; of all envelopes when it is empty."""
        for prefix, hearer in self._hearers.items():
            if envelope_id.startswith(prefix):
                hearer(envelope_id.removeprefix(prefix))
                return
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
        with self._subscribed(event, envelope_ids):
            yield event

    @contextmanager
    def ringing(self, bell: Bell, topic: str) -> Iterator[Cord]:
        """Subscribe a bell to a topic, by a cord of its own."""
        cord = Cord(bell)
        with self._subscribed(cord, (topic,)):
            yield cord

    def hear(self, prefix: str, hearer: Callable[[str], None]) -> None:
        """Hand what follows a prefix, which begins with ``!``, to a function instead of waking a topic of that name."""
        self._hearers[prefix] = hearer

    @contextmanager
    def _subscribed(self, sleeper: Sleeper, topics: Sequence[str]) -> Iterator[None]:
        for topic in topics:
            self._waiting.setdefault(topic, set()).add(sleeper)
        try:
            yield
        finally:
            for topic in set(topics):
                listeners = self._waiting[topic]
                listeners.discard(sleeper)
                if not listeners:
                    del self._waiting[topic]

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
