"""The promises hold with batches, claim check, fan-in and dedup switched on, while sidecars and runtimes are killed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.servers.postgres import PostgresServer
from tests.component.faults.features import CHILDREN, FeatureRun

ENVELOPES = 40
KILLS = 25
EXPECTED = {"numbers": list(range(CHILDREN)), "total": sum(number**2 for number in range(CHILDREN))}

pytestmark = pytest.mark.timeout(900)


async def hold(run: FeatureRun, title: str, record_property: Callable[[str, object], None]) -> None:
    """Every envelope ends once, with the whole ordered list, whatever was killed."""
    results = await run.perform(ENVELOPES, KILLS, timeout_s=500)
    totals = (run.folder / "totals").read_text().count("total")
    killed = ", ".join(f"{what} {count}" for what, count in sorted(run.faults.items()))
    table = f"{title}: {ENVELOPES} fan-outs of {CHILDREN}, joined {len(results)}, totalled {totals}; killed: {killed}"
    record_property("table", table)
    wrong = {name: payload for name, payload in results.items() if payload != EXPECTED}
    assert wrong == {}, table
    missing = {f"e{number}" for number in range(ENVELOPES)} - results.keys()
    assert missing == set(), f"{table}\n{run.dead}\n{run.results('error-asya')}\n{run.fleet.logs(4000)}"
    assert run.results("error-asya") == {}, table
    assert sum(run.dead.values()) == 0, table
    # A totaller killed between its effect and the note is run again; nothing else is.
    assert totals <= ENVELOPES + sum(count for what, count in run.faults.items() if what.startswith("total")), table
    run.fleet.remove()


@pytest.mark.parametrize("splitter", ["split", "stream"])
async def test_kills_on_memory(
    splitter: str,
    memory_environ: dict[str, str],
    postgres: PostgresServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    run = FeatureRun(memory_environ, tmp_path, postgres.new_database(), splitter)
    await hold(run, f"memory, {splitter}", record_property)


@pytest.mark.xdist_group("rabbitmq-faults")
async def test_kills_on_rabbitmq(
    rabbitmq_environ: dict[str, str],
    postgres: PostgresServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    await hold(FeatureRun(rabbitmq_environ, tmp_path, postgres.new_database()), "rabbitmq", record_property)


@pytest.mark.xdist_group("sqs-faults")
async def test_kills_on_sqs(
    sqs_environ: dict[str, str],
    postgres: PostgresServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    await hold(FeatureRun(sqs_environ, tmp_path, postgres.new_database()), "sqs", record_property)
