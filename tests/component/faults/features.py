"""A fault run with everything switched on: batches, claim check, fan-in and dedup, under SIGKILLs."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from tests.support.fleet import Fleet, Part

ROUTE: Final = ("split", "work", "fan-in", "total")
ACTORS: Final = (*ROUTE, "happy-end", "error-end")
CHILDREN: Final = 12
HANDLERS: Final = """
import os, time

def split(payload):
    return [{"n": number, "filler": "x" * 3000} for number in range(payload["children"])]

def stream(payload):
    for number in range(payload["children"]):
        time.sleep(0.002)
        yield {"n": number, "filler": "x" * 3000}

def work(payloads):
    time.sleep(0.01)
    return [{**payload, "square": payload["n"] ** 2} for payload in payloads]

def total(payloads):
    with open(os.environ["TOTALS_FILE"], "a") as totals: totals.write("total\\n")
    return {"numbers": [payload["n"] for payload in payloads], "total": sum(payload["square"] for payload in payloads)}
"""


@dataclass
class FeatureRun:
    """One run; ``environ`` points sidecars at the broker, ``database`` at the memory of dedup."""

    environ: dict[str, str]
    folder: Path
    database: str
    splitter: str = "split"
    seed: int = 1
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.random = random.Random(self.seed)
        self.fleet = Fleet(
            {
                **self.environ,
                "PYTHONPATH": str(self.folder),
                "TOTALS_FILE": str(self.folder / "totals"),
                "ASYA_STORE_URL": self.store.as_uri(),
                "ASYA_CLAIM_OVER_BYTES": "2000",
                "ASYA_RETRY_INITIAL_DELAY": "200ms",
                "ASYA_RUNTIME_TIMEOUT": "30s",
                "ASYA_MAX_DELIVERIES": "15",
            }
        )
        (self.folder / "steps.py").write_text(HANDLERS)
        (self.folder / "totals").touch()
        self.fleet.add("split", f"steps.{self.splitter}", 2)
        self.fleet.add("work", "steps.work", 2, ASYA_BATCH_SIZE="8", ASYA_BATCH_WAIT_MS="20")
        self.fleet.add_fan_in(self.store)
        self.fleet.add("total", "steps.total", 2, ASYA_DEDUP_WINDOW="1h", ASYA_DEDUP_URL=self.database)
        self.fleet.add_crew(self.store)

    async def perform(self, count: int, kills: int, timeout_s: float) -> dict[str, Any]:
        """Send, kill, wait for every result; returns payloads of results by id."""
        self.settings = read_transport_settings(self.environ)
        admin, transport = open_admin(self.settings), open_transport(self.settings)
        try:
            for actor in ACTORS:
                await admin.create(QueueNames().queue(actor), QueueSpec(max_deliveries=60))
            await transport.connect()
            self.fleet.keep_up()
            await asyncio.to_thread(self.fleet.wait_ready)
            for number in range(count):
                envelope = {"id": f"e{number}", "route": {"actors": ROUTE}, "payload": {"children": CHILDREN}}
                await transport.send(QueueNames().queue("split"), json.dumps(envelope).encode())
            await self._kill_some(kills)
            deadline_s = time.monotonic() + timeout_s
            while len(self.results()) < count and time.monotonic() < deadline_s:
                self.fleet.keep_up()
                await asyncio.sleep(0.3)
            self.dead = {actor: (await admin.measure(QueueNames().dlq(actor))).total for actor in ACTORS}
            return self.results()
        finally:
            self.fleet.stop()
            await transport.close()
            for actor in ACTORS:
                await admin.delete(QueueNames().queue(actor), force=True)
            await admin.close()

    async def _kill_some(self, kills: int) -> None:
        parts: tuple[Part, ...] = ("sidecar", "runtime")
        for _ in range(kills):
            await asyncio.sleep(self.random.uniform(0.2, 0.6))
            replica = self.random.choice(self.fleet.replicas)
            part = self.random.choice(parts)
            replica.kill(part)
            self.faults[f"{replica.actor} {part}"] += 1
            replica.keep_up()

    def results(self, prefix: str = "happy-asya") -> dict[str, Any]:
        """Payloads that the end actors keep, by id."""
        documents = [json.loads(path.read_bytes()) for path in (self.store / prefix).glob("*.json")]
        return {document["id"]: document["payload"] for document in documents}
