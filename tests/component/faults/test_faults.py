"""1,000 envelopes through three hops while things die, and what became of every one of them.

At-least-once means: nothing lost, nothing blamed for what the infrastructure did, nothing unexpected; duplicates are
counted and printed. Asya 0.1.1 under the same kills blamed 846 of 1,000, and after three cut connections never
consumed again.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from asya_local import localstack
from lab.servers.rabbitmq import OWN, RabbitMqServer, require_server, versions
from tests.component.faults.conftest import environ_of
from tests.component.faults.run import Break, FaultRun, perform
from tests.support.history import History

ENVELOPES = 1000
DRAINS = 50

pytestmark = pytest.mark.timeout(900)


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


def breaking(server: RabbitMqServer) -> Break:
    """Cut every connection three times and restart the broker once."""

    async def break_broker(run: FaultRun) -> None:
        for _ in range(3):
            await asyncio.sleep(2)
            await asyncio.to_thread(server.cut_connections)
            run.history.faults["connections cut"] += 1
        await asyncio.sleep(2)
        await asyncio.to_thread(server.restart)
        run.history.faults["broker restart"] += 1

    return break_broker


async def test_kills_on_the_memory_transport(memory_environ: dict[str, str], tmp_path: Path, check: Check) -> None:
    """Sidecars and runtimes die; every envelope still ends where it should."""
    history = await perform(FaultRun(memory_environ, tmp_path), ENVELOPES, (kills,), timeout_s=500)
    check(history, "memory")


@pytest.mark.xdist_group("rabbitmq-faults")
async def test_kills_restart_and_cuts_on_rabbitmq(
    rabbitmq: RabbitMqServer, rabbitmq_environ: dict[str, str], tmp_path: Path, check: Check
) -> None:
    """Besides the kills the broker restarts once and cuts every connection three times."""
    run = FaultRun(rabbitmq_environ, tmp_path)
    check(await perform(run, ENVELOPES, (kills, breaking(rabbitmq)), timeout_s=500), "rabbitmq")


@pytest.mark.xdist_group("rabbitmq-faults")
@pytest.mark.parametrize("version", [version for version in versions() if version != OWN])
async def test_kills_restart_and_cuts_on_a_newer_rabbitmq(version: str, tmp_path: Path, check: Check) -> None:
    """The same in short: what counts as a delivery, and what a cut connection does, changed with 4.3."""
    require_server(version)
    with RabbitMqServer(version=version) as server:
        run = FaultRun(environ_of(server), tmp_path)
        check(await perform(run, ENVELOPES // 5, (kills, breaking(server)), timeout_s=500), f"rabbitmq {version}")


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
    check(await perform(run, ENVELOPES, (kills, pause_cloud), timeout_s=500), "sqs")


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
    history = await perform(run, ENVELOPES, (drains,), timeout_s=500)
    check(history, "rabbitmq drains")
    assert (history.dead.total(), history.retried) == (0, 0)


@pytest.mark.xdist_group("sqs-faults")
async def test_fifty_drains_are_free_on_sqs(sqs_environ: dict[str, str], tmp_path: Path, check: Check) -> None:
    """The same on SQS: what a replica held is visible again at once."""
    run = FaultRun(sqs_environ, tmp_path, work_s=0.05)
    history = await perform(run, ENVELOPES, (drains,), timeout_s=500)
    check(history, "sqs drains")
    assert (history.dead.total(), history.retried) == (0, 0)
