"""Requests to a gateway as callers and sidecars make them, and what comes to its queues."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2

from asya_transport.port import Transport
from tests.support.gateway_process import LIMIT_S

TOKEN = "a-token-of-some-length"
"""Long enough to be set."""


async def call(http: httpx2.AsyncClient, name: str = "echo", **arguments: object) -> dict[str, Any]:
    """Start a tool; what its caller is told."""
    answer = await http.post("/tools/call", json={"name": name, "arguments": arguments})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "isError" not in body, body
    result: dict[str, Any] = json.loads(body["content"][0]["text"])
    return result


async def taken(broker: Transport, queue: str = "asya-echo", *, least: int) -> list[dict[str, Any]]:
    """Take all that waits in a queue, and so many however long they take to come; give nothing back."""
    consumer = await broker.consume(queue, prefetch=1000)
    found: list[dict[str, Any]] = []
    deadline_s = time.monotonic() + LIMIT_S
    while (deliveries := await consumer.receive(1000, 0.2)) or (len(found) < least and time.monotonic() < deadline_s):
        for delivery in deliveries:
            found.append(json.loads(delivery.body))
            await consumer.ack(delivery)
    await consumer.stop()
    return found


async def report(http: httpx2.AsyncClient, envelope_id: str, kind: str, **body: object) -> httpx2.Response:
    """Report as a sidecar does."""
    return await http.post(f"/envelopes/{envelope_id}/{kind}", json=body)


async def envelopes(broker: Transport, queue: str = "asya-echo") -> AsyncIterator[dict[str, Any]]:
    """Yield what comes to a queue."""
    consumer = await broker.consume(queue, prefetch=1)
    try:
        while True:
            for delivery in await consumer.receive(1, 10):
                await consumer.ack(delivery)
                yield json.loads(delivery.body)
    finally:
        await consumer.stop()
