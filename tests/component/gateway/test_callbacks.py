"""Callbacks of real gateways: a receiver that fails half of its posts, gateways that are killed, and every way to ask for one.

``ASYA_TEST_CALLBACKS=1000`` makes the load of its full size; a CI run has a fifth of it.
"""

import asyncio
import json
import os
import random
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from asya.client import AsyncMesh, NotOffered, NotSent
from asya_transport.port import Transport
from lab.servers.postgres import PostgresServer, postgres
from tests.support.command_line import CommandLine
from tests.support.gateway_calls import TOKEN, report
from tests.support.gateway_process import LIMIT_S, Gateway
from tests.support.mcp_requests import ask, modern
from tests.support.post_server import PostServer

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

CALLS, AT_ONCE, KILLS = int(os.environ.get("ASYA_TEST_CALLBACKS", "200")), 20, 3
SECRET, OTHER = (f"whsec_{b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))


class Receiver:
    """Verifies what is posted to it, as the library has it, and fails as it is told to."""

    def __init__(self, fails: Callable[[str, int], str] = lambda _name, _number: "", takes_s: float = 0.0) -> None:
        self._fails, self._takes_s = fails, takes_s
        self.tries: Counter[str] = Counter()
        self.taken: dict[str, dict[str, Any]] = {}
        self.again, self.wrong = 0, 0
        self.bodies: dict[str, set[bytes]] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve; yields where."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1000)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        finally:
            server.close()

    async def until(self, number: int) -> None:
        """Wait until so many have come."""
        async with asyncio.timeout(4 * LIMIT_S):
            while len(self.taken) < number:
                await asyncio.sleep(0.05)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["Content-Length"]))
        name = headers["webhook-id"]
        self.tries[name] += 1
        self.bodies.setdefault(name, set()).add(body)
        await asyncio.sleep(self._takes_s)  # so that a gateway that is killed has some under way
        answer = self._fails(name, self.tries[name]) or "204 No Content"
        try:
            told = Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError:
            self.wrong += 1
            answer = "401 Unauthorized"
        if answer.startswith("204"):
            self.again += name in self.taken
            self.taken[name] = told
        if answer != "cut":
            writer.write(f"HTTP/1.1 {answer}\r\n\r\n".encode())
        writer.close()


@pytest.fixture
def calling(environ: dict[str, str]) -> dict[str, str]:
    """A gateway that may post to this machine."""
    return {
        **environ,
        "ASYA_GATEWAY_CALLBACK_SECRETS": f"default={SECRET} other={OTHER}",
        "ASYA_GATEWAY_CALLBACK_ALLOW": "127.0.0.1/32",
        "ASYA_GATEWAY_CALLBACK_TIMEOUT": "5s",
    }


@pytest.fixture
def caller(calling: dict[str, str]) -> Iterator[Gateway]:
    with Gateway(calling) as process:
        yield process


def half_of_them(name: str, number: int) -> str:
    """Fail half of the posts, in several ways; who fails often asks to be called soon, so that a test may wait for it."""
    chance = random.Random(f"{name}/{number}")
    if chance.random() < 0.5:
        return ""
    if number > 2:
        return "503 Away\r\nRetry-After: 1"
    return chance.choice(
        ["500 Internal Server Error", "cut", "302 Found\r\nLocation: /elsewhere", "429 Slowly\r\nRetry-After: 1"]
    )


