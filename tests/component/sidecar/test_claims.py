"""Payloads over the broker's limit travel through the object store, and neither handlers nor results notice."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from asya_protocol.names import QueueNames
from asya_store.claims import ClaimCheck
from asya_store.folder import FolderStore
from tests.support.actor_bench import WAIT_S, ActorBench

HANDLERS = """
import pathlib

FOLDER = pathlib.Path(__file__).parent

def double(payload):
    return {**payload, "text": payload["text"] * 2} if "text" in payload else payload

def fan_out(payload):
    return [{"n": number, "text": payload["text"]} for number in range(3)]

def fail_once(payload):
    if not (FOLDER / "failed").exists():
        (FOLDER / "failed").touch()
        raise ValueError("once")
    return payload

def fail(payload):
    raise ValueError("always")
"""
LARGE = "x" * 400_000


def bench(environ: dict[str, str], handler: str, store: Path, **settings: str) -> ActorBench:
    settings = {"ASYA_STORE_URL": store.as_uri(), **settings}
    return ActorBench(environ, HANDLERS, f"handlers.{handler}", f"-{secrets.token_hex(4)}", **settings)


async def send_large(running: ActorBench, store: Path, payload: object, envelope_id: str = "e1") -> None:
    """Send as `asya send` does."""
    envelope = {"id": envelope_id, "route": {"actors": [running.actor]}, "payload": payload}
    body = ClaimCheck(FolderStore(store)).leave(json.dumps(envelope).encode())
    assert len(body) < 1000
    await running.send(body)


async def redeemed(store: Path, envelope_id: str) -> str:
    """Wait until the claim that was sent is given up; returns its key."""
    (used,) = (store / "claims" / envelope_id).glob("0-*")
    async with asyncio.timeout(WAIT_S):
        while used.stat().st_size:
            await asyncio.sleep(0.01)
    return f"claims/{envelope_id}/{used.name}"


def payload_of(document: dict[str, Any], store: Path) -> Any:
    """What an end actor's handler would get."""
    claim = document["headers"]["x-asya-claim"]
    return json.loads((store / claim["key"]).read_bytes())


async def test_a_payload_of_any_size_goes_through(environ: dict[str, str], tmp_path: Path) -> None:
    """In by a claim, out by another; the used one is given up."""
    async with bench(environ, "double", tmp_path) as running:
        await send_large(running, tmp_path, {"text": LARGE})
        document = await running.result()
        assert document["payload"] is None
        assert payload_of(document, tmp_path) == {"text": LARGE * 2}
        await redeemed(tmp_path, "e1")
        (kept,) = (tmp_path / "claims" / "e1").glob("1-*")
        assert kept.stat().st_size > 800_000
        await running.works()


async def test_children_of_a_large_fan_out_have_claims_of_their_own(
    memory_environ: dict[str, str], tmp_path: Path
) -> None:
    async with bench(memory_environ, "fan_out", tmp_path) as running:
        await send_large(running, tmp_path, {"text": LARGE})
        children = [await running.result() for _ in range(3)]
        assert {child["id"]: payload_of(child, tmp_path)["n"] for child in children} == {"e1": 0, "e1-1": 1, "e1-2": 2}


async def test_a_retry_reads_the_same_payload_again(environ: dict[str, str], tmp_path: Path) -> None:
    async with bench(environ, "fail_once", tmp_path) as running:
        await send_large(running, tmp_path, {"text": LARGE})
        assert payload_of(await running.result(), tmp_path) == {"text": LARGE}


async def test_a_failure_keeps_the_whole_payload(environ: dict[str, str], tmp_path: Path) -> None:
    async with bench(environ, "fail", tmp_path, ASYA_RETRY_MAX_ATTEMPTS="1") as running:
        await send_large(running, tmp_path, {"text": LARGE})
        failure = payload_of(await running.failure(), tmp_path)
        assert failure["original_payload"] == {"text": LARGE}
        assert failure["details"]["message"] == "always"


async def test_a_missing_payload_is_an_error_that_says_so(memory_environ: dict[str, str], tmp_path: Path) -> None:
    async with bench(memory_environ, "double", tmp_path) as running:
        header = {"key": "claims/e2/0-abc", "bytes": 400_011, "sha256": "0" * 64}
        await running.send_payload(None, "e2", headers={"x-asya-claim": header, "tenant": "x"})
        failure = await running.failure()
        payload = failure["payload"]
        assert payload["error"] == "payload of 400011 bytes is missing from the object store: claims/e2/0-abc"
        assert payload["original_claim"] == header
        assert failure["headers"]["tenant"] == "x"
        await running.works()


async def test_a_duplicate_of_what_was_done_is_dropped(memory_environ: dict[str, str], tmp_path: Path) -> None:
    async with bench(memory_environ, "double", tmp_path) as running:
        await send_large(running, tmp_path, {"text": LARGE})
        await running.result()
        header = {"key": await redeemed(tmp_path, "e1"), "bytes": 1, "sha256": "0" * 64}
        await running.send_payload(None, "e1", headers={"x-asya-claim": header})
        await running.works()
        async with asyncio.timeout(WAIT_S):
            while '"result":"duplicate"' not in running.replica.log("sidecar"):  # said after the acknowledgement
                await asyncio.sleep(0.01)


async def test_without_a_store_a_claim_says_what_to_set(memory_environ: dict[str, str]) -> None:
    async with ActorBench(memory_environ, HANDLERS, "handlers.double") as running:
        header = {"key": "claims/e1/0-a", "bytes": 1, "sha256": "0" * 64}
        await running.send_payload(None, headers={"x-asya-claim": header})
        assert "set ASYA_S3_BUCKET or ASYA_STORE_URL" in (await running.failure())["payload"]["error"]


async def test_a_store_that_is_away_keeps_the_envelope_until_it_is_back(
    memory_environ: dict[str, str], tmp_path: Path
) -> None:
    """Both ways: nothing is sent before its payload is kept, nothing is run before its payload is read."""
    store = tmp_path / "store"
    async with bench(memory_environ, "double", store, ASYA_CANCEL_POLL="0") as running:
        await send_large(running, store, {"text": LARGE})
        await running.result()
        await redeemed(store, "e1")
        await running.until_acknowledged()
        store.rename(tmp_path / "away")
        store.touch()  # a file where the folder was: neither reading nor writing works
        await running.send_payload({"text": "y" * 150_000})  # whole on its way in, too large on its way out
        assert (await running.admin.measure(QueueNames().queue(running.actor))).total == 1
        await asyncio.sleep(1.0)  # long enough for a try that fails
        store.unlink()
        (tmp_path / "away").rename(store)
        assert payload_of(await running.result(), store) == {"text": "y" * 300_000}


@pytest.mark.parametrize("threshold", ["0", "1000000"])
async def test_the_size_is_a_setting(memory_environ: dict[str, str], tmp_path: Path, threshold: str) -> None:
    async with bench(memory_environ, "double", tmp_path, ASYA_CLAIM_OVER_BYTES=threshold) as running:
        await running.send_payload({"text": "x" * 150_000})
        assert (await running.result())["payload"] == {"text": "x" * 300_000}
