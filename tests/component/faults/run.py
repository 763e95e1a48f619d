"""One fault run: envelopes through three hops while something breaks things, then the history of every one of them."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from asya_protocol.errors import TransportError
from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from tests.support.fleet import Fleet, Part, Replica
from tests.support.history import History

HOPS: Final = ("first", "second", "third")
CREW: Final = ("happy-end", "error-end")
EVERY_RAISING: Final = 50
QUIET_S: Final = 3.0
"""Queues must stay empty this long before a run counts as over: late duplicates are part of the history."""


@dataclass
class FaultRun:
    """Everything one run needs; ``environ`` points sidecars at the broker."""

    environ: dict[str, str]
    folder: Path
    replicas: int = 2
    work_s: float = 0.005  # Long enough that a kill often hits a running handler.
    seed: int = 1
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.runs_file = self.folder / "runs.txt"
        self.runs_file.touch()
        self.random = random.Random(self.seed)
        here = Path(__file__).parent
        self.fleet = Fleet(
            {
                **self.environ,
                "PYTHONPATH": str(here),
                "RUNS_FILE": str(self.runs_file),
                "WORK_S": str(self.work_s),
                "ASYA_RETRY_INITIAL_DELAY": "200ms",
                "ASYA_RETRY_NON_RETRYABLE": "ValueError",
                "ASYA_RUNTIME_TIMEOUT": "30s",
            }
        )
        for hop in HOPS:
            self.fleet.add(hop, "hops.process", self.replicas)
        self.fleet.add_crew(self.store)

    @property
    def workers(self) -> list[Replica]:
        """Replicas of the hops, crew left out."""
        return [replica for replica in self.fleet.replicas if replica.actor in HOPS]

    async def start(self) -> None:
        """Make the queues and start every replica."""
        self.settings = read_transport_settings(self.environ)
        self.admin = open_admin(self.settings)
        for actor in (*HOPS, *CREW):
            await self.admin.create(QueueNames().queue(actor), QueueSpec())
        self.transport = open_transport(self.settings)
        await self.transport.connect()
        self.fleet.keep_up()
        await asyncio.to_thread(self.fleet.wait_ready)

    async def send(self, count: int) -> None:
        """Send envelopes until each is confirmed, whatever happens to the broker."""

        async def one(number: int) -> None:
            envelope_id = f"e{number:04}"
            payload: dict[str, object] = {"id": envelope_id}
            if number % EVERY_RAISING == 0:
                payload["raises_at"] = "second"
                self.history.raising.add(envelope_id)
            envelope = {"id": envelope_id, "route": {"actors": HOPS}, "payload": payload}
            self.history.sent.add(envelope_id)
            while True:
                try:
                    await self.transport.send(QueueNames().queue(HOPS[0]), json.dumps(envelope).encode())
                except TransportError:
                    await asyncio.sleep(0.5)
                else:
                    return

        for start in range(0, count, 100):
            await asyncio.gather(*(one(number) for number in range(start, min(start + 100, count))))

    async def kill_some(self, rounds: int, pause_s: float) -> None:
        """SIGKILL a random sidecar or runtime, again and again; each is restarted."""
        parts: tuple[Part, ...] = ("sidecar", "runtime")
        for _ in range(rounds):
            await asyncio.sleep(pause_s * self.random.uniform(0.5, 1.5))
            replica = self.random.choice(self.fleet.replicas)
            part = self.random.choice(parts)
            replica.kill(part)
            self.history.faults[f"{part} SIGKILL"] += 1
            replica.keep_up()

    async def drain_some(self, rounds: int, workers: list[Replica]) -> None:
        """Scale a random one of ``workers`` in and out again, again and again: it must leave in good order every time."""
        for _ in range(rounds):
            while not (started := [worker for worker in workers if worker.started]):
                await asyncio.sleep(0.05)
            replica = self.random.choice(started)
            code = await asyncio.to_thread(replica.terminate)
            self.history.faults["drain"] += 1
            assert code == 0, replica.log("sidecar")[-2000:]
            replica.keep_up()

    async def finish(self, timeout_s: float) -> History:
        """Wait until every envelope has ended and nothing is left in a queue, then read the whole history."""
        deadline_s = time.monotonic() + timeout_s
        quiet_since_s = None
        while time.monotonic() < deadline_s:
            self.fleet.keep_up()
            self._read_store()
            busy = await self._left()
            now_s = time.monotonic()
            if busy or self.history.lost - set(self.history.dead):
                quiet_since_s = None
            elif quiet_since_s is None:
                quiet_since_s = now_s
            elif now_s - quiet_since_s > QUIET_S:
                break
            await asyncio.sleep(0.5)
        await self._read_dead_letters()
        self._read_store()
        self.history.retried = sum(replica.log("sidecar").count('"retried"') for replica in self.fleet.replicas)
        for line in self.runs_file.read_text().splitlines():
            envelope_id, hop = line.split(" ")
            self.history.runs[envelope_id, hop] += 1
        return self.history

    async def close(self) -> None:
        """Stop everything and delete the queues."""
        self.fleet.stop()
        await self.transport.close()
        for actor in (*HOPS, *CREW):
            await self.admin.delete(QueueNames().queue(actor), force=True)
        await self.admin.close()
        self.fleet.remove()

    async def _left(self) -> int:
        try:
            depths = [await self.admin.measure(QueueNames().queue(actor)) for actor in (*HOPS, *CREW)]
        except TransportError:
            return 1
        return sum(depth.total for depth in depths)

    async def _read_dead_letters(self) -> None:
        for actor in (*HOPS, *CREW):
            consumer = await self.transport.consume(QueueNames().dlq(actor), prefetch=100)
            while deliveries := await consumer.receive(10, 1.0):
                for delivery in deliveries:
                    self.history.dead[json.loads(delivery.body).get("id", "?")] += 1
                    await consumer.ack(delivery)
            await consumer.stop()

    def _read_store(self) -> None:
        self.history.succeeded = set(_index_ids(self.store / "happy-asya"))
        self.history.failed = set(_index_ids(self.store / "error-asya"))


def _index_ids(folder: Path) -> Iterator[str]:
    """Ids of the index objects, which lie directly below the prefix."""
    if folder.exists():
        yield from (unquote(path.stem) for path in folder.glob("*.json"))


Break = Callable[[FaultRun], Coroutine[None, None, None]]


async def perform(run: FaultRun, count: int, breakers: tuple[Break, ...], timeout_s: float) -> History:
    """Start, send while everything in ``breakers`` goes on at the same time, and wait for the end."""
    try:
        await run.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(run.send(count))
            for breaker in breakers:
                group.create_task(breaker(run))
        return await run.finish(timeout_s)
    finally:
        await run.close()
