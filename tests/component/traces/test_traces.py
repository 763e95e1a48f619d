"""One connected trace for each envelope, through fan-out, batches, retries, fan-in, dead letters, redrives and kills."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from asya_protocol.names import QueueNames
from asya_transport.dead_letters.redrive import redrive
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueAdmin, QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from lab.servers.otlp import Behaviour, OtlpReceiver
from tests.support.fleet import Fleet, Part
from tests.support.trace_trees import Tree, trees

ROUTE: Final = ("split", "work", "fan-in", "total")
ACTORS: Final = (*ROUTE, "mend", "happy-end", "error-end")
CHILDREN: Final = 6
SIZES: Final = {"memory": (20, 15), "rabbitmq": (6, 5), "sqs": (4, 3)}
"""Envelopes and kills by broker."""
HANDLERS: Final = """
import logging, os, pathlib, time

FLAG = pathlib.Path(os.environ["FLAG_FILE"])
SEEN = pathlib.Path(os.environ["SEEN_FOLDER"])

def split(payload):
    return [{"of": payload["name"], "n": number} for number in range(payload["children"])]

def work(payloads):
    time.sleep(0.01)
    done = []
    for payload in payloads:
        seen = SEEN / f"{payload['of']}-{payload['n']}"
        if payload["n"] == 0 and not seen.exists():
            seen.touch()
            done.append(RuntimeError("the first try of the first child fails"))
        else:
            done.append(payload)
    return done

def total(payloads):
    metrics = logging.getLogger("asya.metrics")
    for _ in range(2):
        metrics.info({"name": "llm_input_tokens_total", "value": 60, "labels": {"model": "small"}})
        metrics.info({"name": "llm_cost_usd_total", "value": 0.25})
    return len(payloads)

def mend(payload):
    if not FLAG.exists():
        os._exit(3)
    return "mended"
