"""Limits of one sidecar's actor: calls are let in, kept while they run, and ended with what they did cost."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from asya_protocol.errors import StoreUnavailable
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.core.limits import asks_of, has_waited, wait
from asya_sidecar.metrics import Metrics
from asya_store.limits.limiter import LEASE_S, Limiter
from asya_store.limits.rule import Ask
from asya_store.limits.table import Wait

log: Final = logging.getLogger(__name__)

AWAY_PAUSE_S: Final = 5.0
"""For so long a store that could not be asked is not asked again, and envelopes wait where they may not run without it."""
UNTOLD_LIMIT: Final = 10_000
"""Ends that are remembered while the store is away; the leases of others run out by themselves."""


class Limits:
    """Asks for one sidecar."""

    def __init__(self, hop: Hop, limiter: Limiter, metrics: Metrics | None = None) -> None:
        self._hop = hop
        self._limiter = limiter
        self._metrics = metrics
        self._prefix = uuid.uuid4().hex[:16]
        self._number = 0
        self._held: dict[str, Sequence[Ask]] = {}
        self._untold: list[tuple[Sequence[Ask], str, dict[str, float], bool]] = []
        self._away_until_s = 0.0
        self._is_open = all(rule.when_away == "open" for rule in hop.limits)
        """Whether every limit lets calls run that nobody counts."""

    async def begin(self, work: Work) -> Work | Decision:
        """Ask whether an envelope's call may be made; after work tell ``end`` what became of it.

        Returns:
            Work to run, or the decision for what has to wait or can never be let in.
        """
        asks = asks_of(work, self._hop)
        if isinstance(asks, Decision):
            return asks
        self._number += 1
        lease = f"{self._prefix}-{self._number}"
        try:
            told = await self._take(asks, lease, waited=has_waited(work))
        except StoreUnavailable as exc:
            self._note_away(exc)
            return self._without_store(work)
        if told is None:
            self._held[lease] = asks
            return replace(work, lease=lease)
        self._count(told.name)
        return wait(work, self._hop, told.delay_s, f"limit {told.name!r}: {told.reason}", datetime.now(UTC))

    async def end(self, work: Work, decision: Decision | None) -> None:
        """End a call, and pause its limits where the service behind the handler asked for it. Never raises.

        Args:
            work: As ``begin`` returned it.
            decision: What was performed; ``None`` when no handler has seen it.
        """
        asks = self._held.pop(work.lease, None)
        if asks is None:
            return
        use = decision.use if decision is not None else None
        spent = dict(use.spent) if use is not None else {}
        try:
            if use is not None and use.pause_s is not None:
                await self._pause(asks, use.pause_s)
            await self._limiter.settle(asks, work.lease, spent=spent, ran=decision is not None)
        except StoreUnavailable as exc:
            self._note_away(exc)
            if len(self._untold) < UNTOLD_LIMIT:
                self._untold.append((asks, work.lease, spent, decision is not None))

    async def keep(self) -> None:
        """Extend what is held, and tell what could not be told, for ever."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                if self._held:
                    await self._limiter.extend(dict(self._held))
                await self.tell()
            except StoreUnavailable as exc:
                log.warning("limits not kept", extra={"error": str(exc), "count": len(self._held)})

    async def tell(self) -> None:
        """Tell what could not be told before.

        Raises:
            StoreUnavailable: It still cannot.
        """
        while self._untold:
            asks, lease, spent, ran = self._untold[0]
            await self._limiter.settle(asks, lease, spent=spent, ran=ran)
            self._untold.pop(0)

    async def close(self) -> None:
        """Return what is still held, so that nobody waits for its lease."""
        with suppress(StoreUnavailable):
            for lease, asks in list(self._held.items()):
                await self._limiter.settle(asks, lease)
        await self._limiter.close()

    async def _take(self, asks: Sequence[Ask], lease: str, *, waited: bool) -> Wait | None:
        if time.monotonic() < self._away_until_s:
            raise StoreUnavailable("limits: not asked, it was away a moment ago")
        return await self._limiter.take(asks, lease, waited=waited)

    async def _pause(self, asks: Sequence[Ask], pause_s: float) -> None:
        """Pause what a service may have refused by: limits of rates, and where there are none all of them."""
        rates = [ask for ask in asks if ask.rule.requests_per_minute or ask.rule.tokens_per_minute]
        for ask in rates or asks:
            await self._limiter.pause(ask.rule.name, ask.key, pause_s, f"{self._hop.actor} was told to call later")

    def _without_store(self, work: Work) -> Work | Decision:
        if self._is_open:
            return work
        self._count("away")
        return wait(work, self._hop, AWAY_PAUSE_S, "its limits, whose store is away", datetime.now(UTC))

    def _note_away(self, exc: StoreUnavailable) -> None:
        if time.monotonic() >= self._away_until_s:
            log.warning("limits not asked", extra={"error": str(exc), "calls_run": self._is_open})
            self._away_until_s = time.monotonic() + AWAY_PAUSE_S

    def _count(self, name: str) -> None:
        if self._metrics is not None:
            self._metrics.limited(name)
