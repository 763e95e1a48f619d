"""Several envelopes at once: handlers that take lists, and handlers that run beside one another."""

import asyncio
import secrets
from typing import Any

from tests.support.actor_bench import ActorBench

HANDLERS = """
import os, pathlib, time

FOLDER = pathlib.Path(__file__).parent

def batch(payloads):
    if any(payload == {"crash": True} for payload in payloads):
        os._exit(3)
    time.sleep(max(payload.get("sleep", 0) for payload in payloads))
    with open(FOLDER / "sizes", "a") as sizes: sizes.write(f"{len(payloads)}\\n")
    return [ValueError(payload["fail"]) if "fail" in payload else payload for payload in payloads]

def meet(payload):
    mark = FOLDER / f"here-{payload['n']}"
    mark.touch()
    deadline = time.monotonic() + 15
    while len(list(FOLDER.glob("here-*"))) < payload["of"]:
        if time.monotonic() > deadline: raise TimeoutError("alone")
        time.sleep(0.01)
    return payload

def slow_or_not(payload):
    time.sleep(payload["sleep"])
    return payload
"""


def bench(environ: dict[str, str], handler: str, **settings: str) -> ActorBench:
    return ActorBench(environ, HANDLERS, f"handlers.{handler}", f"-{secrets.token_hex(4)}", **settings)


def sizes(running: ActorBench) -> list[int]:
    """How many payloads each call got."""
    return [int(line) for line in (running.fleet.folder / "sizes").read_text().split()]


async def test_waiting_envelopes_come_in_batches_and_each_has_its_own_end(environ: dict[str, str]) -> None:
    """A failing item fails alone; leases outlast a call that is longer than they are (6 s on SQS)."""
    settings = {"ASYA_BATCH_SIZE": "8", "ASYA_BATCH_WAIT_MS": "500", "ASYA_RETRY_MAX_ATTEMPTS": "1"}
    async with bench(environ, "batch", **settings) as running:
        payloads: list[dict[str, Any]] = [{"n": number, "sleep": 8 if number == 0 else 0} for number in range(24)]
        payloads[5] = {"fail": "bad item"}
        await asyncio.gather(*(running.send_payload(payload, f"e{n}") for n, payload in enumerate(payloads)))
        results = [await running.result() for _ in range(23)]
        failure = await running.failure()
        assert {document["id"] for document in results} == {f"e{n}" for n in range(24) if n != 5}
        assert failure["id"] == "e5"
        assert failure["payload"]["details"]["message"] == "bad item"
        assert failure["payload"]["original_payload"] == {"fail": "bad item"}
        assert sum(sizes(running)) == 24
        assert max(sizes(running)) > 1
        assert max(sizes(running)) <= 8


async def test_after_a_crash_each_is_run_alone_and_only_the_culprit_is_buried(memory_environ: dict[str, str]) -> None:
    settings = {"ASYA_BATCH_SIZE": "4", "ASYA_BATCH_WAIT_MS": "1000", "ASYA_MAX_DELIVERIES": "2"}
    async with bench(memory_environ, "batch", **settings) as running:
        for number in range(3):
            await running.send_payload({"n": number}, f"e{number}")
        await running.send_payload({"crash": True}, "culprit")
        results = [await running.result() for _ in range(3)]
        assert {document["id"] for document in results} == {"e0", "e1", "e2"}
        dead = await running.dead()
        assert b"culprit" in dead.body
        assert "delivered 2 times" in dead.attributes["asya-reason"]


async def test_a_batch_does_not_wait_for_more_than_there_is(memory_environ: dict[str, str]) -> None:
    async with bench(memory_environ, "batch", ASYA_BATCH_SIZE="64", ASYA_BATCH_WAIT_MS="100") as running:
        await running.works()
        assert sizes(running) == [1]


async def test_as_many_calls_run_at_once_as_asked_for(environ: dict[str, str]) -> None:
    """Four handlers that return only once all four are running."""
    async with bench(environ, "meet", ASYA_CONCURRENCY="4") as running:
        await asyncio.gather(*(running.send_payload({"n": n, "of": 4}, f"e{n}") for n in range(4)))
        assert {(await running.result())["id"] for _ in range(4)} == {f"e{n}" for n in range(4)}


async def test_a_late_call_costs_its_neighbours_nothing(memory_environ: dict[str, str]) -> None:
    settings = {"ASYA_CONCURRENCY": "2", "ASYA_RUNTIME_TIMEOUT": "5s", "ASYA_MAX_DELIVERIES": "1"}
    async with bench(memory_environ, "slow_or_not", **settings) as running:
        await running.send_payload({"sleep": 0}, "first")
        await running.result()
        await running.send_payload({"sleep": 60}, "late")
        await asyncio.sleep(3.5)
        await running.send_payload({"sleep": 2}, "neighbour")  # runs when the late one's time is up
        dead = await running.dead()
        assert b"late" in dead.body
        assert (await running.result())["id"] == "neighbour"
        assert (await running.admin.measure(f"asya-{running.actor}-dlq")).total == 0


async def test_a_runtime_that_runs_one_at_a_time_is_not_sent_more(memory_environ: dict[str, str]) -> None:
    """The sidecar alone was told; it says so once and holds no more than what runs."""
    running = bench(memory_environ, "slow_or_not")
    replica = running.replica
    sidecar_only = {**replica.environ, "ASYA_CONCURRENCY": "5", "ASYA_BATCH_SIZE": "7"}
    replica.environ_of["sidecar"] = sidecar_only
    async with running:
        await running.send_payload({"sleep": 0, "fine": True})
        await running.result()
        log = replica.log("sidecar")
        assert "runtime runs fewer calls at once than asked for" in log
        assert "runtime takes no batches" in log
        assert '"concurrency":1,"batch":1' in log
