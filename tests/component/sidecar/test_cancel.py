"""Cancels: a running handler is interrupted, later hops do not start, and nothing vanishes."""

import asyncio
import secrets
import time
from pathlib import Path

import pytest

from asya_store.cancel_list import CancelList
from asya_store.folder import FolderStore
from tests.support.actor_bench import ActorBench

HANDLERS = """
import pathlib, time

FOLDER = pathlib.Path(__file__).parent

def wait(payload):
    if payload.get("fine"): return payload
    try:
        (FOLDER / "started").touch()
        time.sleep(600)
    finally:
        (FOLDER / "cleaned").touch()

def stubborn(payload):
    if payload.get("fine"): return payload
    (FOLDER / "started").touch()
    while True:
        try: time.sleep(600)
        except BaseException: pass
"""


async def started(bench: ActorBench) -> None:
    """Wait until the handler runs."""
    for _ in range(5000):
        if (bench.fleet.folder / "started").exists():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the handler did not start")


@pytest.mark.parametrize("handler", ["wait", "stubborn"])
async def test_a_running_handler_is_stopped_and_its_envelope_ends_in_error_end(
    handler: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """Also one that ignores its interruption, at the price of its process."""
    settings = {"ASYA_STORE_URL": tmp_path.as_uri()}
    async with ActorBench(environ, HANDLERS, f"handlers.{handler}", f"-{secrets.token_hex(4)}", **settings) as bench:
        await bench.send_payload({"n": 1})
        await started(bench)
        asked_s = time.monotonic()
        CancelList(FolderStore(tmp_path)).add("e1", time.time())
        while (bench.fleet.folder / "cleaned").exists() is (handler == "stubborn"):
            assert time.monotonic() - asked_s < 60
            await asyncio.sleep(0.01)
        failure = await bench.failure()
        assert (failure["id"], failure["payload"]["error"]) == ("e1", "Cancelled by its caller")
        assert failure["payload"]["original_payload"] == {"n": 1}
        await bench.works()


async def test_what_waits_in_a_queue_is_not_started(memory_environ: dict[str, str], tmp_path: Path) -> None:
    """Children of a cancelled fan-out neither; an id that only looks like a child's is."""
    cancels = CancelList(FolderStore(tmp_path))
    cancels.add("job", time.time())
    async with ActorBench(memory_environ, HANDLERS, "handlers.wait", ASYA_STORE_URL=tmp_path.as_uri()) as bench:
        for envelope_id, lineage in (("job", []), ("job-3", [0]), ("job-3-1", [0, 0])):
            await bench.send_payload({"n": 1}, envelope_id, headers={"x-asya-lineage": lineage})
        await bench.send_payload({"fine": True}, "other", parent_id="job")
        ends = [await bench.failure() for _ in range(4)]
        assert {end["id"] for end in ends} == {"job", "job-3", "job-3-1", "other"}
        assert {end["payload"]["error"] for end in ends} == {"Cancelled by its caller"}
        await bench.works("jobs-3")
        await bench.works("job-3")
        assert not (bench.fleet.folder / "started").exists()


async def test_a_store_that_is_away_stops_nothing(memory_environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = {"ASYA_STORE_URL": (tmp_path / "file").as_uri()}
    async with ActorBench(memory_environ, HANDLERS, "handlers.wait", **settings) as bench:
        await bench.works()


def test_old_cancels_are_forgotten(tmp_path: Path) -> None:
    now_s = 1_000_000 + 9 * 86400
    cancels = CancelList(FolderStore(tmp_path), clock=lambda: now_s)
    cancels.add("old/with slash", 1_000_000)
    cancels.add("new", now_s)
    cancels.refresh()
    assert "new" in cancels
    assert "old/with slash" not in cancels
