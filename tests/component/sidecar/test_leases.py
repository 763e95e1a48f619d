"""A lease never lies: a handler that runs longer than the lease runs once, and a killed sidecar's envelope comes again soon."""

import asyncio
import secrets

from lab.servers.localstack import localstack_endpoint
from tests.support.actor_bench import ActorBench

__all__ = ["localstack_endpoint"]

LEASE_S = 6  # Extended every third of it: a busy machine may be late by the rest.
SLOW = """
import os, time
from pathlib import Path

def process(payload):
    with open(Path(__file__).parent / "runs", "a") as runs: runs.write("run\\n")
    time.sleep(payload["sleep"])
    return payload
"""


def environ(endpoint: str) -> dict[str, str]:
    return {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": endpoint,
        "ASYA_SQS_WAIT_TIME_SECONDS": "1",
        "ASYA_SQS_VISIBILITY_TIMEOUT": str(LEASE_S),
    }


def runs(bench: ActorBench) -> int:
    path = bench.fleet.folder / "runs"
    return path.read_text().count("run") if path.exists() else 0


async def test_a_handler_three_leases_long_runs_once(localstack_endpoint: str) -> None:
    """The heartbeat keeps the envelope ours; Asya 0.1.1 let it be delivered again."""
    async with ActorBench(environ(localstack_endpoint), SLOW, "handlers.process", f"-{secrets.token_hex(4)}") as bench:
        await bench.send_payload({"sleep": 3 * LEASE_S})
        assert (await bench.result())["payload"] == {"sleep": 3 * LEASE_S}
        await bench.until_acknowledged()
        assert runs(bench) == 1


async def test_a_killed_sidecars_envelope_comes_again_when_its_lease_ends(localstack_endpoint: str) -> None:
    """Not after a timeout as long as the slowest handler."""
    async with ActorBench(environ(localstack_endpoint), SLOW, "handlers.process", f"-{secrets.token_hex(4)}") as bench:
        await bench.send_payload({"sleep": 5})
        while not runs(bench):
            await asyncio.sleep(0.02)
        bench.replica.kill("sidecar")
        bench.replica.keep_up()
        assert (await bench.result())["payload"] == {"sleep": 5}
        assert runs(bench) == 2
