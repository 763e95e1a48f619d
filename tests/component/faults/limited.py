"""A fault run of limits: two actors share one, while sidecars are killed and the store of its state is cut off."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from asya_protocol.names import QueueNames
from asya_store.limits.rule import Rule, write_rules
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from lab.servers.postgres import PostgresServer
from tests.support.fleet import Fleet

ROUTE: Final = ("ask", "check")
ACTORS: Final = (*ROUTE, "happy-end", "error-end")
RULE: Final = Rule(name="model", requests_per_minute=40, concurrency=3)
CUT_S: Final = 6.0
HANDLERS: Final = """
import os, time

def call(payload):
    name = f"{os.getpid()} {time.monotonic_ns()}"
    write("begin", name)
    time.sleep(0.3)
    write("end", name)
    return payload

def write(word, name):
    with open(os.environ["CALLS_FILE"], "a") as calls:
        calls.write(f"{time.time():.3f} {word} {name}\\n")
"""


@dataclass
class LimitRun:
    """One run; ``environ`` points sidecars at the broker, ``database`` at the state of limits."""

    environ: dict[str, str]
    folder: Path
    server: PostgresServer
    seed: int = 1
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.calls_file = self.folder / "calls"
        self.calls_file.touch()
        self.random = random.Random(self.seed)
        self.fleet = Fleet(
            {
                **self.environ,
                "PYTHONPATH": str(self.folder),
                "CALLS_FILE": str(self.calls_file),
                "ASYA_RUNTIME_TIMEOUT": "30s",
                "ASYA_LIMITS": write_rules((RULE,)),
                "ASYA_LIMITS_URL": self.server.new_database(),
            }
        )
        (self.folder / "calls_model.py").write_text(HANDLERS)
        for actor in ROUTE:
            self.fleet.add(actor, "calls_model.call", 2)
        self.fleet.add_crew(self.store)

    async def perform(self, count: int, kills: int, cuts: int, timeout_s: float) -> None:
        """Send, kill and cut, and wait until every envelope has ended."""
        settings = read_transport_settings(self.environ)
        admin, transport = open_admin(settings), open_transport(settings)
        try:
            for actor in ACTORS:
                await admin.create(QueueNames().queue(actor), QueueSpec())
            await transport.connect()
            self.fleet.keep_up()
            await asyncio.to_thread(self.fleet.wait_ready)
            for number in range(count):
                envelope = {"id": f"e{number}", "route": {"actors": ROUTE}, "payload": {"n": number}}
                await transport.send(QueueNames().queue(ROUTE[0]), json.dumps(envelope).encode())
            await asyncio.gather(self._kill_some(kills), self._cut(cuts))
            deadline_s = time.monotonic() + timeout_s
            while len(self.ended("happy-asya")) < count and time.monotonic() < deadline_s:
                self.fleet.keep_up()
                await asyncio.sleep(0.3)
            self.dead = sum([(await admin.measure(QueueNames().dlq(actor))).total for actor in ACTORS])
        finally:
            self.fleet.stop()
            await transport.close()
            for actor in ACTORS:
                await admin.delete(QueueNames().queue(actor), force=True)
            await admin.close()

    def ended(self, prefix: str) -> set[str]:
        """Ids that an end actor keeps."""
        return {path.stem for path in (self.store / prefix).glob("*.json")}

    def most_in_a_minute(self) -> int:
        """Calls that began within any 60 seconds."""
        begun = sorted(at_s for at_s, word, _ in self._calls() if word == "begin")
        return max(sum(1 for at_s in begun[index:] if at_s < start_s + 60) for index, start_s in enumerate(begun))

    def most_at_once(self) -> int:
        """Calls that ran at the same time."""
        running: set[str] = set()
        most = 0
        for _, word, name in sorted(self._calls()):
            (running.add if word == "begin" else running.discard)(name)
            most = max(most, len(running))
        return most

    def calls(self) -> int:
        """Calls in all, repeated ones too."""
        return sum(word == "begin" for _, word, _ in self._calls())

    def attempts_used(self) -> set[int]:
        """Attempts that logs tell of."""
        lines = [json.loads(line) for each in self.fleet.replicas for line in _json_lines(each.log("sidecar"))]
        return {int(line["attempt"]) for line in lines if "attempt" in line}

    def _calls(self) -> list[tuple[float, str, str]]:
        lines = [line.split(" ", 2) for line in self.calls_file.read_text().splitlines()]
        return [(float(at_s), word, name) for at_s, word, name in lines]

    async def _kill_some(self, kills: int) -> None:
        workers = [replica for replica in self.fleet.replicas if replica.actor in ROUTE]
        for _ in range(kills):
            await asyncio.sleep(self.random.uniform(1.0, 3.0))
            replica = self.random.choice(workers)
            replica.kill("sidecar")
            self.faults["sidecar SIGKILL"] += 1
            replica.keep_up()

    async def _cut(self, cuts: int) -> None:
        for _ in range(cuts):
            await asyncio.sleep(self.random.uniform(3.0, 6.0))
            await asyncio.to_thread(self.server.stop)
            await asyncio.sleep(CUT_S)
            await asyncio.to_thread(self.server.start)
            self.faults["store cut"] += 1


def _json_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def table(run: LimitRun, count: int) -> Mapping[str, Any]:
    """What came of it, for people and for the test."""
    return {
        "sent": count,
        "succeeded": len(run.ended("happy-asya")),
        "blamed": len(run.ended("error-asya")),
        "dead": run.dead,
        "calls": run.calls(),
        "most in a minute": f"{run.most_in_a_minute()} of {RULE.requests_per_minute:g}",
        "most at once": f"{run.most_at_once()} of {RULE.concurrency}",
        "faults": dict(run.faults),
    }
