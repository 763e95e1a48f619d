"""How replicas hear of one another's changes: ``NOTIFY``, many changes in one statement, apart from the changes themselves.

A transaction that notifies holds a lock of the whole database until its commit is on disk, so notifying with every change
would line up all changes of all replicas. Here one statement tells of all that changed within a few milliseconds. A replica
that dies in between tells nobody; streams look by themselves every 15 s. A notice is ``INSTANCE TOPIC``, so that its own
sender, which woke its streams already, can tell.
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
"""Topics that wait; when there are more, everybody is told to look at everything."""
EVERYTHING: Final = ""

Send = Callable[[list[str]], Awaitable[None]]
"""Puts payloads on the channel; raises StoreUnavailable."""


class Notices:
    """Sent and received by one replica.

    Args:
        send: Puts payloads on the channel.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._instance = secrets.token_hex(4)
        self._waiting: dict[str, None] = {}
        self._sending: asyncio.Task[None] | None = None
        self.wake: Wake = lambda _: None

    def tell(self, topic: str) -> None:
        """Wake this replica's streams now, and those of the others soon."""
        self.wake(topic)
        self._keep({topic: None})
        if self._sending is None:
            self._sending = asyncio.create_task(self._run())

    def hear(self, payload: str) -> None:
        """Wake the streams that a notice of another replica is about."""
        instance, _, topic = payload.partition(" ")
        if instance != self._instance:
            self.wake(topic)

    async def close(self) -> None:
        """Tell what still waits, as far as the database takes it."""
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
        topics, self._waiting = self._waiting, {}  # what is told from now on is not in this statement
        try:
            await self._send([f"{self._instance} {topic}" for topic in topics])
        except BaseException:  # also a cancellation: once too often is better than never
            told_since, self._waiting = self._waiting, topics
            self._keep(told_since)
            raise

    def _keep(self, topics: dict[str, None]) -> None:
        self._waiting.update(topics)
        if len(self._waiting) > MOST:
            self._waiting = {EVERYTHING: None}
