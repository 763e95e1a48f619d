"""Long calls over MCP: progress, cancels, subscriptions, and tasks in both published dialects."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import mcp
import mcp_types
import pytest

from asya_transport.port import Transport
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_calls import TOKEN, call, envelopes, report
from tests.support.gateway_process import Gateway
from tests.support.mcp_requests import ask, listening, modern, session

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_sdks_client_hears_of_progress_in_both_eras(gateway: Gateway, broker: Transport, mode: Any) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with mcp.Client(f"{gateway.url}/mcp", mode=mode) as client, gateway.client() as http, asyncio.timeout(60):
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert len((await client.list_tools()).tools) == 3
        calling = asyncio.create_task(client.call_tool("echo", {"text": "hi"}, progress_callback=hear))
        envelope_id = (await anext(envelopes(broker)))["id"]
        await report(http, envelope_id, "progress", current_actor_idx=1, status="received")
        await report(http, envelope_id, "final", status="failed", error="no paper")
        called = await calling
    assert called.is_error
    told = json.loads(called.content[0].text)  # type: ignore[union-attr]
    assert (told["envelope_id"], told["status"], told["error"]) == (envelope_id, "failed", "no paper")
    assert (heard, heard[-1]) == (sorted(set(heard)), 100)


async def test_a_result_too_large_for_an_event_is_told_by_size_and_place(gateway: Gateway, broker: Transport) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    result = {"text": "x" * (1 << 20)}
    async with mcp.Client(f"{gateway.url}/mcp") as client, gateway.client() as http, asyncio.timeout(60):
        calling = asyncio.create_task(client.call_tool("echo", {"text": "hi"}, progress_callback=hear))
        envelope_id = (await anext(envelopes(broker)))["id"]
        following = session("tasks/result", taskId=envelope_id)
        wanted = modern("subscriptions/listen", TASKS, notifications={"taskIds": [envelope_id]})
        async with listening(http, following) as results, listening(http, wanted) as notices:
            await report(http, envelope_id, "final", status="succeeded", result=result)
            ended = (await anext(results))["result"]
            last = [one["params"] async for one in until_completed(notices)][-1]
        called = await calling
        assert (heard[0] or "").startswith(f"envelope {envelope_id}")  # told before a result that may not arrive
        size = len(json.dumps(result, separators=(",", ":")))
        words = f"a result of {size} bytes, too large for this stream: get it at /envelopes/{envelope_id}"
        told = json.loads(called.content[0].text)  # type: ignore[union-attr]
        assert (told["envelope_id"], told["status"], told["result"]) == (envelope_id, "succeeded", words)
        assert not called.is_error
        assert ended["content"] == last["result"]["content"] == [{"type": "text", "text": words}]
        assert (await http.get(f"/envelopes/{envelope_id}")).json()["result"] == result
        whole = await ask(http, modern("tasks/get", TASKS, taskId=envelope_id))
        assert whole["result"]["structuredContent"] == result


async def until_completed(notices: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for one in notices:
        yield one
        if one["params"].get("status") == "completed":
            return


async def status(http: httpx2.AsyncClient, envelope_id: str) -> tuple[str, str | None]:
    shown = (await http.get(f"/envelopes/{envelope_id}", params={"wait": 50})).json()
    return shown["status"], shown.get("error")


async def test_a_cancel_reaches_the_replica_that_holds_the_call(
    environ: dict[str, str], postgres: PostgresServer, broker: Transport
) -> None:
    shared = {**environ, "ASYA_DATABASE_URL": postgres.new_database()}
    asking = session("tools/call", 41, name="echo", arguments={"text": "hi"}, _meta={"progressToken": "p"})
    with Gateway(shared) as one, Gateway(shared) as other:
        async with one.client() as http, other.client() as elsewhere, listening(http, asking) as messages:
            first = await anext(messages)
            assert (first["method"], first["params"]["progressToken"]) == ("notifications/progress", "p")
            envelope_id = (await anext(envelopes(broker)))["id"]
            stranger = session("notifications/cancelled", None, requestId=40)
            assert (await elsewhere.post("/mcp", **stranger)).status_code == 202
            assert (await elsewhere.get(f"/envelopes/{envelope_id}")).json()["status"] == "running"
            giving_up = session("notifications/cancelled", None, requestId=41)
            assert (await elsewhere.post("/mcp", **giving_up)).status_code == 202
            assert await status(elsewhere, envelope_id) == ("failed", "Cancelled by its caller")
            assert ["result" for message in [one async for one in messages] if "result" in message] == []


async def test_without_a_session_whoever_goes_has_cancelled(gateway: Gateway, broker: Transport) -> None:
    arguments: dict[str, Any] = {"name": "echo", "arguments": {"text": "hi"}, "_meta": {"progressToken": 1}}
    async with gateway.client() as http:
        async with listening(http, modern("tools/call", **arguments)) as messages:
            await anext(messages)
            gone = (await anext(envelopes(broker)))["id"]
        assert await status(http, gone) == ("failed", "Cancelled by its caller")
        async with listening(http, session("tools/call", **arguments)) as messages:
            await anext(messages)
            stays = (await anext(envelopes(broker)))["id"]
        assert (await report(http, stays, "final", status="succeeded")).status_code == 200
        assert await status(http, stays) == ("succeeded", None)


async def test_tasks_of_2025_11_25(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        listed = await ask(http, session("tools/list"))
        assert {tool["execution"]["taskSupport"] for tool in listed["tools"]} == {"optional"}
        made = await ask(http, session("tools/call", name="echo", arguments={"text": "hi"}, task={"ttl": 1000}))
        task = mcp_types.CreateTaskResult.model_validate(made).task
        assert (task.status, task.ttl, task.poll_interval) == ("working", None, 1000)
        plain = session("tasks/result", taskId=task.task_id)
        plain["headers"]["Accept"] = "application/json"
        waiting_plainly = asyncio.create_task(ask(http, plain))
        async with listening(http, session("tasks/result", taskId=task.task_id)) as messages:
            await report(http, task.task_id, "final", status="failed", error="no paper")
            result = (await anext(messages))["result"]
        assert result == await waiting_plainly
        assert (result["isError"], result["content"][0]["text"]) == (True, "no paper")
        got = mcp_types.GetTaskResult.model_validate(await ask(http, session("tasks/get", taskId=task.task_id)))
        assert (got.status, got.status_message) == ("failed", "Envelope failed: no paper")
        again = await ask(http, session("tasks/cancel", taskId=task.task_id))
        assert again == {"code": -32602, "message": "Cannot cancel task: already in terminal status"}
        unknown = await ask(http, session("tasks/get", taskId="none"))
        assert unknown == {"code": -32602, "message": "Failed to retrieve task: Task not found"}
        refused = await ask(http, session("tools/call", name="echo", arguments={}, task={}))
        assert refused == {"code": -32602, "message": "missing required parameter: text"}
        # Nobody is told from another here, so there is no list of one's own.
        assert (await ask(http, session("tasks/list")))["code"] == -32601


async def test_tasks_of_the_extension(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        found = await ask(http, modern("server/discover"))
        mcp_types.DiscoverResult.model_validate(found)
        assert found["capabilities"]["extensions"] == {"io.modelcontextprotocol/tasks": {}}
        arguments: dict[str, Any] = {"name": "echo", "arguments": {"text": "hi"}}
        made = await ask(http, modern("tools/call", TASKS, **arguments))
        assert (made["resultType"], made["status"], made["ttlMs"], made["pollIntervalMs"]) == (
            "task", "working", None, 1000,
        )  # fmt: skip
        task_id = made["taskId"]
        get = modern("tasks/get", TASKS, taskId=task_id)
        assert (await ask(http, get))["status"] == "working"
        assert (await ask(http, modern("tasks/update", TASKS, taskId=task_id, inputResponses={})))[
            "resultType"
        ] == "complete"
        await report(http, task_id, "final", status="failed", error="no paper")
        done = await ask(http, get)
        # What a tool says of its own failure is a result; `failed` is for the protocol's errors.
        assert (done["resultType"], done["status"]) == ("complete", "completed")
        assert done["result"] == {"content": [{"type": "text", "text": "no paper"}], "isError": True}
        other = (await ask(http, modern("tools/call", TASKS, **arguments)))["taskId"]
        for _ in range(2):
            assert (await ask(http, modern("tasks/cancel", TASKS, taskId=other)))["resultType"] == "complete"
        assert (await ask(http, modern("tasks/get", TASKS, taskId=other)))["status"] == "cancelled"
        assert (await ask(http, modern("tools/call", **arguments)))["resultType"] == "complete"
        answer = await http.post("/mcp", **modern("tasks/get", taskId=task_id))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32021)
        assert answer.json()["error"]["data"] == {"requiredCapabilities": TASKS}
        for method in ("tasks/list", "tasks/result", "initialize", "ping"):
            answer = await http.post("/mcp", **modern(method, TASKS))
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)


async def test_a_subscription_follows_tasks_and_ends_with_the_gateway(gateway: Gateway) -> None:
    async with gateway.client() as http, asyncio.timeout(60):
        ours = (await call(http, text="hi"))["envelope_id"]
        wanted = {"toolsListChanged": True, "promptsListChanged": True, "taskIds": [ours, "none"]}
        async with listening(http, modern("subscriptions/listen", TASKS, "s", notifications=wanted)) as messages:
            first = await anext(messages)
            assert first["method"] == "notifications/subscriptions/acknowledged"
            assert first["params"]["notifications"] == {"toolsListChanged": True, "taskIds": [ours]}
            assert first["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "s"}
            assert (await anext(messages))["params"]["status"] == "working"
            await report(http, ours, "final", status="succeeded", result="done")
            last = await anext(messages)
            assert (last["method"], last["params"]["status"]) == ("notifications/tasks", "completed")
            assert last["params"]["result"]["content"][0]["text"] == "done"
            assert await asyncio.to_thread(gateway.stop) == 0
            end = await anext(messages)
            assert (end["id"], end["result"]["resultType"]) == ("s", "complete")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Mcp-Method": "tools/call"}, -32020), ({"MCP-Protocol-Version": "2025-11-25"}, -32020),
        ({"Mcp-Name": "other"}, -32020),
    ],
)  # fmt: skip
async def test_headers_and_body_must_agree(gateway: Gateway, change: dict[str, str], code: int) -> None:
    async with gateway.client() as http:
        request = modern("tasks/get", TASKS, taskId="x")
        request["headers"].update(change)
        answer = await http.post("/mcp", **request)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        newer = modern("server/discover")
        newer["headers"]["MCP-Protocol-Version"] = "2031-01-01"
        newer["json"]["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2031-01-01"
        answer = await http.post("/mcp", **newer)
        assert answer.json()["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2031-01-01"}


async def test_a_caller_sees_its_own_tasks_alone(environ: dict[str, str], broker: Transport) -> None:
    tokens = f"{TOKEN}1|call:* {TOKEN}2|call:* {TOKEN}3|read"
    with Gateway({**environ, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": tokens}) as gateway:
        async with (
            gateway.client(f"{TOKEN}1") as one,
            gateway.client(f"{TOKEN}2") as two,
            gateway.client(f"{TOKEN}3") as reader,
        ):
            begun = await ask(one, session("initialize", protocolVersion="2025-11-25"))
            assert begun["capabilities"]["tasks"] == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
            made = [(await call(one, text=str(number)))["envelope_id"] for number in range(53)]
            theirs = (await call(two, text="hi"))["envelope_id"]
            page = await ask(one, session("tasks/list"))
            rest = await ask(one, session("tasks/list", cursor=page["nextCursor"]))
            listed = [task["taskId"] for task in page["tasks"] + rest["tasks"]]
            assert (len(page["tasks"]), listed, "nextCursor" in rest) == (50, made[::-1], False)
            assert (await ask(one, session("tasks/list", cursor="?")))["code"] == -32602
            for method in ("tasks/get", "tasks/result", "tasks/cancel"):
                assert (await ask(one, session(method, taskId=theirs)))["code"] == -32602
            assert (await ask(reader, session("tasks/get", taskId=theirs)))["status"] == "working"
            assert (await ask(reader, session("tasks/cancel", taskId=theirs)))["code"] == -32602
            assert (await ask(two, session("tasks/cancel", taskId=theirs)))["status"] == "cancelled"


WAITING: dict[str, Any] = {"name": "echo", "arguments": {"text": "hi"}, "_meta": {"asya.sh/wait": 30}}
GIVING_UP = session("notifications/cancelled", None, requestId=7)


async def test_a_cancel_reaches_a_call_that_waits(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http, asyncio.timeout(60):
        calling = asyncio.create_task(ask(http, session("tools/call", **WAITING)))
        envelope_id = (await anext(envelopes(broker)))["id"]
        assert (await http.post("/mcp", **GIVING_UP)).status_code == 202
        assert await status(http, envelope_id) == ("failed", "Cancelled by its caller")
        answer = await calling
        assert (answer["isError"], json.loads(answer["content"][0]["text"])["status"]) == (True, "failed")
