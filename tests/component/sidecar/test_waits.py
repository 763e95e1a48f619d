"""Envelopes for later, on real brokers: none before its moment, each once, though its sidecar is killed while they wait."""

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest

from asya_protocol.envelope import format_time
from tests.support.actor_bench import ActorBench

HANDLERS = """
import pathlib, time

FOLDER = pathlib.Path(__file__).parent

def process(payload):
    with open(FOLDER / "runs", "a") as runs: runs.write(f"{time.time()}\\n")
    return payload

def put_off(envelope):
    if envelope["headers"].get("mine") != "second":
        here = envelope["route"]["actors"][0]
        route = {"actors": [here, here], "current": 1}
        return {**envelope, "route": route, "headers": {"x-asya-delay-s": 3, "mine": "second"}, "payload": time.time()}
    envelope["payload"] = time.time() - envelope["payload"]
    envelope["route"]["current"] = 2
    return envelope
"""
COUNT = 10
RESTS = '"result":"waiting"'
AHEAD_S = 12.0


def runs_s(bench: ActorBench) -> list[float]:
    path = bench.fleet.folder / "runs"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


async def all_resting(bench: ActorBench, ahead_s: float) -> datetime | None:
    """Send envelopes for later; their moment once all rest with the broker, ``None`` where it came before that."""
    before = bench.replica.log("sidecar").count(RESTS)
    (bench.fleet.folder / "runs").unlink(missing_ok=True)
    begins = datetime.now(UTC) + timedelta(seconds=ahead_s)
    for number in range(COUNT):
        # As somebody sends it who knows no delays: the sidecar has to send it on.
        await bench.send_payload({"n": number}, f"e{number}", headers={"x-asya-not-before": format_time(begins)})
    while datetime.now(UTC) < begins:
        if bench.replica.log("sidecar").count(RESTS) - before == COUNT:
            return begins
        await asyncio.sleep(0.05)
    for _ in range(COUNT):
        await bench.result()
    return None


@pytest.mark.parametrize("environ", ["memory", "rabbitmq"], indirect=True)
async def test_none_is_lost_doubled_early_or_blamed_when_its_sidecar_is_killed_meanwhile(
    environ: dict[str, str],
) -> None:
    async with ActorBench(environ, HANDLERS, "handlers.process", f"-{secrets.token_hex(4)}") as bench:
        await bench.works()
        ahead_s, begins = AHEAD_S, await all_resting(bench, AHEAD_S)
        while begins is None:  # the machine was too slow for this to show anything
            ahead_s *= 2
            begins = await all_resting(bench, ahead_s)
        bench.replica.kill("sidecar")
        found = [await bench.result() for _ in range(COUNT)]
        assert sorted(envelope["id"] for envelope in found) == sorted(f"e{number}" for number in range(COUNT))
        assert not any("x-asya-not-before" in envelope.get("headers", {}) for envelope in found)
        await bench.works("last")
        *delayed, _last = runs_s(bench)
        assert len(delayed) == COUNT
        assert begins.timestamp() <= min(delayed)
        assert '"attempt":2' not in bench.replica.log("sidecar")


async def test_an_output_for_later_is_handled_later(memory_environ: dict[str, str]) -> None:
    async with ActorBench(memory_environ, HANDLERS, "handlers.put_off", ASYA_HANDLER_MODE="envelope") as bench:
        await bench.send_payload(None)
        started_s = time.monotonic()
        envelope = await bench.result()
        assert envelope["payload"] >= 3.0
        assert time.monotonic() - started_s >= 3.0
        assert '"until":"' in bench.replica.log("sidecar")
