"""Whether the database and the broker answer, asked at most once a second however many want to know.

``/ready`` needs no token, so a stranger may ask it without end; each look takes a connection of the pool.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from asya_gateway.calls import Calls
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable, TransportError

KEPT_S: Final = 1.0


class Readiness:
    """The last answer, and the look for the next one.

    Args:
        store: Asked.
        calls: Asked for the broker.
        clock: Seconds that never go back.
    """

    def __init__(self, store: EnvelopeStore, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._calls = calls
        self._clock = clock
        self._looking = asyncio.Lock()
        self._seen: tuple[float, str] | None = None

    async def problem(self) -> str:
        """Say what does not answer; empty when all is well."""
        if (known := self._known()) is not None:
            return known
        async with self._looking:  # whoever waited takes what the other saw
            if (known := self._known()) is not None:
                return known
            found = await self._look()
            self._seen = (self._clock(), found)
            return found

    def _known(self) -> str | None:
        return None if self._seen is None or self._clock() - self._seen[0] >= KEPT_S else self._seen[1]

    async def _look(self) -> str:
        try:
            await self._store.ping()
        except StoreUnavailable:
            return "the envelope database does not answer"
        try:
            await self._calls.ping()
        except (TransportError, TimeoutError):
            return "the broker does not answer"
        return ""
