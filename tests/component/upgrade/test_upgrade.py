"""The previous release becomes this one under load, and this one the previous again: nothing is lost, nothing is a dead letter.

docs/upgrading.md promises no more than what is seen here and in ``tests/e2e/stack/test_upgrade.py``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from lab.installs.previous_release import THIS, Release, previous_release
from lab.servers.postgres import PostgresServer, postgres
from lab.servers.rabbitmq import Address, rabbitmq_server
from tests.component.upgrade.rolling import CHILDREN, RAISING, Mesh

__all__ = ["postgres", "rabbitmq_server"]
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("upgrade")]

Step = Callable[[Mesh, Release], Awaitable[None]]


async def actors(mesh: Mesh, release: Release) -> None:
    await mesh.replace_actors(release)


async def crew(mesh: Mesh, release: Release) -> None:
    await mesh.replace_crew(release)


async def gateway(mesh: Mesh, release: Release) -> None:
    await mesh.replace_gateway(release)


DOCUMENTED: Final[tuple[Step, ...]] = (actors, crew, gateway)
"""The order of docs/upgrading.md; the operator, which moves no envelope, replaces the actors."""
EXPECTED: Final = {"numbers": list(range(CHILDREN)), "total": sum(number**2 for number in range(CHILDREN))}


@pytest.fixture
def before() -> Release:
    return previous_release()


@pytest.fixture
def mesh(before: Release, rabbitmq_server: Address, postgres: PostgresServer, tmp_path: Path) -> Mesh:
    broker = {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": rabbitmq_server.url,
        "ASYA_RABBITMQ_MANAGEMENT_URL": rabbitmq_server.management_url,
    }
    return Mesh(broker, tmp_path, postgres.new_database(), postgres.new_database(), before)


@pytest.mark.parametrize("order", [DOCUMENTED, DOCUMENTED[::-1]], ids=["in the documented order", "in the wrong one"])
async def test_up_and_down_again_under_load(
    order: tuple[Step, ...],
    before: Release,
    mesh: Mesh,
    record_property: Callable[[str, object], None],
) -> None:
    async with mesh.up():
        await under_load(mesh, order, THIS)
        failed = await hold(mesh)
        assert failed, "some calls were to fail"
        await mesh.mend(failed)
        assert await hold(mesh) == []
        upgraded = len(mesh.sent)
        await under_load(mesh, order[::-1], before)
        assert await hold(mesh) == []
        words = f"{upgraded} calls while the release went up, {len(mesh.sent) - upgraded} while it went down"
        record_property("table", f"{words}; {len(failed)} failures sent again; {mesh.retried()} retries")


async def under_load(mesh: Mesh, order: tuple[Step, ...], release: Release) -> None:
    """Replace everything while calls come in."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(mesh.load(over))
        for step in order:
            await step(mesh, release)
        over.set()


async def hold(mesh: Mesh) -> list[str]:
    """Every call has ended as its handlers say, for its caller and in the store; those that failed."""
    records = await mesh.over()
    failed = [each for each, record in records.items() if record["status"] == "failed"]
    assert await mesh.left() == {}
    good, bad = mesh.kept("happy-asya"), mesh.kept("error-asya")
    for each, number in mesh.sent.items():
        if each in failed:
            assert number % RAISING == 1, records[each]
            assert each in bad
        else:
            assert records[each]["result"] == good[each]["payload"] == {"number": number, **EXPECTED}
    # What is kept beyond the calls' own envelopes would be work that nobody asked for.
    assert len((set(good) | set(bad)) - set(mesh.sent)) <= mesh.unanswered
    return failed