@pytest.mark.parametrize("place", ["memory", "postgres"])
@pytest.mark.timeout(600)
async def test_all_are_delivered_by_gateways_that_are_killed_to_a_receiver_that_fails_half(
    calling: dict[str, str],
    broker: Transport,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
    place: str,
) -> None:
    receiver, kills = Receiver(half_of_them, 0.05), KILLS
    shared = {**calling, "ASYA_DATABASE_URL": "memory:"}
    if place == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        shared["ASYA_DATABASE_URL"] = server.new_database()
    else:
        kills = 0  # it forgets with its process
    running = [await asyncio.to_thread(Gateway, shared) for _ in range(2 if kills else 1)]
    slots = asyncio.Semaphore(AT_ONCE)
    async with receiver.listening() as url, running[0].client() as http:

        async def one(number: int) -> str:
            body = {"name": "echo", "arguments": {"text": str(number)}, "callback": {"url": url}}
            async with slots:
                answer = (await http.post("/tools/call", json=body)).json()
                envelope_id: str = json.loads(answer["content"][0]["text"])["envelope_id"]
                await report(http, envelope_id, "final", status="succeeded", result={"n": number})
            return envelope_id

        async def kill() -> None:
            for number in range(kills):
                await receiver.until((number + 1) * CALLS // (kills + 2))
                which = 1 if number < kills - 1 else 0
                if which == 0:  # the one that is called
                    await made
                running[which].kill()
                running[which] = await asyncio.to_thread(Gateway, shared)

        made = asyncio.ensure_future(asyncio.gather(*map(one, range(CALLS))))
        try:
            _, ids, _ = await asyncio.gather(kill(), made, receiver.until(CALLS))
            async with running[-1].client() as other, asyncio.timeout(LIMIT_S):
                while (left := (await other.get("/api/v1/callbacks?state=waiting")).json())["waiting"]:
                    await asyncio.sleep(0.1)
        finally:
            for process in running:
                process.kill()
    assert {told["data"]["id"] for told in receiver.taken.values()} == set(ids)
    assert sorted(told["data"]["result"]["n"] for told in receiver.taken.values()) == list(range(CALLS))
    assert (len(receiver.taken), receiver.wrong, left["dead"]) == (CALLS, 0, 0)
    assert all(len(bodies) == 1 for bodies in receiver.bodies.values())
    if not kills:
        assert receiver.again == 0
    record_property(
        "table",
        f"{CALLS} callbacks on {place} to a receiver that failed {receiver.tries.total() - CALLS - receiver.again} of "
        f"{receiver.tries.total()} posts, {kills} gateways killed: {len(receiver.taken)} delivered, {receiver.wrong} with a "
        f"wrong signature, {receiver.again} posted again under their id after they had been taken",
    )


async def test_a_tool_and_a_call_may_each_say_where_to(calling: dict[str, str], tmp_path: Path) -> None:
    receiver, mine = Receiver(), Receiver()
    async with receiver.listening() as url, mine.listening() as my_url:
        (tmp_path / "tools.yaml").write_text(
            f"tools: [{{name: told, route: [echo], callback: {{url: '{url}', events: [failed]}}}}]"
        )
        with Gateway(calling) as gateway:
            async with gateway.client() as http:
                ids = []
                for extra in ({}, {"callback": {"url": my_url, "events": ["failed", "succeeded"]}}):
                    answer = await http.post("/tools/call", json={"name": "told", **extra})
                    ids.append(json.loads(answer.json()["content"][0]["text"])["envelope_id"])
                meta = {"_meta": {"asya.sh/callback": {"url": my_url}}}
                told = await ask(http, modern("tools/call", name="told", arguments={}, **meta))
                ids.append(json.loads(told["content"][0]["text"])["envelope_id"])
                await http.post(f"/envelopes/{ids[0]}/cancel")
                for envelope_id in ids[1:]:
                    await report(http, envelope_id, "final", status="succeeded", result=[1])
                await receiver.until(1)
                await mine.until(2)
            assert gateway.stop() == 0
    (failed,) = receiver.taken.values()
    assert (failed["type"], failed["data"]["id"]) == ("envelope.failed", ids[0])
    assert failed["data"]["error"] == "Cancelled by its caller"
    assert {told["data"]["id"]: told["type"] for told in mine.taken.values()} == dict.fromkeys(
        ids[1:], "envelope.succeeded"
    )
    assert not [line for line in gateway.lines if "whsec_" in line or SECRET[6:] in line]


async def test_a_callback_that_cannot_be_is_refused_before_anything_is_sent(caller: Gateway) -> None:
    async with caller.client() as http:

        async def told(callback: object) -> tuple[int, str]:
            answer = await http.post("/tools/call", json={"name": "brief", "callback": callback})
            return answer.status_code, answer.text if answer.status_code != 200 else answer.json()["content"][0]["text"]

        assert await told({"url": "ftp://a.example"}) == (
            400,
            "callback url must begin with https:// or http:// and a host\n",
        )
        assert await told({"url": "https://a.example", "events": ["done"]}) == (
            400,
            "callback events must be a list of succeeded and failed\n",
        )
        assert (await told({}))[0] == 400
        assert "is not public, and not allowed" in (await told({"url": "http://169.254.169.254/latest"}))[1]
        assert "no callback secret 'mine'" in (await told({"url": "https://a.example", "secretRef": "mine"}))[1]
        meta = {"_meta": {"asya.sh/callback": {"url": "https://u@a.example"}}}
        refused = await ask(http, modern("tools/call", name="brief", arguments={}, **meta))
        assert refused["code"] == -32602
        shown = (await http.get("/api/v1/envelopes")).json()
    assert shown["envelopes"] == []


async def test_callbacks_are_off_without_a_secret(gateway: Gateway) -> None:
    async with gateway.client() as http:
        answer = await http.post("/tools/call", json={"name": "brief", "callback": {"url": "https://a.example"}})
    assert answer.json()["isError"]
    assert "callbacks are off" in answer.json()["content"][0]["text"]


async def test_a_token_needs_the_scope_of_the_secret_that_signs(calling: dict[str, str]) -> None:
    tokens = f"{TOKEN}|call:*,callback:default another-{TOKEN}|call:* third-{TOKEN}|call:*,read,operate"
    with Gateway({**calling, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": tokens}) as gateway:
        to = {"url": "https://a.example"}
        async with gateway.client(TOKEN) as http, gateway.client(f"another-{TOKEN}") as other:
            hi = {"name": "echo", "arguments": {"text": "hi"}}
            bodies = [{**hi, "callback": {**to, "secretRef": name}} for name in ("default", "other")]
            assert [(await http.post("/tools/call", json=body)).status_code for body in bodies] == [200, 403]
            refused = await other.post("/tools/call", json=bodies[0])
            assert (refused.status_code, refused.text) == (403, "Token lacks the scope callback:default\n")
            meta = {"_meta": {"asya.sh/callback": to}}
            told = await ask(other, modern("tools/call", **hi, **meta))
            assert "token lacks the scope callback:default" in told["message"]
            assert (await other.get("/api/v1/callbacks")).status_code == 403
            assert (await other.post("/api/v1/callbacks/redrive", json={"all": True})).status_code == 403
        async with gateway.client(f"third-{TOKEN}") as operator:
            assert (await operator.get("/api/v1/callbacks")).json() == {"callbacks": [], "waiting": 0, "dead": 0}
            assert (await operator.get("/api/v1/callbacks?state=x")).status_code == 400
            for body in ({}, {"all": True, "id": "x"}, {"id": 3}):
                assert (await operator.post("/api/v1/callbacks/redrive", json=body)).status_code == 400
            assert (await operator.post("/api/v1/callbacks/redrive", json={"id": "x"})).status_code == 404


def test_the_command_line_calls_lists_and_redrives(caller: Gateway, tmp_path: Path) -> None:
    """Of a receiver that is gone for good at first."""
    gone, ids = [True], list[str]()

    def reply(_path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        ids.append(headers["webhook-id"])
        Webhook(SECRET).verify(body, headers)
        return (410, b"") if gone[0] else (200, b"")

    asya = CommandLine(tmp_path, {"ASYA_GATEWAY_URL": caller.url})
    with PostServer(reply) as server:
        said = asya("call", "echo", "--text", "hi", "--no-wait", "--callback", f"{server.url}/hook?token=hidden")
        assert said.code == 0, said.err
        assert asya("cancel", said.out.strip()).code == 0
        while not (listed := json.loads(asya("callbacks", "ls", "--json").out))["dead"]:
            assert listed["waiting"]
        (dead,) = listed["callbacks"]
        assert (dead["url"], dead["error"], dead["attempts"]) == (f"{server.url}/hook", "answered 410", 1)
        shown = asya("callbacks", "ls")
        assert dead["id"] in shown.out
        assert shown.err == "1 shown, 1 dead letters, 0 wait\n"
        gone[0] = False
        assert json.loads(asya("callbacks", "redrive", dead["id"], "--json").out) == {"redriven": 1}
        while json.loads(asya("callbacks", "ls", "--waiting", "--json").out)["waiting"]:
            pass
        assert ids == [dead["id"]] * 2
    assert asya("callbacks", "redrive", "--all").out == "0 redriven\n"
    assert asya("callbacks", "redrive", dead["id"]).code == 5
    assert asya("callbacks", "redrive").code == 2
    wrong = asya("call", "echo", "--text", "hi", "--no-wait", "--callback", "ftp://a.example")
    assert (wrong.code, "must begin with https://" in wrong.err) == (2, True)


async def test_the_client_says_where_to(caller: Gateway) -> None:
    receiver = Receiver()
    async with receiver.listening() as url, AsyncMesh(caller.url) as mesh, caller.client() as http:
        sent = [
            await mesh.send("echo", {"text": "hi"}, callback=url),
            await mesh.send("echo", {"text": "hi"}, callback={"url": url, "events": ["succeeded"]}),
        ]
        for each in sent:
            await report(http, each.id, "final", status="succeeded", result=1)
        await receiver.until(2)
        with pytest.raises(NotSent, match="must begin with"):
            await mesh.send("echo", {"text": "hi"}, callback="ftp://a.example")
        with pytest.raises(NotOffered, match="callbacks are a gateway's"):
            await mesh.send(["echo"], callback=url)
    assert {told["data"]["id"] for told in receiver.taken.values()} == {each.id for each in sent}
