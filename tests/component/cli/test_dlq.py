"""Dead letters on real brokers and on a real mesh, through the command line: none is lost, whatever ends a redrive."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asya_protocol import names
from asya_transport.dead_letters.hold import hold
from asya_transport.dead_letters.redrive import IN_FLIGHT_MOST, Selection, redrive
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import TransportSettings, read_transport_settings
from lab.servers.localstack import localstack_endpoint
from lab.servers.rabbitmq import rabbitmq_management_url, rabbitmq_server, rabbitmq_url

__all__ = ["localstack_endpoint", "rabbitmq_management_url", "rabbitmq_server", "rabbitmq_url"]

LIMIT_S = 240.0
AT_ONCE = 200

pytestmark = pytest.mark.timeout(900)


@dataclass(slots=True)
class Actor:
    """An actor's queues on one broker.

    Attributes:
        environ: Leads to the broker.
        many: How many dead letters it gets.
        name: The actor's.
    """

    environ: dict[str, str]
    many: int
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    @property
    def queue(self) -> str:
        return names.QueueNames().queue(self.name)

    @property
    def dead(self) -> str:
        return names.dlq_name(self.queue)

    @property
    def settings(self) -> TransportSettings:
        return read_transport_settings(self.environ)

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start ``asya dlq`` where no mesh is, pointed at the broker by its environment."""
        argv = [sys.executable, "-c", "from asya_cli.main import main; main()", "dlq", *words, "--json"]
        environ = {**os.environ, **self.environ, "ASYA_HOME": "/nowhere/at/all"}
        return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str) -> dict[str, Any]:
        code, document = finish(self.command(*words))
        assert code == 0, document
        return document

    async def dead_letter(self, ids: Sequence[str]) -> None:
        transport, gate = open_transport(self.settings), asyncio.Semaphore(AT_ONCE)
        await transport.connect()

        async def send(envelope_id: str) -> None:
            headers = {"x-asya-attempt": 1, "x-asya-delivery": 5, "kind": envelope_id[0]}
            route = {"actors": [self.name]}
            body = json.dumps({"id": envelope_id, "route": route, "headers": headers, "payload": {"text": "x" * 200}})
            marks = {names.ATTRIBUTE_REASON: "runtime died", names.ATTRIBUTE_QUEUE: self.queue}
            async with gate:
                await transport.send(self.dead, body.encode(), attributes=marks)

        await asyncio.gather(*(send(each) for each in ids))
        await transport.close()

    async def depth(self, queue: str) -> int:
        admin = open_admin(self.settings)
        depth = await admin.measure(queue)
        await admin.close()
        return depth.ready

    async def until_depth(self, queue: str, count: int) -> None:
        """Wait until so many are ready; a quorum queue takes returns in its own time."""
        async with asyncio.timeout(LIMIT_S):
            while await self.depth(queue) != count:
                await asyncio.sleep(0.05)

    async def until_redriven(self, count: int) -> None:
        """Wait until so many have arrived."""
        admin = open_admin(self.settings)
        async with asyncio.timeout(LIMIT_S):
            while (await admin.measure(self.queue)).ready < count:
                await asyncio.sleep(0.02)
        await admin.close()

    async def take_all(self, queue: str, expected: int) -> Counter[str]:
        """Take everything out of a queue and count it by id."""
        transport = open_transport(self.settings)
        await transport.connect()
        consumer = await transport.consume(queue, prefetch=AT_ONCE)
        found: Counter[str] = Counter()
        deadline_s = time.monotonic() + LIMIT_S
        while taken := await consumer.receive(AT_ONCE, 20.0 if found.total() < expected else 1.0):
            found.update(json.loads(delivery.body)["id"] for delivery in taken)
            await asyncio.gather(*(consumer.ack(delivery) for delivery in taken))
            assert time.monotonic() < deadline_s
        await transport.close()
        return found