"""

pytestmark = pytest.mark.timeout(600)


@dataclass
class TraceRun:
    """Everything one run needs."""

    environ: dict[str, str]
    folder: Path
    receiver: OtlpReceiver
    protocol: str = "http/protobuf"
    roots: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.random = random.Random(1)
        self.kills = 0
        (self.folder / "steps.py").write_text(HANDLERS)
        (self.folder / "seen").mkdir()
        self.fleet = Fleet(
            {
                **self.environ,
                "PYTHONPATH": str(self.folder),
                "FLAG_FILE": str(self.folder / "mended"),
                "SEEN_FOLDER": str(self.folder / "seen"),
                "ASYA_STORE_URL": self.store.as_uri(),
                "ASYA_RETRY_INITIAL_DELAY": "200ms",
                "ASYA_RUNTIME_TIMEOUT": "30s",
                "ASYA_TRACE_URL": "https://traces.example/{trace_id}",
                "OTEL_EXPORTER_OTLP_ENDPOINT": self._endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
        )
        self.fleet.add("split", "steps.split", 1, ASYA_MAX_DELIVERIES="15")
        self.fleet.add("work", "steps.work", 2, ASYA_BATCH_SIZE="4", ASYA_BATCH_WAIT_MS="20", ASYA_MAX_DELIVERIES="15")
        self.fleet.add_fan_in(self.store, ASYA_MAX_DELIVERIES="15")
        self.fleet.add("total", "steps.total", 1, ASYA_MAX_DELIVERIES="15")
        self.fleet.add("mend", "steps.mend", 1, ASYA_MAX_DELIVERIES="1")
        self.fleet.add_crew(self.store)

    @property
    def _endpoint(self) -> str:
        return self.receiver.grpc_url if self.protocol == "grpc" else self.receiver.http_url

    async def perform(self, count: int, kills: int) -> None:
        """Send, kill, redrive, and wait for the end of every envelope; then end in good order."""
        settings = read_transport_settings(self.environ)
        admin, transport = open_admin(settings), open_transport(settings)
        try:
            for actor in ACTORS:
                await admin.create(QueueNames().queue(actor), QueueSpec(max_deliveries=60))
            await transport.connect()
            self.fleet.keep_up()
            await asyncio.to_thread(self.fleet.wait_ready)
            for number in range(count):
                await self._send(transport, f"e{number}", ROUTE, {"name": f"e{number}", "children": CHILDREN})
            await self._send(transport, "dead", ("mend",), {})
            await self._kill_some(kills)
            await self._until(lambda: self._dead(admin), "a dead letter")
            (self.folder / "mended").touch()
            assert (await redrive(transport, admin, QueueNames().dlq("mend"))).trouble is None
            await self._until(lambda: self._all_ended(count + 1), "every envelope's end")
            for replica in self.fleet.replicas:
                await asyncio.to_thread(replica.terminate)
        finally:
            self.fleet.stop()
            await transport.close()
            for actor in ACTORS:
                await admin.delete(QueueNames().queue(actor), force=True)
            await admin.close()

    def results(self) -> dict[str, object]:
        """Payloads that happy-end keeps, by id."""
        documents = [json.loads(path.read_bytes()) for path in (self.store / "happy-asya").glob("*.json")]
        return {document["id"]: document["payload"] for document in documents}

    def trees(self) -> dict[str, Tree]:
        """By id of the envelope."""
        found = trees(self.receiver.spans, self.roots)
        return {self.names[trace_id]: tree for trace_id, tree in found.items()}

    def lost(self) -> str:
        """What the sidecars said of spans that they lost."""
        return "\n".join(
            line
            for replica in self.fleet.replicas
            for line in replica.log("sidecar").splitlines()
            if "spans lost" in line
        )

    async def _send(self, transport: Transport, name: str, route: tuple[str, ...], payload: object) -> None:
        trace_id, root_id = f"{self.random.getrandbits(128):032x}", f"{self.random.getrandbits(64):016x}"
        self.roots[trace_id], self.names[trace_id] = root_id, name
        headers = {"traceparent": f"00-{trace_id}-{root_id}-01", "tenant": "t1"}
        envelope = {"id": name, "route": {"actors": route}, "headers": headers, "payload": payload}
        await transport.send(QueueNames().queue(route[0]), json.dumps(envelope).encode())

    async def _kill_some(self, kills: int) -> None:
        parts: tuple[Part, ...] = ("sidecar", "runtime")
        victims = [replica for replica in self.fleet.replicas if replica.actor != "mend"]
        for _ in range(kills):
            await asyncio.sleep(self.random.uniform(0.1, 0.4))
            replica = self.random.choice(victims)
            replica.kill(self.random.choice(parts))
            self.kills += 1
            replica.keep_up()

    async def _dead(self, admin: QueueAdmin) -> bool:
        return (await admin.measure(QueueNames().dlq("mend"))).total == 1

    async def _all_ended(self, count: int) -> bool:
        return len(self.results()) == count

    async def _until(self, holds: "Callable[[], object]", what: str) -> None:
        deadline_s = time.monotonic() + 240
        while not await holds():  # type: ignore[misc]
            self.fleet.keep_up()
            assert time.monotonic() < deadline_s, (
                f"{what} did not come: {self.results().keys()}\n{self.fleet.logs(3000)}"
            )
            await asyncio.sleep(0.1)


def table_of(run: TraceRun) -> str:
    """One line for each envelope, and the sum."""
    lines = [f"{'envelope':10} {'spans':>5} {'hops':>4} {'attempts':>8} {'orphans':>7} actors"]
    found = run.trees()
    for name, tree in sorted(found.items()):
        hops = [span for span in tree.spans.values() if span.name.startswith("process ")]
        attempts = max((int(span.attributes["asya.attempt"]) for span in hops), default=0)
        row = f"{len(tree.spans):>5} {len(hops):>4} {attempts:>8} {len(tree.orphans):>7}"
        lines.append(f"{name:10} {row} {' '.join(sorted(tree.hops()))}")
    connected = sum(bool(tree.spans) and not tree.orphans for tree in found.values())
    share = 100 * connected / len(found)
    lines.append(
        f"connected: {connected} of {len(found)} ({share:.0f} %), {run.kills} kills, {len(run.receiver.spans)} spans"
    )
    return "\n".join(lines)


@pytest.mark.parametrize("broker", SIZES)
async def test_every_envelope_has_one_connected_trace_whatever_is_killed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    broker: str,
) -> None:
    with OtlpReceiver() as receiver:
        run = TraceRun(request.getfixturevalue(f"{broker}_environ"), tmp_path, receiver)
        await run.perform(*SIZES[broker])
        table = table_of(run)
        record_property("table", table)
        print(table)
        for name, tree in run.trees().items():
            assert tree.spans, f"{name} has no span\n{table}"
            assert tree.orphans == [], f"{name}\n{table}"
        assert {span.attributes["messaging.message.id"] for span in receiver.spans if "process" in span.name} >= {
            "dead"
        }
        run.fleet.remove()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_without_kills_every_step_is_there(
    memory_environ: dict[str, str], tmp_path: Path, protocol: str, record_property: Callable[[str, object], None]
) -> None:
    with OtlpReceiver() as receiver:
        run = TraceRun(memory_environ, tmp_path, receiver, protocol)
        await run.perform(3, 0)
        table = table_of(run)
        record_property("table", table)
        print(table)
        found = run.trees()
        dead = found.pop("dead")
        for name, tree in found.items():
            assert tree.orphans == [], table
            assert tree.hops() == {*ROUTE, "happy-end"}, table
            _check_fan_out(name, tree)
        _check_redrive(dead)
        assert run.lost() == ""
        run.fleet.remove()


def _check_fan_out(name: str, tree: Tree) -> None:
    """Children, the attempt that failed, batches, and the links of what fan-in made of them."""
    work = tree.named("process asya-work")
    ids = [span.attributes["messaging.message.id"] for span in work]
    assert sorted(ids) == sorted([f"{name}-{number}" for number in range(CHILDREN)] + [f"{name}-0"])
    first, second = (span for span in work if span.attributes["messaging.message.id"] == f"{name}-0")
    assert (first.attributes["asya.attempt"], first.attributes["asya.result"], first.failed) == (1, "retried", True)
    assert (second.attributes["asya.attempt"], second.attributes["asya.result"], second.failed) == (2, "success", False)
    assert {span.attributes["asya.parent_id"] for span in work} == {name}
    (joined,) = tree.named("send asya-total")
    done = {span.span_id for span in work if span.attributes["asya.result"] == "success"}
    assert {span_id for _, span_id in joined.links} == done
    (total,) = tree.named("process asya-total")
    assert total.links == ((joined.trace_id, joined.parent_id),)  # the hop before it
    (call,) = tree.named("handle total")
    assert (call.attributes["gen_ai.usage.input_tokens"], call.attributes["gen_ai.request.model"]) == (120, "small")
    assert call.attributes["asya.llm.cost_usd"] == 0.5
    assert len(tree.named("wait asya-work")) == len(work)
    for hop in work:
        below = {span.name for span in tree.spans.values() if span.parent_id == hop.span_id}
        settled = "retry asya-work" if hop.failed else "ack asya-work"
        assert {"receive asya-work", "handle work", settled} <= below


def _check_redrive(tree: Tree) -> None:
    """The dead letter and its second life are one trace."""
    assert tree.orphans == []
    first, second = tree.named("process asya-mend")
    assert (first.attributes["asya.result"], second.attributes["asya.result"]) == ("dead_lettered", "success")
    assert len(tree.named("dead_letter asya-mend")) == 1
    assert tree.hops() == {"mend", "happy-end"}


@pytest.mark.parametrize("behaviour", ["fails", "stalls", "refuses"])
async def test_a_collector_in_trouble_costs_no_envelope(
    memory_environ: dict[str, str], tmp_path: Path, behaviour: Behaviour
) -> None:
    with OtlpReceiver(behaviour) as receiver:
        run = TraceRun(memory_environ, tmp_path, receiver)
        await run.perform(3, 0)
        assert {"e0", "e1", "e2", "dead"} == run.results().keys()
        assert "spans lost" in run.lost()
        run.fleet.remove()
