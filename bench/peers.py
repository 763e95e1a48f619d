"""No-op jobs through Dramatiq, Taskiq and Celery: ``python -m bench.peers PEER JOBS [--threads N] [--url AMQP]``.

Each run is one process that first enqueues everything and then works it off with the peer's own worker; results are off.
A peer over RabbitMQ uses the queue, prefetch and acknowledgement that it declares by itself, and sends no output.
"""

import argparse
import asyncio
import importlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from bench.run import LIMIT_S, Meter

QUEUE: Final = "bench-peer"

# The peers are installed for `make bench` alone, so the checks of this repository must not need them.
AnyModule = Any


def dramatiq(jobs: int, threads: int, url: str) -> None:
    """Dramatiq: StubBroker in process without a URL, else RabbitMQ; ``threads`` worker threads."""
    library: AnyModule = importlib.import_module("dramatiq")
    ended, lock = threading.Event(), threading.Lock()
    meter = Meter(jobs, ended.set)

    def job() -> None:
        with lock:
            meter.job()

    if url:
        broker = importlib.import_module("dramatiq.brokers.rabbitmq").RabbitmqBroker(url=url)
    else:
        broker = importlib.import_module("dramatiq.brokers.stub").StubBroker()
        broker.emit_after("process_boot")
    library.set_broker(broker)
    actor = library.actor(job, queue_name=f"{QUEUE}-{threads}", actor_name="job")
    meter.enqueue_s = timed(lambda: [actor.send() for _ in range(jobs)])
    worker = library.Worker(broker, worker_threads=threads)
    worker.start()
    wait(ended)


def celery(jobs: int, _: int, url: str) -> None:
    """Celery: kombu's memory broker in process without a URL, else RabbitMQ; the solo pool."""
    library: AnyModule = importlib.import_module("celery")
    # Celery's worker has no way to say from inside a task: this was the last one.
    meter = Meter(jobs, lambda: os._exit(0))
    app = library.Celery("bench", broker=url or "memory://", backend=None)
    app.conf.update(
        task_ignore_result=True,
        task_default_queue=f"{QUEUE}-celery",
        worker_redirect_stdouts=False,
        broker_pool_limit=1,
    )

    def job() -> None:
        meter.job()

    task = app.task(job, name="job")
    meter.enqueue_s = timed(lambda: [task.delay() for _ in range(jobs)])
    worker = app.Worker(
        pool="solo", concurrency=1, loglevel="ERROR", without_gossip=True, without_mingle=True, without_heartbeat=True
    )
    worker.start()


def taskiq(jobs: int, threads: int, url: str) -> None:
    """Taskiq: InMemoryBroker in process without a URL, which runs a job when it is kicked; else RabbitMQ."""
    asyncio.run(_taskiq_rabbitmq(jobs, threads, url) if url else _taskiq_memory(jobs))


async def _taskiq_memory(jobs: int) -> None:
    library: AnyModule = importlib.import_module("taskiq")
    dummy = importlib.import_module("taskiq.result_backends.dummy").DummyResultBackend()
    broker = library.InMemoryBroker().with_result_backend(dummy)
    ended = asyncio.Event()
    meter = Meter(jobs, ended.set)

    async def job() -> None:
        meter.job()

    task = broker.register_task(job, "job")
    await broker.startup()
    # There is no queue to fill: a kick makes an asyncio task. A yield now and then keeps those from piling up.
    for number in range(jobs):
        await task.kiq()
        if number % 100 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(LIMIT_S):
        await ended.wait()


async def _taskiq_rabbitmq(jobs: int, at_once: int, url: str) -> None:
    module: AnyModule = importlib.import_module("taskiq_aio_pika")
    api: AnyModule = importlib.import_module("taskiq.api")
    broker = module.AioPikaBroker(url, qos=100)
    ended = asyncio.Event()
    meter = Meter(jobs, ended.set)

    async def job() -> None:
        meter.job()

    task = broker.register_task(job, "job")
    broker.is_worker_process = True
    await broker.startup()
    began_s = time.perf_counter()
    for start in range(0, jobs, 100):
        await asyncio.gather(*(task.kiq() for _ in range(start, min(start + 100, jobs))))
    meter.enqueue_s = time.perf_counter() - began_s
    receiving = asyncio.create_task(api.run_receiver_task(broker, max_async_tasks=at_once))
    async with asyncio.timeout(LIMIT_S):
        await ended.wait()
    receiving.cancel()


PEERS: Final[dict[str, Callable[[int, int, str], None]]] = {"dramatiq": dramatiq, "celery": celery, "taskiq": taskiq}


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def wait(ended: threading.Event) -> None:
    """Wait for the last job."""
    if not ended.wait(LIMIT_S):
        raise TimeoutError(f"the jobs were not done within {LIMIT_S:g} s")


def main() -> None:
    """Run one peer; the process ends at once, since no peer's worker has to live on."""
    parser = argparse.ArgumentParser(description="No-op jobs through a peer.")
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("jobs", type=int)
    parser.add_argument("--threads", type=int, default=1, help="threads, or jobs at once with Taskiq")
    parser.add_argument("--url", default="", help="RabbitMQ; without it the peer's broker of this process")
    chosen = parser.parse_args()
    PEERS[chosen.peer](chosen.jobs, chosen.threads, chosen.url)
    os._exit(0)


if __name__ == "__main__":
    main()
