"""Deduplication: where an actor asks for it, an envelope is not run twice at the same place of its route within a window."""

import asyncio
import logging
import uuid
from contextlib import suppress
from typing import Final

from asya_protocol.envelope import origin_mark
from asya_protocol.errors import StoreUnavailable
from asya_protocol.replay import replay_mark
from asya_sidecar.core.about import about
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work
from asya_store.dedup_port import DedupStore, Verdict

log: Final = logging.getLogger(__name__)

LEASE_S: Final = 30.0
"""How long the envelope of a killed sidecar is still taken for being worked on; extended at a third of it."""


class Dedup:
    """Keeps one sidecar's keys."""

    def __init__(self, hop: Hop, store: DedupStore, window_s: float) -> None:
        self._hop = hop
        self._store = store
        self._window_s = window_s
        self._owner = uuid.uuid4().hex
        self._held: set[str] = set()

    async def begin(self, work: Work) -> Verdict:
        """Ask whether an envelope may be worked on; after ``run`` tell ``end`` what became of it.

        Raises:
            StoreUnavailable: Nobody knows.
        """
        key = self._key(work)
        verdict = await self._store.begin(key, self._owner, LEASE_S)
        if verdict is Verdict.RUN:
            self._held.add(key)
        return verdict

    async def end(self, work: Work, decision: Decision | None) -> None:
        """Remember what is done, and let go of what is to be tried again. Never raises.

        Args:
            work: What ``begin`` was asked about.
            decision: What was performed, every output confirmed; ``None`` when nothing was done.
        """
        key = self._key(work)
        self._held.discard(key)
        try:
            if decision is not None and decision.done:
                await self._store.finish(key, self._window_s)
            else:
                await self._store.forget(key, self._owner)
        except StoreUnavailable as exc:
            log.warning("dedup state not kept", extra={**about(work, self._hop.actor), "error": str(exc)})

    async def keep(self) -> None:
        """Extend what is held, for ever."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            if self._held:
                try:
                    await self._store.extend(set(self._held), self._owner, LEASE_S)
                except StoreUnavailable as exc:
                    log.warning("dedup leases not extended", extra={"error": str(exc), "count": len(self._held)})

    async def close(self) -> None:
        """Let go of what is still held, so that another replica need not wait for the lease."""
        with suppress(StoreUnavailable):
            for key in set(self._held):
                await self._store.forget(key, self._owner)
        await self._store.close()

    def _key(self, work: Work) -> str:
        envelope = work.envelope
        mark = "~".join(filter(None, (origin_mark(envelope.headers), replay_mark(envelope))))
        place = f"{envelope.route.current}~{mark}" if mark else f"{envelope.route.current}"
        return f"{self._hop.actor}/{place}/{envelope.id}"
