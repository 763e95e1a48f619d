"""Open calls on the application itself, cancelled and long, with a stand-in for a broker that takes its time."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import httpx2
import pytest

from asya_gateway.app import build_app
from asya_gateway.calls import Calls
from asya_gateway.mcp import streams
from asya_gateway.mcp.wire import Question as McpQuestion
from asya_gateway.metrics import Metrics
from asya_gateway.pubsub import PubSub
from asya_gateway.records.summary import Question
from asya_gateway.services import App
from asya_gateway.settings import read_settings
from asya_gateway.store.memory import MemoryStore
from asya_gateway.tools.toolbox import Toolbox
from asya_manifest.tools import parse_tools
from asya_protocol.names import QueueNames
from asya_protocol.status import Status
from asya_transport.port import Transport
from tests.support.queue_admin import Admin

HEADERS = {
    "Mcp-Session-Id": "mcp-session-00000000-0000-4000-8000-000000000000",
    "Accept": "application/json, text/event-stream",
}


class SlowBroker:
    """Stands in for a transport: confirms a send when it is told to."""

    max_delay_s = 900.0

    def __init__(self) -> None:
        self.sending = asyncio.Event()
        self.confirmed = asyncio.Event()

    async def send(self, queue: str, body: bytes, *, delay_s: float = 0.0) -> None:
        self.sending.set()
        await self.confirmed.wait()


class Gateway:
    """An application with one tool."""

    def __init__(self) -> None:
        self.broker, self.store, self.pubsub = SlowBroker(), MemoryStore(), PubSub()
        toolbox = Toolbox(None)
        toolbox.tools = parse_tools([("f", "tools: [{name: t, route: [a]}]")])
        self.calls = Calls(toolbox, self.store, cast("Transport", self.broker), QueueNames())
        self.app = App(
            read_settings({"ASYA_GATEWAY_AUTH": "off"}),
            store=self.store,
            transport=cast("Transport", self.broker),
            admin=Admin(),
            calls=self.calls,
            pubsub=self.pubsub,
            metrics=Metrics(),
        )
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(build_app(self.app)), base_url="http://localhost")

    async def post(self, method: str, params: Mapping[str, Any], **more: object) -> httpx2.Response:
        body = {"jsonrpc": "2.0", "method": method, "params": params, **more}
        return await self.http.post("/mcp", json=body, headers=HEADERS)

    async def cancel(self, call_id: int) -> None:
        assert (await self.post("notifications/cancelled", {"requestId": call_id})).status_code == 202

    async def ends(self) -> list[tuple[Status, str | None]]:
        await self.calls.finish()
        page = await self.store.page(Question(limit=10))
        records = [await self.store.get(summary.id) for summary in page.summaries]
        return [(record.status, record.error) for record in records if record is not None]


CANCELLED = [(Status.FAILED, "Cancelled by its caller")]


@pytest.mark.parametrize(
    "meta", [{}, {"progressToken": 1}, {"asya.sh/wait": 30}, {"asya.sh/wait": 30, "progressToken": 1}]
)
async def test_a_cancel_while_the_call_is_being_sent_is_heard(meta: Mapping[str, object]) -> None:
    gateway = Gateway()
    await gateway.store.open(gateway.pubsub.wake)
    async with gateway.http, asyncio.timeout(60):
        call = asyncio.create_task(gateway.post("tools/call", {"name": "t", "arguments": {}, "_meta": meta}, id=7))
        await gateway.broker.sending.wait()
        await gateway.cancel(8)
        await gateway.cancel(7)
        gateway.broker.confirmed.set()
        answer = await call
        assert answer.status_code == 200
        assert await gateway.ends() == CANCELLED
        if "progressToken" in meta:
            assert '"result"' not in answer.text
    assert gateway.pubsub.streams == 0


@pytest.mark.parametrize("meta", [{"progressToken": 1}, {"asya.sh/wait": 30}])
async def test_a_stop_of_the_gateway_cancels_nothing(meta: Mapping[str, object]) -> None:
    gateway = Gateway()
    await gateway.store.open(gateway.pubsub.wake)
    gateway.broker.confirmed.set()
    async with gateway.http, asyncio.timeout(60):
        call = asyncio.create_task(gateway.post("tools/call", {"name": "t", "arguments": {}, "_meta": meta}, id=7))
        while not (await gateway.ends()):
            await asyncio.sleep(0)
        gateway.pubsub.stop()
        await call
        assert await gateway.ends() == [(Status.RUNNING, None)]
    assert gateway.pubsub.streams == 0


async def test_a_step_that_takes_long_is_told_as_progress_that_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that ends a request of which it hears nothing keeps this one."""
    monkeypatch.setattr(streams, "SILENCE_S", 0.001)
    gateway = Gateway()
    await gateway.store.open(gateway.pubsub.wake)
    gateway.broker.confirmed.set()
    async with asyncio.timeout(60):
        answer = await gateway.calls.call("t", {})
        question = McpQuestion(1, "tools/call", {"_meta": {"progressToken": 1}}, modern=False)
        frames = streams.call_frames(gateway.app, question, answer, asyncio.Event(), lambda body: body)
        told = [json.loads((await anext(frames)).partition(b"data: ")[2])["params"] for _ in range(20)]
        assert [one["progress"] for one in told] == sorted({one["progress"] for one in told})
        assert told[-1]["progress"] < 1
        assert told[-1]["message"] == told[0]["message"]
        await gateway.calls.cancel(answer.envelope_id)
        rest = [frame async for frame in frames]
        assert b'"isError":true' in rest[-1]
