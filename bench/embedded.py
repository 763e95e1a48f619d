"""The mesh embedded in one process: the sidecar's own pipeline on the memory transport, a real runtime behind its socket.

Nothing is replaced or left out: envelopes are admitted, called, sent on to ``happy-end`` and only then acknowledged, as in
a cluster. ``python -m bench.embedded JOBS`` prints one run.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from asya_protocol import names
from asya_sidecar.core.admit import Hop
from asya_sidecar.metrics import Metrics
from asya_sidecar.performer import Performer
from asya_sidecar.pipeline import Pipeline
from asya_sidecar.runtime_client import RuntimeClient
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import QueueSpec
from bench.envelopes import envelope
from bench.run import LIMIT_S, Run, cpu_s, resident_mib
from tests.support.runtime_process import RuntimeProcess, running

POLL_S: Final = 0.002
FEW: Final = 1 / 100
"""The part of the jobs that is not counted: it holds the start."""
HANDLERS: Final = str(Path(__file__).parent / "code")


class Mesh:
    """Actors of one process; use :func:`open_mesh`."""

    def __init__(self, actors: Sequence[str], runtime: RuntimeProcess, concurrency: int) -> None:
        self.actors = actors
        self.runtime = runtime
        self._concurrency = concurrency
        broker = MemoryBroker()
        self.admin, self.transport = MemoryAdmin(broker.open_session()), MemoryTransport(broker.open_session())
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    async def make_queues(self) -> None:
        """Make the queues of all actors and of both ends."""
        for actor in (*self.actors, names.HAPPY_END, names.ERROR_END):
            await self.admin.create(names.QueueNames().queue(actor), QueueSpec())

    async def fill(self, jobs: int, payload: object) -> float:
        """Put jobs on the actors' queues in turns; returns the seconds that took."""
        began_s = time.perf_counter()
        for number in range(jobs):
            actor = self.actors[number % len(self.actors)]
            await self.transport.send(names.QueueNames().queue(actor), envelope(number, payload, (actor,)))
        return time.perf_counter() - began_s

    async def start(self) -> None:
        """Start every actor's pipeline."""
        for actor in self.actors:
            hop = Hop(actor)
            metrics = Metrics("asya_actor", actor, "memory")
            consumer = await self.transport.consume(names.QueueNames().queue(actor))
            pipeline = Pipeline(
                hop=hop,
                consumer=consumer,
                performer=Performer(self.transport, consumer, hop, metrics),
                runtimes=[RuntimeClient(self.runtime.folder) for _ in range(self._concurrency)],
                metrics=metrics,
            )
            self._running.append(asyncio.create_task(pipeline.run(self._stop)))

    async def outputs(self, count: int) -> int:
        """Wait until so many outputs are there; returns how many there are.

        Raises:
            TimeoutError: They did not come.
        """
        async with asyncio.timeout(LIMIT_S):
            while True:
                depth = await self.admin.measure(names.QueueNames().queue(names.HAPPY_END))
                if depth.total >= count:
                    return depth.total
                await asyncio.sleep(POLL_S)

    def cpu_s(self) -> float:
        """CPU seconds of the pipelines and the runtime so far."""
        return time.process_time() + cpu_s(self.runtime.process.pid)

    async def close(self) -> None:
        """Drain every pipeline."""
        self._stop.set()
        await asyncio.gather(*self._running)


@asynccontextmanager
async def open_mesh(actors: Sequence[str], concurrency: int = 1) -> AsyncIterator[Mesh]:
    """Make actors that share one runtime process; none runs before ``start``."""
    environ = {"PYTHONPATH": HANDLERS}
    with running("bench_handlers.echo", environ=environ) as runtime:
        mesh = Mesh(actors, runtime, concurrency)
        await mesh.make_queues()
        try:
            yield mesh
        finally:
            await mesh.close()


async def work(jobs: int, *, actors: int = 1, concurrency: int = 1, payload: object = None) -> Run:
    """Do jobs from filled queues; only what comes after the first outputs is counted."""
    async with open_mesh([f"bench-{number}" for number in range(actors)], concurrency) as mesh:
        enqueue_s = await mesh.fill(jobs, payload)
        await mesh.start()
        first = await mesh.outputs(max(1, int(jobs * FEW)))
        began_s, began_cpu_s = time.perf_counter(), mesh.cpu_s()
        last = await mesh.outputs(jobs)
        took_s, used_s = time.perf_counter() - began_s, mesh.cpu_s() - began_cpu_s
        whole = jobs / (last - first)
        return Run(jobs, enqueue_s, took_s * whole, used_s * whole, resident_mib(mesh.runtime.process.pid))


def main() -> None:
    """Print one run."""
    parser = argparse.ArgumentParser(description="No-op jobs through the embedded mesh.")
    parser.add_argument("jobs", type=int)
    parser.add_argument("--actors", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=1)
    chosen = parser.parse_args()
    asyncio.run(work(chosen.jobs, actors=chosen.actors, concurrency=chosen.concurrency)).say()


if __name__ == "__main__":
    main()
