"""Notifications between replicas by ``NOTIFY``, batched and outside of the transactions that change records.

A transaction that notifies holds a lock of the whole database until its commit is on disk, which would serialise all changes of
all replicas. Instead one statement notifies of all changes of a few milliseconds. A replica that dies in between notifies
nobody; streams poll every 15 s for that case. A notice is ``INSTANCE TOPIC``; the sender ignores its own notices.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from asya_gateway.store.port import Wake
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

CHANNEL: Final = "asya_envelopes"
LINGER_S: Final = 0.01
RETRY_S: Final = 1.0
MOST: Final = 10_000
"""Topics in the backlog; above it one notice wakes all streams."""
EVERYTHING: Final = ""

Send = Callable[[list[str]], Awaitable[None]]
"""Sends payloads to the channel; raises StoreUnavailable."""


class Notices:
    """Sends and receives notices of one replica.

    Args:
        send: Sends payloads to the channel.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._instance = secrets.token_hex(4)
        self._waiting: dict[str, None] = {}
        self._sending: asyncio.Task[None] | None = None
        self.wake: Wake = lambda _: None

    def tell(self, topic: str) -> None:
        """Wake streams of this replica now, and of the others within milliseconds."""
        self.wake(topic)
        self._keep({topic: None})
        if self._sending is None:
            self._sending = asyncio.create_task(self._run())

    def hear(self, payload: str) -> None:
        """Wake the streams of a received notice."""
        instance, _, topic = payload.partition(" ")
        if instance != self._instance:
            self.wake(topic)

    async def close(self) -> None:
        """Send the backlog, if the database is available."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._waiting:
            try:
                await self._flush()
            except StoreUnavailable as exc:
                log.warning("other replicas not told", extra={"error": str(exc)})

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(LINGER_S)
            try:
                await self._flush()
            except StoreUnavailable as exc:
                log.warning("other replicas not told yet", extra={"error": str(exc), "retry_in_s": RETRY_S})
                await asyncio.sleep(RETRY_S)
        self._sending = None

    async def _flush(self) -> None:
        topics, self._waiting = self._waiting, {}  # topics added from now on go into the next statement
        try:
            await self._send([f"{self._instance} {topic}" for topic in topics])
        except BaseException:  # also a cancellation: a duplicate notice does no harm
            told_since, self._waiting = self._waiting, topics
            self._keep(told_since)
            raise

    def _keep(self, topics: dict[str, None]) -> None:
        self._waiting.update(topics)
        if len(self._waiting) > MOST:
            self._waiting = {EVERYTHING: None}