def finish(command: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = command.communicate(timeout=LIMIT_S)
    assert out, err
    return command.returncode, json.loads(out)


@pytest.fixture(params=["rabbitmq", "sqs"])
def actor(request: pytest.FixtureRequest) -> Iterator[Actor]:
    """Ten thousand dead letters on each broker."""
    if request.param == "sqs":
        endpoint = request.getfixturevalue("localstack_endpoint")
        environ = {"ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": endpoint}
        made = Actor(environ, many=10_000)
    else:
        made = Actor(
            {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": request.getfixturevalue("rabbitmq_url")}, 10_000
        )
    asyncio.run(prepare(made))
    yield made
    asyncio.run(remove(made))


async def prepare(actor: Actor) -> None:
    admin = open_admin(actor.settings)
    await admin.create(actor.queue, QueueSpec())
    await admin.close()


async def remove(actor: Actor) -> None:
    admin = open_admin(actor.settings)
    await admin.delete(actor.queue, force=True)
    await admin.close()


async def test_thousands_are_redriven_although_ctrl_c_interrupts_half_way(actor: Actor):
    ids = [f"e{n}" for n in range(actor.many)]
    await actor.dead_letter(ids)
    command = actor.command("redrive", actor.name, "--rate", "1000")  # it must not end before it is interrupted
    await actor.until_redriven(actor.many // 3)
    command.send_signal(signal.SIGINT)
    code, first = await asyncio.to_thread(finish, command)
    assert code == 130
    assert first["interrupted"]
    assert actor.many // 3 <= first["redriven"] < actor.many
    await actor.until_depth(actor.queue, first["redriven"])
    await actor.until_depth(actor.dead, actor.many - first["redriven"])

    second = await asyncio.to_thread(actor.run, "redrive", actor.name)
    assert second["redriven"] == actor.many - first["redriven"]
    assert await actor.take_all(actor.queue, actor.many) == Counter(ids)
    await actor.until_depth(actor.dead, 0)


async def test_a_killed_redrive_loses_nothing_and_duplicates_only_what_was_in_flight(actor: Actor):
    if actor.environ["ASYA_TRANSPORT"] == "sqs":
        # What a killed process held comes again when its lease ends; after a quarter of it, it would be extended to minutes.
        actor.environ["ASYA_SQS_VISIBILITY_TIMEOUT"] = "15"
    ids = [f"e{n}" for n in range(actor.many // 5)]
    await actor.dead_letter(ids)
    command = actor.command("redrive", actor.name)
    await actor.until_redriven(len(ids) // 3)
    command.kill()
    await asyncio.to_thread(command.communicate)

    async with asyncio.timeout(LIMIT_S):
        while await actor.depth(actor.dead) or len(ids) > await actor.depth(actor.queue):
            await asyncio.to_thread(actor.run, "redrive", actor.name)
    found = await actor.take_all(actor.queue, len(ids))
    assert found.keys() == set(ids)
    assert found.total() <= len(ids) + IN_FLIGHT_MOST


async def test_those_that_do_not_match_are_all_still_there(actor: Actor):
    many = actor.many // 5
    await actor.dead_letter([f"{'ab'[n % 2]}{n}" for n in range(many)])
    dry = await asyncio.to_thread(actor.run, "redrive", actor.name, "--where", "headers.kind=a", "--dry-run")
    assert (dry["matched"], dry["looked_at"], dry["redriven"]) == (many // 2, many, 0)
    await actor.until_depth(actor.dead, many)
    tally = await asyncio.to_thread(actor.run, "redrive", actor.name, "--where", "headers.kind=a")
    assert (tally["redriven"], tally["looked_at"]) == (many // 2, many)
    await actor.until_depth(actor.dead, many // 2)
    listed = await asyncio.to_thread(actor.run, "ls", actor.name, "--limit", "5", "--where", "reason~died")
    assert [entry["id"][0] for entry in listed["entries"]] == ["b"] * 5
    assert listed["entries"][0]["deliveries"] == 5
    await actor.until_depth(actor.dead, many // 2)
    purged = await asyncio.to_thread(actor.run, "purge", actor.name, "--yes", "--where", "id=b*1")
    assert purged["purged"] == many // 10
    await actor.until_depth(actor.dead, many // 2 - many // 10)
    left = await actor.take_all(actor.dead, many // 2 - many // 10)
    assert left == Counter(f"b{n}" for n in range(1, many, 2) if n % 10 != 1)


async def test_leases_of_what_is_held_are_extended_for_as_long_as_the_pass_takes(localstack_endpoint: str):
    short = Actor(
        {"ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": localstack_endpoint, "ASYA_SQS_VISIBILITY_TIMEOUT": "6"}, many=20
    )
    await prepare(short)
    await short.dead_letter([f"e{n}" for n in range(short.many)])
    transport, admin = open_transport(short.settings), open_admin(short.settings)
    # At three in two seconds the pass takes more than twice as long as the lease.
    tally = await redrive(transport, admin, short.dead, selection=Selection(rate=1.5))
    assert (tally.done, tally.read, tally.uncertain) == (20, 20, 0)
    await transport.close()
    await admin.close()
    assert await short.take_all(short.queue, short.many) == Counter(f"e{n}" for n in range(short.many))
    await remove(short)


async def test_much_is_held_at_once_although_a_broker_pushes_only_a_little_ahead(rabbitmq_url: str):
    actor = Actor({"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": rabbitmq_url}, many=3_000)
    await prepare(actor)
    await actor.dead_letter([f"e{n}" for n in range(actor.many)])
    transport, admin = open_transport(actor.settings), open_admin(actor.settings)
    await transport.connect()
    async with hold(transport, admin, actor.dead, asyncio.Event()) as holding:
        held = 0
        while taken := await holding.take():
            held += len(taken)
        assert held == actor.many
        assert await actor.depth(actor.dead) == 0
    await transport.close()
    async with asyncio.timeout(LIMIT_S):
        while await actor.depth(actor.dead) < actor.many:  # a quorum queue takes returns in its own time
            await asyncio.sleep(0.05)
    await admin.close()
    await remove(actor)


HANDLER = """\
import os
from pathlib import Path


def work(payload):
    if Path(payload["broken"]).exists():
        os._exit(9)
    return {"done": True}
"""
MANIFEST = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: work}
spec:
  transport: memory
  image: none
  handler: handlers.work
  scaling: {enabled: true, minReplicas: 1, maxReplicas: 1, queueLength: 1, pollingInterval: 1, cooldownPeriod: 600}
  delivery: {maxDeliveries: 1}
  timeout: {processing: 60, gracefulShutdown: 2}
"""


def test_on_a_mesh_a_crash_is_mended_and_its_dead_letter_comes_to_its_result(tmp_path: Path):
    (tmp_path / "handlers.py").write_text(HANDLER)
    (tmp_path / "work.yaml").write_text(MANIFEST)
    broken = tmp_path / "broken"
    broken.touch()
    environ = {**os.environ, "ASYA_HOME": str(tmp_path / "home")}

    def asya(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from asya_cli.main import main; main()", *words]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    up = asya("local", "up", "-f", str(tmp_path), "--transport", "memory")
    try:
        assert up.returncode == 0, up.stderr
        assert asya("dlq", "ls").stderr == "no dead letters in 4 dead letter queues\n"
        payload = json.dumps({"broken": str(broken)})
        assert asya("send", "work", "--payload", payload, "--id", "crash").returncode == 0
        deadline_s = time.monotonic() + LIMIT_S
        while asya("dlq", "ls").stdout.split() != ["ACTOR", "DEAD", "LETTERS", "work", "1"]:
            assert time.monotonic() < deadline_s, "no dead letter came"
        shown = json.loads(asya("dlq", "show", "work", "crash", "--json").stdout)
        assert shown["envelope"]["payload"] == {"broken": str(broken)}
        assert "runtime" in shown["reason"]

        broken.unlink()
        assert asya("dlq", "redrive", "work").stdout == "redriven: 1 of 1 that matched; 1 looked at, 1 there\n"
        result = asya("result", "crash", "--wait", "180s")
        assert json.loads(result.stdout) == {"done": True}, result.stderr
        assert asya("dlq", "ls", "work").stderr == "0 shown, 0 dead letters of work\n"
    finally:
        assert asya("local", "down").returncode == 0
