"""What one caller, or a stranger, can make a gateway spend: memory, time, connections, the share of others."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asya_gateway.access.body_budget import BodyBudget, OverBudget
from asya_gateway.access.buckets import CALLERS_MOST, Buckets
from asya_gateway.mcp.message import read_message
from asya_gateway.mcp.wire import RpcError
from asya_gateway.readiness import Readiness
from asya_gateway.tools.arguments import InvalidArguments, complete
from asya_gateway.tools.payload import Payloads
from asya_manifest.tools import Tool, parse_tools
from tests.support.gateway_calls import TOKEN
from tests.support.gateway_in_process import TOOLS, own_gateway
from tests.support.gateway_process import SESSION

MIB = 1 << 20
REPORTER = "the-token-of-all-sidecars"
READER = "a-token-that-reads-all"


def mcp(name: str, **arguments: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


async def test_gateway_h1_a_body_is_not_read_for_a_caller_that_may_call_nothing(tmp_path: Path) -> None:
    read: list[int] = []

    async def body() -> Any:
        for _ in range(4):
            read.append(1)
            yield b"x" * 1000

    tokens = f"{TOKEN}|metrics {REPORTER}|report"
    async with own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=tokens) as gateway:
        for token in (TOKEN, REPORTER):
            async with gateway.client(token) as http:
                for path in ("/tools/call", "/mcp"):
                    headers = {"Content-Type": "application/json", **SESSION}
                    answer = await http.post(path, content=body(), headers=headers)
                    assert (path, answer.status_code) == (path, 403)
        assert gateway.app.bodies.held == 0


async def test_gateway_h1_arguments_are_not_read_for_a_tool_that_the_caller_may_not_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = Payloads._make

    def noted(self: Payloads, tool: Tool, given: msgspec.Raw, digest: bool) -> tuple[bytes, str]:
        made.append(tool.name)
        return real(self, tool, given, digest)

    monkeypatch.setattr(Payloads, "_make", noted)
    async with (
        own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=f"{TOKEN}|call:echo") as gateway,
        gateway.client(TOKEN) as http,
    ):
        for name, status in {"brief": 403, "none": 403, "echo": 200}.items():
            call = {"name": name, "arguments": {"text": "x"}}
            assert (name, (await http.post("/tools/call", json=call)).status_code) == (name, status)
            assert (await http.post("/mcp", json=mcp(name, text="x"), headers=SESSION)).status_code == 200
    assert made == ["echo", "echo"]


async def test_gateway_h1_a_call_has_a_mebibyte_and_reports_have_what_they_need(tmp_path: Path) -> None:
    tokens = f"{TOKEN}|call:* {REPORTER}|report"
    async with own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=tokens) as gateway:
        async with gateway.client(TOKEN) as http:
            fits = {"name": "brief", "arguments": {"text": "x" * (MIB - 100)}}
            assert (await http.post("/tools/call", json=fits)).status_code == 200
            for path, large in {
                "/tools/call": {"name": "brief", "arguments": {"text": "x" * MIB}},
                "/mcp": mcp("brief", text="x" * MIB),
            }.items():
                assert (path, (await http.post(path, json=large, headers=SESSION)).status_code) == (path, 413)
        async with gateway.client(REPORTER) as http:
            progress = {"status": "received", "message": "x" * 300_000}
            assert (await http.post("/envelopes/e/progress", json=progress)).status_code == 413
            assert (await http.post("/envelopes", json={"id": "c", "actors": ["x" * 300_000]})).status_code == 413
            final = {"status": "succeeded", "result": "x" * (2 * MIB)}
            assert (await http.post("/envelopes/unknown/final", json=final)).status_code == 404
        assert gateway.app.bodies.held == 0


async def test_gateway_h1_bodies_in_flight_are_bounded_for_the_process_and_for_a_caller(tmp_path: Path) -> None:
    """One that is slow to send its own holds only its share, and gives it back."""
    environ = {"ASYA_GATEWAY_MAX_BODY_BYTES": "2048", "ASYA_GATEWAY_BODY_BYTES_IN_FLIGHT": "4096"}
    coming, enough = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> Any:
        yield b"x" * 2000
        coming.release()
        await enough.wait()

    tokens = f"{TOKEN}|call:* {READER}|call:*"
    headers = {"Content-Type": "application/json"}
    async with (
        own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=tokens, **environ) as gateway,
        gateway.client(TOKEN) as one,
        gateway.client(READER) as two,
    ):
        held = [asyncio.create_task(one.post("/tools/call", content=slow(), headers=headers))]
        async with asyncio.timeout(60):
            await coming.acquire()
        more = {"name": "brief", "arguments": {"text": "x" * 200}}
        assert (await one.post("/tools/call", json=more)).status_code == 429
        held.append(asyncio.create_task(two.post("/tools/call", content=slow(), headers=headers)))
        async with asyncio.timeout(60):
            await coming.acquire()
        assert gateway.app.bodies.held == 4000
        enough.set()
        await asyncio.gather(*held)
        assert (gateway.app.bodies.held, gateway.app.bodies.callers) == (0, 0)
        assert (await one.post("/tools/call", json=more)).status_code == 200


def test_gateway_h1_a_full_process_says_so() -> None:
    budget = BodyBudget(total=10, per_caller=8)
    budget.take("a", 8)
    with pytest.raises(OverBudget) as own:
        budget.take("a", 1)
    with pytest.raises(OverBudget) as others:
        budget.take("b", 3)
    assert (own.value.own, others.value.own, budget.held) == (True, False, 8)
    budget.give_back("a", 8)
    budget.take("b", 8)


def test_gateway_h1_a_message_says_little_besides_its_arguments() -> None:
    message = {**mcp("echo", text="x" * MIB), "more": ["x"] * 100_000}
    read = read_message(json.dumps(message).encode())
    assert set(read) == {"jsonrpc", "id", "method", "params"}
    assert len(bytes(read["params"]["arguments"])) > MIB  # as it came
    for fat in ({"_meta": {"x": ["y"] * 50_000}}, {str(number): 1 for number in range(50_000)}):
        with pytest.raises(RpcError, match="more than 65536 bytes besides"):
            read_message(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": fat}).encode())


async def test_gateway_h2_the_loop_answers_while_the_largest_call_is_checked(tmp_path: Path) -> None:
    """Looks at the order of events alone: health is answered, many times over, before the call."""
    rows = [{"n": number % 10} for number in range(10_000)]
    async with own_gateway(tmp_path) as gateway, gateway.client() as http:
        calling = asyncio.create_task(http.post("/tools/call", json={"name": "echo", "arguments": {"rows": rows}}))
        beside = 0
        while not calling.done():
            assert (await http.get("/health")).status_code == 200
            await asyncio.sleep(0)  # a request without a socket may never wait
            beside += 1
        assert calling.result().status_code == 200
        assert "isError" not in calling.result().json()
        assert beside > 10


async def test_gateway_h2_values_are_counted_before_they_are_checked(tmp_path: Path) -> None:
    async with own_gateway(tmp_path, ASYA_GATEWAY_MAX_CALL_ELEMENTS="1000") as gateway, gateway.client() as http:

        async def said(words: int) -> dict[str, Any]:
            call = {"name": "echo", "arguments": {"words": ["word"] * words}}
            body: dict[str, Any] = (await http.post("/tools/call", json=call)).json()
            return body

        assert "isError" not in await said(999)
        refused = await said(1000)
        assert refused["isError"]
        assert "more than 1000 values" in refused["content"][0]["text"]


def test_gateway_h2_the_first_error_ends_a_check_and_so_does_its_time() -> None:
    tool = parse_tools([("tools.yaml", TOOLS)])["echo"]
    looked: list[int] = []

    class Numbers(list[object]):
        def __iter__(self) -> Any:
            for number, item in enumerate(super().__iter__()):
                looked.append(number)
                yield item

    with pytest.raises(InvalidArguments, match=r"invalid parameter words\[3\]: 4 is not of type 'string'"):
        complete(tool, {"words": ["a", "b", "c", 4, *[5] * 1000]})
    moments: list[int] = []
    with pytest.raises(InvalidArguments, match="take too long to check"):
        complete(tool, {"words": ["word"] * 10_000}, late=lambda: moments.append(1) or len(moments) > 5)  # type: ignore[func-returns-value] # counts
    assert len(moments) == 6


async def test_gateway_l3_the_database_is_asked_for_readiness_once_a_second() -> None:
    asked: list[str] = []
    now_s = [100.0]

    class Asked:
        async def ping(self) -> None:
            asked.append("ping")
            await asyncio.sleep(0)

    ready = Readiness(Asked(), Asked(), lambda: now_s[0])  # type: ignore[arg-type] # only ping is needed
    assert await asyncio.gather(*(ready.problem() for _ in range(50))) == [""] * 50
    assert len(asked) == 2  # store and broker
    now_s[0] += 1.0
    await ready.problem()
    assert len(asked) == 4


async def test_gateway_l4_the_rate_limit_has_no_path_around_it(tmp_path: Path) -> None:
    tokens = f"{TOKEN}|call:* {REPORTER}|report"
    environ = {"ASYA_GATEWAY_RATE": "0.001", "ASYA_GATEWAY_BURST": "2"}
    async with own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=tokens, **environ) as gateway:
        async with gateway.client(TOKEN) as http:
            statuses = [(await http.get("/envelopes/x/active")).status_code for _ in range(4)]
            assert statuses == [403, 403, 429, 429]
            assert (await http.post("/reports", json={"reports": []})).status_code == 429
        async with gateway.client(REPORTER) as http:
            assert [(await http.get("/envelopes/x/active")).status_code for _ in range(4)] == [410] * 4


async def test_gateway_l5_actors_that_do_not_exist_are_not_remembered(tmp_path: Path) -> None:
    async with own_gateway(tmp_path) as gateway, gateway.client() as http:
        for number in range(20):
            assert (await http.get(f"/api/v1/dead-letters?actor=nobody-{number}")).status_code == 404
        assert not gateway.app.letters._locks


def test_every_map_of_callers_is_bounded() -> None:
    buckets = Buckets(per_second=0.001, burst=1)
    for number in range(CALLERS_MOST + 100):
        buckets.take(f"stranger-{number}", 1.0)
    assert len(buckets._levels) <= CALLERS_MOST
    assert buckets.take(f"stranger-{CALLERS_MOST + 99}", 1.0) > 0  # whoever came last is remembered


async def test_gateway_l1_a_stream_ends_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asya_gateway.access import middleware

    monkeypatch.setattr(middleware, "LOOK_S", 0.01)
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}|read\n{READER}|read\n")
    async with own_gateway(tmp_path, ASYA_GATEWAY_TOKENS_FILE=str(tokens)) as gateway:
        async with gateway.client(TOKEN) as http, asyncio.timeout(60):
            watching = asyncio.create_task(http.get("/api/v1/feed"))
            while not gateway.app.metrics.streams.labels("feed")._value.get():
                await asyncio.sleep(0.01)
            tokens.write_text(f"{READER}|read\n")
            assert gateway.app.settings.door.file is not None
            assert gateway.app.settings.door.file.refresh()  # type: ignore[attr-defined] # a TokenFile
            assert (await watching).status_code == 200  # its end has come
            assert (await http.get("/api/v1/me")).status_code == 401
        async with gateway.client(READER) as http:
            assert (await http.get("/api/v1/me")).status_code == 200
        tokens.write_text("short|read\n")
        assert not gateway.app.settings.door.file.refresh()  # type: ignore[attr-defined] # as above
        async with gateway.client(READER) as http:
            assert (await http.get("/api/v1/me")).status_code == 200


def test_gateway_l1_a_token_of_a_provider_holds_until_it_expires() -> None:
    from asya_gateway.access.tokens import Caller, Door

    door = Door({})
    caller = Caller(frozenset({"read"}), "oidc:x", until_s=1000.0)
    assert (door.holds(caller, 999.0), door.holds(caller, 1000.0)) == (True, False)


async def test_gateway_l7_errors_of_the_database_are_for_the_log(tmp_path: Path, caplog: Any) -> None:
    from asya_protocol.errors import StoreUnavailable, TransportError

    async def broken(*_: object) -> bool:
        raise StoreUnavailable("connection to 10.1.2.3 as asya refused")

    async def unsent(*_: object, **__: object) -> None:
        raise TransportError("amqp://asya@10.1.2.3 is away")

    async with own_gateway(tmp_path) as gateway, gateway.client() as http:
        calls = gateway.app.calls
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls._store, "create", broken)
            told = (await http.post("/tools/call", json={"name": "brief"})).text
        assert "10.1.2.3" not in told
        assert "store is away" in told
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls._transport, "send", unsent)
            told = (await http.post("/tools/call", json={"name": "brief", "wait": 1})).text
        assert "10.1.2.3" not in told
        assert "the broker did not take it" in told
