"""No second effect for the same envelope and hop within the window; retries and deliberate repeats after a failure go on."""

import asyncio
import secrets

import pytest

from lab.servers.postgres import PostgresServer, postgres
from tests.support.actor_bench import WAIT_S, ActorBench

__all__ = ["postgres"]

HANDLERS = """
import pathlib, time

FOLDER = pathlib.Path(__file__).parent

def process(payload):
    with open(FOLDER / "runs", "a") as runs: runs.write("run\\n")
    time.sleep(payload.get("sleep", 0))
    if payload.get("fail") and len(open(FOLDER / "runs").readlines()) <= payload["fail"]:
        raise ValueError("not yet")
    return payload
"""


def runs(bench: ActorBench) -> int:
    return len((bench.fleet.folder / "runs").read_text().split())


async def settled(bench: ActorBench, word: str, count: int = 1) -> None:
    """Wait until the sidecars have settled so many deliveries with a result."""
    async with asyncio.timeout(WAIT_S):
        while sum(replica.log("sidecar").count(f'"result":"{word}"') for replica in bench.fleet.replicas) < count:
            await asyncio.sleep(0.05)


async def test_a_duplicate_of_what_is_done_is_dropped(environ: dict[str, str]) -> None:
    suffix = f"-{secrets.token_hex(4)}"
    async with ActorBench(environ, HANDLERS, "handlers.process", suffix, ASYA_DEDUP_WINDOW="1h") as bench:
        await bench.send_payload({"n": 1})
        await bench.result()
        await bench.send_payload({"n": 1})
        await bench.send_payload({"n": 1})
        await settled(bench, "duplicate", 2)
        await bench.works()
        assert runs(bench) == 2  # e1 once, and the one that shows that it works


async def test_an_own_id_that_looks_like_a_childs_is_no_duplicate_of_it(memory_environ: dict[str, str]) -> None:
    """Nor are the children that two fan-outs in a row named alike."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process", ASYA_DEDUP_WINDOW="1h") as bench:
        for lineage in ([0], [1], [0, 0], []):
            await bench.send_payload({"n": 1}, "report-1", headers={"x-asya-lineage": lineage})
            await bench.result()
        await bench.send_payload({"n": 1}, "report-1")
        await settled(bench, "duplicate")
        assert runs(bench) == 4


@pytest.mark.xdist_group("postgres")
async def test_replicas_that_share_a_database_run_an_envelope_once(
    memory_environ: dict[str, str], postgres: PostgresServer
) -> None:
    """Both get a delivery of it at the same time; one waits and then sees that it is done."""
    settings = {"ASYA_DEDUP_WINDOW": "1h", "ASYA_DEDUP_URL": postgres.new_database()}
    suffix = f"-{secrets.token_hex(4)}"
    bench = ActorBench(memory_environ, HANDLERS, "handlers.process", suffix, **settings)
    bench.fleet.add(bench.actor, "handlers.process", 1, PYTHONPATH=str(bench.fleet.folder))
    async with bench:
        await bench.send_payload({"sleep": 1.5})
        await bench.send_payload({"sleep": 1.5})
        await settled(bench, "duplicate")
        await bench.result()
        assert runs(bench) == 1
        assert (await bench.admin.measure(f"asya-{bench.happy_end}")).total == 0


async def test_a_retry_is_no_duplicate_and_a_failure_may_be_sent_again(memory_environ: dict[str, str]) -> None:
    settings = {"ASYA_DEDUP_WINDOW": "1h", "ASYA_RETRY_MAX_ATTEMPTS": "2"}
    async with ActorBench(memory_environ, HANDLERS, "handlers.process", **settings) as bench:
        await bench.send_payload({"fail": 2})
        assert (await bench.failure())["payload"]["details"]["message"] == "not yet"
        await bench.send_payload({"fail": 2})
        assert (await bench.result())["id"] == "e1"
        assert runs(bench) == 3


@pytest.mark.xdist_group("postgres")
async def test_a_killed_sidecars_envelope_is_run_by_the_next_one(
    memory_environ: dict[str, str], postgres: PostgresServer
) -> None:
    """Its hold on the envelope ends with its lease."""
    settings = {"ASYA_DEDUP_WINDOW": "1h", "ASYA_DEDUP_URL": postgres.new_database()}
    async with ActorBench(
        memory_environ, HANDLERS, "handlers.process", f"-{secrets.token_hex(4)}", **settings
    ) as bench:
        await bench.send_payload({"sleep": 5})
        while not (bench.fleet.folder / "runs").exists():
            await asyncio.sleep(0.02)
        bench.replica.kill("sidecar")
        bench.replica.keep_up()
        assert (await bench.result())["id"] == "e1"
        assert runs(bench) == 2
