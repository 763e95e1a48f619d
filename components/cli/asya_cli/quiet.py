"""Speaks while a followed envelope is silent: what holds it, from a thread of its own, so that no event is missed."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from asya_cli.waits import LONGEST_QUIET_S, QUIET_S, SAY_EVERY_S, waiting_words

if TYPE_CHECKING:
    from asya_manifest.explanation import Why


class Quiet:
    """The watch over one wait; a context.

    Args:
        look: Finds out what holds the envelope; called in the thread.
        say: Takes a line of words.
        limit_s: How long the wait will be.
    """

    def __init__(self, look: "Callable[[], Why | None]", say: Callable[[str], None], limit_s: float) -> None:
        self._look, self._say, self._limit_s = look, say, limit_s
        self._began_s = self._since_s = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quiet", daemon=True)

    def broken(self) -> None:
        """Note that something has happened."""
        self._since_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a look that is under way says nothing any more."""
        self._over.set()

    def _run(self) -> None:
        until_s = next_quiet(None)
        since_s = self._since_s
        while not self._over.wait(max(self._since_s + until_s - time.monotonic(), 0.0)):
            if since_s != self._since_s:
                since_s, until_s = self._since_s, next_quiet(None)
                continue
            why = self._look()
            if self._over.is_set():
                return
            if since_s == self._since_s:  # else what was found is of before
                self._say(waiting_words(time.monotonic() - self._began_s, self._limit_s, why))
                until_s += next_quiet(until_s)


def next_quiet(before_s: float | None) -> float:
    """How long a silence lasts until something is said of it, and how much longer until it is said again.

    Args:
        before_s: How long it has lasted; ``None`` at its beginning.
    """
    if before_s is None:
        return QUIET_S
    return min(max(before_s, SAY_EVERY_S), LONGEST_QUIET_S)
