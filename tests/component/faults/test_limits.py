"""Limits hold while sidecars are killed and the store of their state is cut off: nothing lost, nobody blamed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.servers.postgres import PostgresServer
from tests.component.faults.limited import RULE, LimitRun, table

ENVELOPES = 40
KILLS = 10
CUTS = 2

pytestmark = pytest.mark.timeout(900)


async def hold(run: LimitRun, title: str, record_property: Callable[[str, object], None]) -> None:
    await run.perform(ENVELOPES, KILLS, CUTS, timeout_s=500)
    told = table(run, ENVELOPES)
    line = f"limits, {title}: " + ", ".join(f"{name} {value}" for name, value in told.items())
    print(line)
    record_property("table", line)
    assert told["succeeded"] == ENVELOPES, f"{line}\n{run.fleet.logs(4000)}"
    assert (told["blamed"], told["dead"]) == (0, 0), line
    assert run.attempts_used() <= {1}, line
    assert run.faults["store cut"] == CUTS
    # A call counts from its admission; what was let in and has not begun yet may begin within the next minute.
    leases_out = RULE.concurrency or 0
    assert run.most_in_a_minute() <= (RULE.requests_per_minute or 0) + leases_out, line
    assert run.most_at_once() <= (RULE.concurrency or 0) + run.faults["sidecar SIGKILL"], line
    run.fleet.remove()


async def test_limits_hold_on_memory(
    memory_environ: dict[str, str],
    postgres: PostgresServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    await hold(LimitRun(memory_environ, tmp_path, postgres), "memory", record_property)


@pytest.mark.xdist_group("rabbitmq-faults")
async def test_limits_hold_on_rabbitmq(
    rabbitmq_environ: dict[str, str],
    postgres: PostgresServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    await hold(LimitRun(rabbitmq_environ, tmp_path, postgres), "rabbitmq", record_property)
