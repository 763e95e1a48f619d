"""Makes the callbacks of one gateway: takes what is due from the store, posts it, and notes what came of it.

Every replica does; the store hands a delivery to one of them at a time, for the length of its lease. One that is killed leaves
its leases to run out. A post whose answer was not noted is made again under the same id, so that a receiver that keeps ids
takes each once.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from asya_gateway.callbacks.post import Poster
from asya_gateway.callbacks.rule import Attempt, judge
from asya_gateway.callbacks.settings import CallbackSettings
from asya_gateway.metrics import Metrics
from asya_gateway.records.delivery import Delivery
from asya_gateway.store.delivery_port import DeliveryStore
from asya_manifest.callback import split_url
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
COUNT_EVERY_S: Final = 15.0
NOTE_S: Final = 15.0
"""How long it may take after a post to note what came of it, before another gateway makes it again."""


@asynccontextmanager
async def making_callbacks(
    deliveries: DeliveryStore, settings: CallbackSettings, metrics: Metrics, drain_s: float
) -> AsyncIterator[None]:
    """Make callbacks while the block runs, where there is a secret; posts under way then may take so long."""
    if not settings.secrets:
        yield
        return
    courier = Courier(deliveries, settings, Poster(settings.allowed, settings.timeout_s), metrics)
    looking = asyncio.create_task(courier.run())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await courier.finish(drain_s)


class Posts(Protocol):
    """Makes posts; see ``post.Poster``."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Make one."""


class Courier:
    """Makes callbacks.

    Args:
        deliveries: Those that are to be made.
        settings: Of callbacks.
        poster: Makes posts.
        metrics: Where outcomes are counted.
        clock: UTC.
    """

    def __init__(
        self,
        deliveries: DeliveryStore,
        settings: CallbackSettings,
        poster: Posts,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._deliveries = deliveries
        self._settings = settings
        self._poster = poster
        self._metrics = metrics
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._count_at_s = 0.0

    async def run(self) -> None:
        """Make what is due until cancelled; posts that are under way then go on, see ``finish``."""
        while True:
            full = False
            try:
                full = await self.look()
                await self._count()
            except StoreUnavailable as exc:
                log.warning("callbacks not looked for", extra={"error": str(exc)})
            except Exception:  # one defect must not end every later callback
                log.exception("callbacks not looked for")
            if full and self._running:
                await asyncio.wait(self._running, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """Begin what is due, as far as there is room; whether there may be more of it."""
        room = self._settings.at_once - len(self._running)
        if room <= 0:
            return True
        leased = await self._deliveries.lease(room, self._settings.timeout_s + NOTE_S)
        for delivery in leased:
            task = asyncio.create_task(self._make(delivery))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(leased) == room

    async def finish(self, limit_s: float) -> None:
        """Wait for the posts that are under way, for so long at most; the others are made again by whoever is there then."""
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _make(self, delivery: Delivery) -> None:
        verdict = judge(
            await self._post(delivery),
            delivery.attempts,
            self._clock(),
            delivery.since + timedelta(seconds=self._settings.patience_s),
            random.random(),  # noqa: S311 - spreads attempts, guards nothing
        )
        told = {
            "callback": delivery.id,
            "envelope_id": delivery.envelope_id,
            "host": split_url(delivery.url).hostname,
            "attempts": delivery.attempts,
        }
        try:
            if verdict.outcome == "delivered":
                await self._deliveries.delivered(delivery.id)
                log.info("callback delivered", extra=told)
            else:
                dead = verdict.outcome == "dead"
                await self._deliveries.postpone(delivery, None if dead else verdict.pause_s, verdict.told)
                words = "callback is a dead letter" if dead else "callback not delivered"
                log.log(logging.ERROR if dead else logging.WARNING, words, extra={**told, "error": verdict.told})
        except StoreUnavailable as exc:  # its lease runs out, and it is made again
            log.warning("callback not noted", extra={**told, "error": str(exc)})
        self._metrics.callbacks.labels(verdict.outcome).inc()

    async def _post(self, delivery: Delivery) -> Attempt:
        try:
            headers = self._settings.secrets.headers(delivery.secret_ref, delivery.id, delivery.body, self._clock())
        except KeyError:  # a gateway with other settings took it in
            return Attempt(problem=f"the gateway has no callback secret {delivery.secret_ref!r}")
        return await self._poster.post(delivery.url, headers, delivery.body.encode())

    async def _count(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._count_at_s:
            waiting, dead = await self._deliveries.counts()
            self._metrics.callbacks_kept.labels("waiting").set(waiting)
            self._metrics.callbacks_kept.labels("dead").set(dead)
            self._count_at_s = now_s + COUNT_EVERY_S
