"""No word of a payload is in the log of a sidecar or a runtime, however its envelope ends: a marked one goes every way."""

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from asya_store.claims import ClaimCheck
from asya_store.folder import FolderStore
from tests.support.actor_bench import WAIT_S, ActorBench

HANDLERS = """
import os
import time

async def process(payload):
    how = payload.get("how")
    if how == "fail":
        raise ValueError(payload["text"])
    if how == "several":
        return [payload, payload]
    if how == "pieces":
        return {"text": payload["text"] * 2}
    if how == "crash":
        os._exit(7)
    if how == "no json":
        return {"text": {payload["text"]}}
    if how == "hang":
        time.sleep(60)
    if how == "none":
        return None
    return payload
"""
ENDS = {
    "fine": ("result",),
    "several": ("result", "result"),
    "none": ("result",),
    "fail": ("failure",),
    "no json": ("failure",),
    "hang": ("dead",),
    "crash": ("dead",),
}
"""How a payload asks to end, and where what comes of it goes."""
MARK = f"marked-{secrets.token_hex(8)}"


@pytest.mark.parametrize("causes", ["false", "true"])
async def test_a_marked_payload_is_in_no_log(memory_environ: dict[str, str], tmp_path: Path, causes: str) -> None:
    """With `ASYA_LOG_CAUSES` what a handler raised is there: so the mark would be found."""
    settings = {
        "ASYA_LOG_CAUSES": causes,
        "ASYA_RETRY_MAX_ATTEMPTS": "2",
        "ASYA_MAX_DELIVERIES": "1",
        "ASYA_RUNTIME_TIMEOUT": "2s",
        "ASYA_STORE_URL": tmp_path.as_uri(),
    }
    async with ActorBench(memory_environ, HANDLERS, "handlers.process", f"-logs-{causes}", **settings) as running:
        for how, places in ENDS.items():
            await running.send_payload({"how": how, "text": MARK}, f"e-{how.replace(' ', '-')}")
            for place in places:
                await getattr(running, place)()
        large = {"id": "e-large", "route": {"actors": [running.actor]}, "payload": {"text": MARK * 20_000}}
        await running.send(ClaimCheck(FolderStore(tmp_path)).leave(json.dumps(large).encode()))
        await running.result()
        # What nobody could read, and what is for somebody else.
        await running.send(f'{{"id": "e-broken", "payload": "{MARK}", '.encode())
        await running.failure()
        await running.send({"id": "e-other", "route": {"actors": ["another"]}, "payload": MARK})
        await running.failure()
        await running.works()
        logs = ""
        async with asyncio.timeout(WAIT_S):
            while "e-other" not in logs:
                logs = "".join(each.log(part) for each in running.fleet.replicas for part in ("sidecar", "runtime"))
                await asyncio.sleep(0.05)
    assert (MARK in logs) == (causes == "true"), [line for line in logs.splitlines() if MARK in line][:5]
