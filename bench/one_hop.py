"""One actor on a real broker - a sidecar and a runtime as processes - and what can be measured on it from outside.

Witnesses are the broker (how much the output queue holds), the kernel (CPU seconds, resident memory) and a consumer's
clock; nothing that the sidecar says about itself.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pika
import psutil

from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from bench.envelopes import ACTOR
from bench.run import MIB
from bench.run import cpu_s as used_cpu_s
from tests.support.fleet import Fleet, Part

SOURCE: Final = names.QueueNames().queue(ACTOR)
TARGET: Final = names.QueueNames().queue(names.HAPPY_END)
HANDLERS: Final = Path(__file__).parent / "code"
"""A folder of their own: handlers must not find this program's modules where they look for Python's."""
AT_ONCE: Final = 200
STALL_S: Final = 60.0
"""Longer without one more output means that something broke."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a full queue cost.

    Attributes:
        per_s: Envelopes per second.
        cpu_s: CPU seconds per envelope, by part.
        resident_mib: Resident memory while busy, by part.
        private_mib: The part of it that no other process shares.
    """

    per_s: float
    cpu_s: Mapping[Part, float]
    resident_mib: Mapping[Part, float]
    private_mib: Mapping[Part, float]


class OneHop:
    """Makes the queues and runs the processes; use as an async context manager.

    Args:
        environ: Points at the broker.
        classic_on: AMQP URL of a RabbitMQ on which the queues shall be classic ones, as Asya 0.1.1 made them.
        handler: From ``bench_handlers``.
        settings: Further variables for both processes.
    """

    def __init__(
        self, environ: Mapping[str, str], *, classic_on: str = "", handler: str = "echo", **settings: str
    ) -> None:
        self._environ = {**environ, "PYTHONPATH": str(HANDLERS), **settings}
        self._classic_on = classic_on
        self._handler = f"bench_handlers.{handler}"

    async def __aenter__(self) -> Self:
        settings = read_transport_settings(self._environ)
        self.admin = open_admin(settings)
        self.transport = open_transport(settings)
        await self.transport.connect()
        queues = [names.QueueNames().queue(actor) for actor in (ACTOR, names.HAPPY_END, names.ERROR_END)]
        if self._classic_on:
            _declare_classic(self._classic_on, queues)
        for queue in queues:
            await self.admin.create(queue, QueueSpec())
        self._fleet = Fleet(self._environ)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self._fleet.logs())
        self._fleet.remove()
        await self.transport.close()
        for actor in (ACTOR, names.HAPPY_END, names.ERROR_END):
            await self.admin.delete(names.QueueNames().queue(actor), force=True)
        await self.admin.close()

    async def fill(self, bodies: list[bytes], queue: str = SOURCE) -> None:
        """Put envelopes on a queue, confirmed."""
        for start in range(0, len(bodies), AT_ONCE):
            await asyncio.gather(*(self.transport.send(queue, body) for body in bodies[start : start + AT_ONCE]))

    def start(self) -> None:
        """Start sidecar and runtime."""
        self._fleet.add(ACTOR, self._handler, 1)
        self._fleet.keep_up()

    async def wait_ready(self) -> None:
        """Wait until the sidecar consumes."""
        await asyncio.to_thread(self._fleet.wait_ready)

    @property
    def metrics_address(self) -> str:
        """``host:port`` of the sidecar's endpoints."""
        return (self._fleet.replicas[0].folder / names.SIDECAR_ADDRESS_NAME).read_text(encoding="utf-8").strip()

    def pid(self, part: Part) -> int:
        """Process id of a part."""
        return self._fleet.replicas[0].processes[part].pid

    def resident_mib(self, part: Part) -> float:
        """Resident memory of a part now."""
        return psutil.Process(self.pid(part)).memory_info().rss / MIB

    async def throughput(self, count: int, *, poll_s: float = 0.03) -> Throughput:
        """Start the processes on a queue that was filled with so many, and watch the output queue grow.

        The first tenth is not counted: it holds the start of the processes and the growing of the window.
        """
        self.start()
        first = await self.wait_outputs(max(1, count // 10), poll_s)
        last = await self.wait_outputs(count, poll_s)
        envelopes = last.outputs - first.outputs
        if envelopes <= 0:
            raise RuntimeError("everything was done between two looks: measure with more envelopes")
        parts: tuple[Part, ...] = ("sidecar", "runtime")
        return Throughput(
            per_s=envelopes / (last.at_s - first.at_s),
            cpu_s={part: (last.cpu_s[part] - first.cpu_s[part]) / envelopes for part in parts},
            resident_mib={part: self.resident_mib(part) for part in parts},
            private_mib={part: private_mib(self.pid(part)) for part in parts},
        )

    async def latencies(self, count: int, body: bytes, pause_s: float, *, through: str = SOURCE) -> list[float]:
        """Send one envelope at a time to an idle actor and wait for its output.

        Args:
            count: How many.
            body: What to send.
            pause_s: Idleness before each.
            through: Queue to send to; the target itself measures the broker and this client alone.

        Returns:
            Seconds from the call of ``send`` to the output's receipt, in order.
        """
        consumer = await self.transport.consume(TARGET, prefetch=1)
        took: list[float] = []
        for _ in range(count):
            await asyncio.sleep(pause_s)
            began_s = time.perf_counter()
            sending = asyncio.ensure_future(self.transport.send(through, body))
            deliveries = await consumer.receive(1, STALL_S)
            took.append(time.perf_counter() - began_s)
            await sending
            if not deliveries:
                raise RuntimeError(f"no output within {STALL_S:g} s")
            await consumer.ack(deliveries[0])
        await consumer.stop()
        return took

    async def wait_outputs(self, outputs: int, poll_s: float) -> "_Sample":
        """Wait until so many outputs are there, and look at the processes at that moment."""
        seen, changed_s = 0, time.monotonic()
        while True:
            depth = await self.admin.measure(TARGET)
            now_s = time.perf_counter()
            if depth.total >= outputs:
                parts: tuple[Part, ...] = ("sidecar", "runtime")
                return _Sample(depth.total, now_s, {part: used_cpu_s(self.pid(part)) for part in parts})
            if depth.total > seen:
                seen, changed_s = depth.total, time.monotonic()
            elif time.monotonic() - changed_s > STALL_S:
                raise RuntimeError(f"{seen} of {outputs} outputs, and no more for {STALL_S:g} s")
            await asyncio.sleep(poll_s)


@dataclass(frozen=True, slots=True)
class _Sample:
    outputs: int
    at_s: float
    cpu_s: Mapping[Part, float]


def private_mib(pid: int) -> float:
    """Memory of a process that no other one shares: libraries are mapped once for all processes of an image."""
    return psutil.Process(pid).memory_full_info().uss / MIB


def bare_interpreter_mib() -> tuple[float, float]:
    """Resident and private memory of an interpreter that does nothing, the floor of every process here."""
    idle = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with idle:
        assert idle.stdout is not None
        idle.stdout.readline()
        return psutil.Process(idle.pid).memory_info().rss / MIB, private_mib(idle.pid)


def _declare_classic(url: str, queues: list[str]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    for queue in queues:
        connection.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    connection.close()
