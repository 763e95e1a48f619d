"""Two replicas and a call that is much longer than others, in virtual time: short envelopes go to the replica that is free.

The stand-in broker counts what it hands out and can push ahead as RabbitMQ does. Run with ``-s`` to see the waits.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from asya_protocol.envelope import Route
from asya_protocol.reply import Item
from asya_sidecar.core import window as pacing
from asya_sidecar.core.admit import Hop
from asya_sidecar.core.call_outcome import Outcome, Replied
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.pipeline import Pipeline
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import Consumer, Delivery, QueueSpec

WARM, MIXED = 400, 200
FAST_S = 0.004


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes when nothing is left to do."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class Runtime:
    """Works on an envelope for as long as its payload says."""

    def __init__(self, waits: dict[str, float]) -> None:
        self.waits = waits

    async def wait_ready(self, timeout_s: float) -> bool:
        await asyncio.sleep(0.01)
        return True

    async def ready(self) -> None:
        """Always."""

    async def close(self) -> None:
        """Nothing to close."""

    async def call(self, bodies: Sequence[bytes], timeout_s: float, on_items: object, _: object) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        envelopes = [json.loads(body) for body in bodies]
        for envelope in envelopes:
            self.waits[envelope["id"]] = loop.time() - envelope["payload"]["sent"]
        await asyncio.sleep(max(envelope["payload"]["s"] for envelope in envelopes))
        return [Replied((Item(msgspec.Raw(b"1"), Route(("work",), 1)),)) for _ in bodies]


class Pushing:
    """A consumer to which the broker pushes as far as its prefetch, whether it is asked or not."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner
        self._prefetch = 1
        self._out: set[Delivery] = set()
        self._buffer: list[Delivery] = []
        self._came = asyncio.Event()
        self._pushing: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def _push(self) -> None:
        while True:
            if (room := self._prefetch - len(self._out)) <= 0:
                await asyncio.sleep(0.001)
                continue
            came = await self._inner.receive(room, 1000.0)
            self._out |= set(came)
            self._buffer += came
            self._came.set()

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        if self._pushing is None:
            self._pushing = asyncio.create_task(self._push())
        if not self._buffer:
            self._came.clear()
            await asyncio.wait_for(self._came.wait(), None)
        taken, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return taken

    async def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch

    async def pause(self) -> None:
        if self._pushing is not None:
            self._pushing.cancel()
            self._pushing = None
        while self._buffer:
            await self.release(self._buffer.pop())

    async def stop(self) -> None:
        await self.pause()
        await self._inner.stop()

    async def ack(self, delivery: Delivery) -> None:
        self._out.discard(delivery)
        await self._inner.ack(delivery)

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        self._out.discard(delivery)
        await self._inner.release(delivery, delay_s)


async def simulate(
    wrap: Callable[[Consumer], Any], *, slow_s: float, concurrency: int = 1, batch_size: int = 1
) -> dict[str, float]:
    """Warm two replicas up, then send one slow envelope among fast ones; how long each waited for its call."""
    loop = asyncio.get_running_loop()
    broker = MemoryBroker(clock=loop.time)
    admin, transport = MemoryAdmin(broker.open_session()), MemoryTransport(broker.open_session())
    for name in ("work", "happy-end", "error-end"):
        await admin.create(f"asya-{name}", QueueSpec(max_deliveries=1))
    await transport.connect()
    waits: dict[str, float] = {}
    stop = asyncio.Event()

    async def send(name: str, s: float) -> None:
        document = {"id": name, "route": {"actors": ["work"]}, "payload": {"sent": loop.time(), "s": s}}
        await transport.send("asya-work", json.dumps(document).encode())

    async def replica() -> None:
        hop, metrics = Hop("work"), Metrics("asya_actor", "work", "memory")
        consumer = wrap(await transport.consume("asya-work"))
        runtimes: Any = [Runtime(waits) for _ in range(concurrency)]
        await Pipeline(
            hop=hop, consumer=consumer, performer=Performer(transport, consumer, hop, metrics), runtimes=runtimes,
            metrics=metrics, batch_size=batch_size, batch_wait_s=0.05, clock=loop.time,
        ).run(stop)  # fmt: skip

    replicas = [asyncio.create_task(replica()) for _ in range(2)]
    await _sent(WARM, lambda number: send(f"warm-{number}", FAST_S))
    await asyncio.sleep(30)
    await _sent(MIXED, lambda number: send(f"mix-{number}", slow_s if number == MIXED // 4 else FAST_S))
    await asyncio.sleep(2 * slow_s + 10)
    stop.set()
    await asyncio.gather(*replicas)
    assert (await admin.measure("asya-happy-end")).total == WARM + MIXED
    assert (await admin.measure("asya-work-dlq")).total == 0
    return {
        name: waited_s for name, waited_s in waits.items() if name.startswith("mix") and name != f"mix-{MIXED // 4}"
    }


async def _sent(count: int, send: Callable[[int], Awaitable[None]]) -> None:
    for number in range(count):
        await send(number)


def run(wrap: Callable[[Consumer], Any], **options: Any) -> dict[str, float]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(simulate(wrap, **options))


@pytest.mark.parametrize("wrap", [lambda consumer: consumer, Pushing], ids=["asks", "pushed"])
@pytest.mark.parametrize(("concurrency", "batch_size"), [(1, 1), (1, 8), (2, 1)])
def test_short_envelopes_do_not_wait_behind_a_slow_call(
    wrap: Callable[[Consumer], Any], concurrency: int, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds at most, be the call as long as it likes; without the release they waited for its end."""
    shape = {"concurrency": concurrency, "batch_size": batch_size}
    after = run(wrap, slow_s=40.0, **shape)
    assert len(after) == MIXED - 1
    neighbours = batch_size - 1  # those in the slow call itself
    worst_s = sorted(after.values())[-1 - neighbours]
    monkeypatch.setattr(pacing, "SLOW_S", math.inf)
    before_s = max(run(wrap, slow_s=40.0, **shape).values())
    print(f"{shape}: longest wait {before_s:.1f} s before, {worst_s:.1f} s after")
    assert worst_s < 2.0
