"""1,000 envelopes through three hops while things die, and what became of every one of them.

At-least-once means: nothing lost, nothing blamed for what the infrastructure did, nothing unexpected; duplicates are
counted and printed. The original under the same kills blamed 846 of 1,000, and after three cut connections never
consumed again.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asya_local import localstack
from tests.component.faults.run import FaultRun, perform
from tests.support.history import History
from tests.support.memory import memory_environ
from tests.support.rabbitmq import RabbitMqServer, free_ports, require_server

__all__ = ["memory_environ"]

ENVELOPES = 1000
DRAINS = 50

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMqServer]:
    """A broker of our own, to restart and to cut."""
    require_server()
    with RabbitMqServer() as server:
        yield server


@pytest.fixture
def rabbitmq_environ(rabbitmq: RabbitMqServer) -> dict[str, str]:
    """Settings of that broker."""
    return {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": rabbitmq.url,
        "ASYA_RABBITMQ_MANAGEMENT_URL": rabbitmq.management_url,
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[localstack.CloudServer]:
    """A LocalStack of our own, to pause."""
    python = localstack.ensure_installed(print)
    server = localstack.start(tmp_path_factory.mktemp("cloud"), free_ports(1)[0], ("sqs",), python=python)
    try:
        localstack.wait_ready(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def sqs_environ(cloud: localstack.CloudServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of that LocalStack; a short lease, so that a killed sidecar's envelopes come again soon."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    return {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": cloud.endpoint,
        "ASYA_SQS_VISIBILITY_TIMEOUT": "10",
        "ASYA_SQS_WAIT_TIME_SECONDS": "2",
        **credentials,
    }


Check = Callable[[History, str], None]


@pytest.fixture
def check(record_property: Callable[[str, object], None]) -> Check:
    """Hold a history to the promise; its table is printed at the end of the test run."""

    def hold(history: History, title: str) -> None:
        table = history.table(title)
        record_property("table", table)
        assert history.lost == set(), table
        assert history.blamed == set(), table
        assert history.unexpected == set(), table
        assert history.failed == history.raising, table

    return hold


async def kills(run: FaultRun) -> None:
    """SIGKILL sidecars and runtimes, crew included."""
    await run.kill_some(rounds=30, pause_s=0.4)


async def test_kills_on_the_memory_transport(memory_environ: dict[str, str], tmp_path: Path, check: Check) -> None:
    """Sidecars and runtimes die; every envelope still ends where it should."""
    history = await perform(FaultRun(memory_environ, tmp_path), ENVELOPES, (kills,), timeout_s=180)
    check(history, "memory")


@pytest.mark.xdist_group("rabbitmq-faults")
async def test_kills_restart_and_cuts_on_rabbitmq(
    rabbitmq: RabbitMqServer, rabbitmq_environ: dict[str, str], tmp_path: Path, check: Check
) -> None:
    """Besides the kills the broker restarts once and cuts every connection three times."""

    async def break_broker(run: FaultRun) -> None:
        for _ in range(3):
            await asyncio.sleep(2)
            await asyncio.to_thread(rabbitmq.cut_connections)
            run.history.faults["connections cut"] += 1
        await asyncio.sleep(2)
        await asyncio.to_thread(rabbitmq.restart)
        run.history.faults["broker restart"] += 1

    run = FaultRun(rabbitmq_environ, tmp_path)
    check(await perform(run, ENVELOPES, (kills, break_broker), timeout_s=240), "rabbitmq")


@pytest.mark.xdist_group("sqs-faults")
async def test_kills_and_pauses_on_sqs(
    cloud: localstack.CloudServer, sqs_environ: dict[str, str], tmp_path: Path, check: Check
) -> None:
    """Besides the kills the service stops answering twice for some seconds."""

    async def pause_cloud(run: FaultRun) -> None:
        for _ in range(2):
            await asyncio.sleep(4)
            os.kill(cloud.pid, signal.SIGSTOP)
            await asyncio.sleep(5)
            os.kill(cloud.pid, signal.SIGCONT)
            run.history.faults["service paused"] += 1

    run = FaultRun(sqs_environ, tmp_path)
    check(await perform(run, ENVELOPES, (kills, pause_cloud), timeout_s=300), "sqs")


async def drains(run: FaultRun) -> None:
    """Scale in and out under load, two replicas at a time, never both of one actor."""
    first, second = run.workers[0::2], run.workers[1::2]
    await asyncio.gather(run.drain_some(DRAINS // 2, first), run.drain_some(DRAINS // 2, second))


@pytest.mark.xdist_group("rabbitmq-faults")
async def test_fifty_drains_are_free_on_rabbitmq(
    rabbitmq_environ: dict[str, str], tmp_path: Path, check: Check
) -> None:
    """Nothing in a DLQ, no attempt used; slow handlers, so that there is load until the last drain."""
    run = FaultRun(rabbitmq_environ, tmp_path, work_s=0.05)
    history = await perform(run, ENVELOPES, (drains,), timeout_s=240)
    check(history, "rabbitmq drains")
    assert (history.dead.total(), history.retried) == (0, 0)


@pytest.mark.xdist_group("sqs-faults")
async def test_fifty_drains_are_free_on_sqs(sqs_environ: dict[str, str], tmp_path: Path, check: Check) -> None:
    """The same on SQS: what a replica held is visible again at once."""
    run = FaultRun(sqs_environ, tmp_path, work_s=0.05)
    history = await perform(run, ENVELOPES, (drains,), timeout_s=300)
    check(history, "sqs drains")
    assert (history.dead.total(), history.retried) == (0, 0)
