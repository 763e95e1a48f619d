"""A client that is not ours, from npm: it lists, calls, hears of progress, and follows tasks as 2025-11-25 has them."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from asya_transport.port import Transport
from lab.installs.node import run_client
from tests.support.gateway_calls import TOKEN, envelopes, report
from tests.support.gateway_process import Gateway

ACTOR = f"{TOKEN}-of-the-actors"


@pytest.fixture
def guarded(environ: dict[str, str]) -> Iterator[Gateway]:
    tokens = f"{TOKEN}|call:* {ACTOR}|report"
    with Gateway({**environ, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": tokens}) as process:
        yield process


async def drive(gateway: Gateway, scenario: str) -> dict[str, Any]:
    printed = await asyncio.to_thread(run_client, f"{gateway.url}/mcp", TOKEN, scenario)
    found: dict[str, Any] = json.loads(printed)
    return found


async def work(gateway: Gateway, broker: Transport) -> str:
    """Be the actors of one envelope."""
    async with gateway.client(ACTOR) as actor:
        envelope = await anext(envelopes(broker))
        route = envelope["route"]["actors"]
        for place in range(len(route)):
            await report(
                actor, envelope["id"], "progress", actors=route, current_actor_idx=place, status="received", message="m"
            )
        await report(actor, envelope["id"], "final", status="succeeded", result={"said": envelope["payload"]["text"]})
        return str(envelope["id"])


async def test_it_lists_and_calls(guarded: Gateway, broker: Transport) -> None:
    found = await drive(guarded, "plain")
    assert (found["server"]["name"], found["tools"]) == ("asya-gateway", ["brief", "echo", "lost"])
    told = json.loads(found["call"]["content"][0]["text"])
    assert (await anext(envelopes(broker)))["id"] == told["envelope_id"]


async def test_it_hears_of_progress(guarded: Gateway, broker: Transport) -> None:
    found, envelope_id = await asyncio.gather(drive(guarded, "progress"), work(guarded, broker))
    heard = [one["progress"] for one in found["heard"]]
    assert heard == sorted(set(heard))
    assert (heard[-1], found["heard"][0]["total"]) == (100, 100)
    told = json.loads(found["call"]["content"][0]["text"])
    assert (told["envelope_id"], told["status"], told["result"]) == (envelope_id, "succeeded", {"said": "hi"})


async def test_it_follows_a_task_to_its_result(guarded: Gateway, broker: Transport) -> None:
    found, envelope_id = await asyncio.gather(drive(guarded, "task"), work(guarded, broker))
    first, last = found["seen"][0], found["seen"][-1]
    assert (first["type"], first["task"]["taskId"], first["task"]["status"]) == ("taskCreated", envelope_id, "working")
    assert (last["type"], last["result"]["structuredContent"]) == ("result", {"said": "hi"})
    assert found["again"] == last["result"]
    assert found["again"]["_meta"] == {"io.modelcontextprotocol/related-task": {"taskId": envelope_id}}
    assert (found["task"]["status"], [task["taskId"] for task in found["tasks"]]) == ("completed", [envelope_id])


async def test_it_cancels_a_task(guarded: Gateway) -> None:
    assert (await drive(guarded, "cancel"))["task"]["status"] == "cancelled"
