"""Compare AMQP clients on a sidecar's work: consume, publish onward with a confirm, ack; quorum queues, a window in flight.

Three runs, each in a process of its own, in turns: pika bare, aio-pika bare, and our transport (which is on pika).
Prints envelopes per second, CPU seconds per thousand and resident memory. Needs a RabbitMQ and aio-pika:
``ASYA_RABBITMQ_URL=... uv run --with aio-pika python bench/amqp_clients.py``.
"""

import argparse
import asyncio
import importlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.spec import Basic, BasicProperties

from asya_transport.port import Delivery
from asya_transport.rabbitmq.transport import RabbitMqTransport
from asya_transport.settings import TransportSettings

URL = os.environ.get("ASYA_RABBITMQ_URL", "amqp://guest:guest@localhost:5672/")
SOURCE, TARGET = "asya-bench-source", "asya-bench-target"
BATCH = 500


class Forwarding:
    """Counts what was forwarded; each forward is a task of its own, as in a sidecar."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._tasks: set[asyncio.Task[None]] = set()
        self.finished = asyncio.Event()

    def start(self, forward: Coroutine[Any, Any, None]) -> None:
        """Run one forward."""
        task = asyncio.get_running_loop().create_task(forward)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        task.result()
        self._left -= 1
        if self._left == 0:
            self.finished.set()


async def fill(send: Callable[[], Awaitable[object]], count: int) -> None:
    """Send what will be forwarded."""
    for start in range(0, count, BATCH):
        await asyncio.gather(*[send() for _ in range(min(BATCH, count - start))])


async def run_pika(count: int, window: int, body: bytes) -> float:
    """Forward with bare pika; returns the seconds that took."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[object] = loop.create_future()
    connection = AsyncioConnection(
        pika.URLParameters(URL),
        on_open_callback=opened.set_result,
        on_open_error_callback=lambda _, exc: opened.set_exception(RuntimeError(str(exc))),
    )
    await opened

    async def answer(request: Callable[[Callable[[object], None]], object]) -> None:
        answered: asyncio.Future[object] = loop.create_future()
        request(answered.set_result)
        await answered

    publishing = connection.channel(on_open_callback=(ready := loop.create_future()).set_result)
    await ready
    consuming = connection.channel(on_open_callback=(ready := loop.create_future()).set_result)
    await ready
    waiting: dict[int, asyncio.Future[None]] = {}
    last_tag = 0

    def on_confirm(frame: Any) -> None:  # noqa: ANN401 - generic in pika's stubs only
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        for confirmed in [t for t in waiting if t <= tag] if multiple else [tag]:
            waiting.pop(confirmed).set_result(None)

    properties = BasicProperties(delivery_mode=2, content_type="application/json")

    def publish(queue: str, data: bytes) -> asyncio.Future[None]:
        nonlocal last_tag
        last_tag += 1
        publishing.basic_publish("", queue, data, properties, mandatory=True)
        waiting[last_tag] = loop.create_future()
        return waiting[last_tag]

    await answer(lambda done: publishing.confirm_delivery(on_confirm, callback=done))
    await answer(lambda done: consuming.basic_qos(prefetch_count=window, callback=done))
    await fill(lambda: publish(SOURCE, body), count)
    forwarding = Forwarding(count)

    async def forward(tag: int, data: bytes) -> None:
        await publish(TARGET, data)
        consuming.basic_ack(tag)

    def on_delivery(_channel: object, method: Basic.Deliver, _properties: object, data: bytes) -> None:
        forwarding.start(forward(method.delivery_tag or 0, data))

    began_s = time.perf_counter()
    consuming.basic_consume(SOURCE, on_delivery)
    await forwarding.finished.wait()
    return time.perf_counter() - began_s


async def run_aio_pika(count: int, window: int, body: bytes) -> float:
    """Forward with bare aio-pika; returns the seconds that took."""
    aio_pika = importlib.import_module("aio_pika")  # No dependency of ours.
    connection = await aio_pika.connect(URL)
    publishing = await connection.channel(publisher_confirms=True)
    consuming = await connection.channel(publisher_confirms=False)

    async def publish(queue: str, data: bytes) -> None:
        message = aio_pika.Message(data, delivery_mode=2, content_type="application/json")
        await publishing.default_exchange.publish(message, queue, mandatory=True)

    await fill(lambda: publish(SOURCE, body), count)
    await consuming.set_qos(prefetch_count=window)
    source = await consuming.get_queue(SOURCE)
    forwarding = Forwarding(count)

    async def forward(incoming: Any) -> None:  # noqa: ANN401 - its type is not installed with the project
        await publish(TARGET, incoming.body)
        await incoming.ack()

    async def on_delivery(incoming: Any) -> None:  # noqa: ANN401 - as above
        forwarding.start(forward(incoming))

    began_s = time.perf_counter()
    await source.consume(on_delivery)
    await forwarding.finished.wait()
    took_s = time.perf_counter() - began_s
    await connection.close()
    return took_s


async def run_transport(count: int, window: int, body: bytes) -> float:
    """Forward with our transport; returns the seconds that took."""
    transport = RabbitMqTransport(TransportSettings(rabbitmq_url=URL))
    await transport.connect()
    await fill(lambda: transport.send(SOURCE, body), count)
    forwarding = Forwarding(count)
    began_s = time.perf_counter()
    consumer = await transport.consume(SOURCE, prefetch=window)

    async def forward(delivery: Delivery) -> None:
        await transport.send(TARGET, delivery.body)
        await consumer.ack(delivery)

    received = 0
    while received < count:
        for delivery in await consumer.receive(window, 5.0):
            received += 1
            forwarding.start(forward(delivery))
    await forwarding.finished.wait()
    took_s = time.perf_counter() - began_s
    await transport.close()
    return took_s


RUNS = {"pika": run_pika, "aio-pika": run_aio_pika, "transport": run_transport}


def make_queues() -> None:
    """Make both queues anew."""
    connection = pika.BlockingConnection(pika.URLParameters(URL))
    channel = connection.channel()
    for queue in (SOURCE, TARGET):
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    connection.close()


def measure(client: str, count: int, window: int, size_bytes: int) -> None:
    """Run one client in this process and print its line."""
    make_queues()
    before_s = time.process_time()
    took_s = asyncio.run(RUNS[client](count, window, b"x" * size_bytes))
    cpu_s = (time.process_time() - before_s) / count * 1000
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    resident = [int(line.split()[1]) for line in lines if line.startswith("VmRSS")]
    kib = resident[0] if resident else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{client:9}  window {window}, {size_bytes} bytes: {count / took_s:6.0f}/s, "
        f"{cpu_s:.2f} CPU s per 1,000 (filling included), {kib / 1024:.0f} MiB"
    )


def main() -> None:
    """Measure every client, each in a fresh process, in turns."""
    parser = argparse.ArgumentParser(description="Compare AMQP clients on a sidecar's work.")
    parser.add_argument("--client", choices=sorted(RUNS), help="measure only this one, in this process")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--size", type=int, default=500, help="bytes of one body")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.client:
        measure(chosen.client, chosen.count, chosen.window, chosen.size)
        return
    options = [f"--{name}={getattr(chosen, name)}" for name in ("count", "window", "size")]
    for _ in range(chosen.rounds):
        for client in RUNS:
            subprocess.run([sys.executable, __file__, f"--client={client}", *options], check=True)


if __name__ == "__main__":
    main()
