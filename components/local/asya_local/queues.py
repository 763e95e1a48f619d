"""Creates every actor's queue, again where it was deleted, and measures its depth."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from asya_local.errors import MeshError
from asya_local.pool import ActorPool
from asya_protocol import names
from asya_protocol.errors import AsyaError, QueueMissing
from asya_transport.port import QueueAdmin

log: Final = logging.getLogger(__name__)

MEASURE_LIMIT_S: Final = 10.0
"""A broker on this machine answers in milliseconds; a paused one should not hold up the other actors."""
CREATE_LIMIT_S: Final = 60.0
DISPLAY_S: Final = 1.0
"""Depths are shown at most this often, and more slowly with many actors; scaling keeps each actor's own pace."""
ENSURE_S: Final = 30.0
"""How often a queue and its dead letter queue are made sure of, also while measuring succeeds."""
_AT_ONCE: Final = 8
_RETRY_S: Final = 0.5


class QueueKeeper:
    """Creates and measures queues.

    Args:
        admin: Of the mesh's transport.
        prompt: Measuring costs next to nothing, so that napping actors are looked at all the time while others work.
    """

    def __init__(self, admin: QueueAdmin, *, prompt: bool = False) -> None:
        self._admin = admin
        self._prompt = prompt
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._measured_s: dict[str, float] = {}
        self._ensured_s: dict[str, float] = {}

    async def create(self, pools: Iterable[ActorPool]) -> None:
        """Create every queue; return when all exist.

        Raises:
            MeshError: The broker did not let us within the limit.
        """
        deadline = asyncio.get_running_loop().time() + CREATE_LIMIT_S
        for pool in pools:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._ensure(pool)
                    break
                except (AsyaError, TimeoutError) as exc:
                    retryable = isinstance(exc, AsyaError) and exc.retryable
                    if not retryable or asyncio.get_running_loop().time() + _RETRY_S > deadline:
                        cause = str(exc) or f"the broker did not answer within {CREATE_LIMIT_S:g} s"
                        raise MeshError(f"queue {pool.plan.queue!r} cannot be created: {cause}") from exc
                await asyncio.sleep(_RETRY_S)

    async def measure(self, pools: Mapping[str, ActorPool]) -> None:
        """Measure the queues that are due, and let their actors know."""
        now_s = asyncio.get_running_loop().time()
        every_s = max(DISPLAY_S, 0.1 * len(pools))
        # While anything moves in the mesh, an actor that naps is about to be woken by it.
        moving = self._prompt and any(pool.depth.total for pool in pools.values())
        due = [
            pool
            for pool in pools.values()
            if (moving and pool.target == 0)
            or now_s >= min(pool.next_poll_s, self._measured_s.get(pool.name, -every_s) + every_s)
        ]
        for pool in due:
            self._measured_s[pool.name] = now_s
        await self.measure_now(due)

    async def measure_now(self, pools: Iterable[ActorPool]) -> None:
        """Measure queues, and let their actors know."""
        async with asyncio.TaskGroup() as group:
            for pool in pools:
                group.create_task(self._measure(pool))

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()

    async def _measure(self, pool: ActorPool) -> None:
        loop = asyncio.get_running_loop()
        queue = pool.plan.queue
        try:
            async with self._gate, asyncio.timeout(MEASURE_LIMIT_S):
                try:
                    if loop.time() - self._ensured_s.get(pool.name, 0.0) > ENSURE_S:
                        await self._ensure(pool)
                    depth = await self._admin.measure(queue)
                    dead = await self._admin.measure(names.dlq_name(queue))
                except QueueMissing as missing:
                    log.warning("queue was missing", extra={"queue": missing.queue})
                    await self._ensure(pool)
                    return
            pool.dead_letters = dead.total
            pool.observe_depth(loop.time(), depth)
        except TimeoutError:
            pool.observe_trouble(f"the broker did not answer within {MEASURE_LIMIT_S:g} s")
        except AsyaError as exc:
            pool.observe_trouble(str(exc))

    async def _ensure(self, pool: ActorPool) -> None:
        await self._admin.create(pool.plan.queue, pool.plan.queue_spec)
        self._ensured_s[pool.name] = asyncio.get_running_loop().time()
