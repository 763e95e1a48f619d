"""The console's routes on a real gateway process: what they answer, to whom, and what the feed tells."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from asya_local.mesh_status import ActorStatus, MeshStatus
from asya_local.state import StateFolder
from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from lab.servers.localstack import CREDENTIALS, localstack_endpoint
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_calls import call, report, taken
from tests.support.gateway_process import LIMIT_S, Gateway

__all__ = ["localstack_endpoint", "postgres"]

OPERATOR, READER, CALLER = "an-operators-own-token", "a-readers-own-token-1", "a-callers-own-token-1"
TOKENS = f"{OPERATOR}|read,operate {READER}|read {CALLER}|call:*,report"


@pytest.fixture
def guarded(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": TOKENS}


class Watcher:
    """Reads the feed."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def until(self, kind: str, holds: Any) -> Any:
        """Read on to the first frame of a kind for which something holds."""
        async with asyncio.timeout(LIMIT_S):
            event = ""
            async for line in self._lines:
                event = line.removeprefix("event: ") if line.startswith("event: ") else event
                if line.startswith("data: ") and event == kind and holds(body := json.loads(line[6:])):
                    return body
        raise AssertionError("the feed ended")

    async def end(self) -> None:
        """Read to the end."""
        async with asyncio.timeout(LIMIT_S):
            async for _ in self._lines:
                pass


@asynccontextmanager
async def watching(http: httpx2.AsyncClient) -> AsyncIterator[Watcher]:
    async with http.stream("GET", "/api/v1/feed") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Watcher(answer.aiter_lines())


async def dead_letter(broker: Transport, actor: str, *bodies: bytes) -> None:
    queue = names.QueueNames().queue(actor)
    for body in bodies:
        marks = {names.ATTRIBUTE_REASON: "broken", names.ATTRIBUTE_QUEUE: queue}
        await broker.send(names.dlq_name(queue), body, attributes=marks)


def letter(envelope_id: str) -> bytes:
    return json.dumps({"id": envelope_id, "route": {"actors": ["echo"]}, "payload": 1}).encode()


async def test_the_page_is_open_and_strict_and_its_data_are_neither(guarded: dict[str, str]) -> None:
    with Gateway(guarded) as gateway:
        async with gateway.client() as http:
            page = await http.get("/")
            assert page.status_code == 200
            policy = page.headers["content-security-policy"]
            for rule in ("default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"):
                assert rule in policy
            assert "unsafe" not in policy
            assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == (
                "nosniff",
                "no-referrer",
            )
            again = await http.get("/", headers={"If-None-Match": page.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            script = await http.get("/console/app.js")
            assert script.headers["content-type"] == "text/javascript; charset=utf-8"
            assert (await http.get("/console/../main.py")).status_code == 401
            assert (await http.get("/console/none.js")).status_code == 401
            for path in ("me", "envelopes", "envelopes/x", "actors", "feed", "dead-letters"):
                assert (await http.get(f"/api/v1/{path}")).status_code == 401
            assert (await http.post("/api/v1/dead-letters/redrive", json={"actor": "echo"})).status_code == 401
        async with gateway.client(CALLER) as http:
            for path in ("envelopes", "envelopes/x", "actors", "feed", "dead-letters"):
                assert (await http.get(f"/api/v1/{path}")).text == "Token lacks the scope read\n"
            assert (await http.get("/api/v1/me")).json() == {"may": {"read": False, "cancel": False, "operate": False}}
        async with gateway.client(OPERATOR) as http:
            assert (await http.get("/api/v1/me")).json() == {"may": {"read": True, "cancel": False, "operate": True}}


ANSWERS: list[tuple[str, int, str]] = [
    (
        "envelopes?status=done",
        400,
        "Invalid status (allowed: pending, running, succeeded, failed, several with commas)\n",
    ),
    ("envelopes?limit=0", 400, "Invalid limit (1 to 500)\n"),
    ("envelopes?limit=501", 400, "Invalid limit (1 to 500)\n"),
    ("envelopes?limit=x", 400, "Invalid limit (1 to 500)\n"),
    ("envelopes?limit=%C2%B2", 400, "Invalid limit (1 to 500)\n"),
    ("envelopes?cursor=x", 400, "Invalid cursor\n"),
    ("envelopes/none", 404, "Envelope not found\n"),
    ("dead-letters?actor=nobody", 404, ""),
    ("dead-letters?actor=echo&limit=201", 400, "Invalid limit (1 to 200)\n"),
]


async def test_envelopes_are_listed_and_shown_with_their_journey(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        first, second = [(await call(http, text="hi"))["envelope_id"] for _ in range(2)]
        route = ["echo", "shout"]
        for phase, words in {
            "received": "",
            "processing": "Processing in echo",
            "completed": "Completed processing in 7ms",
        }.items():
            await report(http, first, "progress", actors=route, current_actor_idx=0, status=phase, message=words)
        await http.post("/envelopes", json={"id": f"{first}-1", "parent_id": first, "actors": route, "current": 1})
        details = {"type": "Oops", "message": "no", "traceback": "Traceback"}
        await report(
            http, first, "final", status="failed", error="processing_error", error_details=details, actors=route,
            current_actor_idx=1, current_actor_name="shout",
        )  # fmt: skip
        page = (await http.get("/api/v1/envelopes", params={"limit": 2})).json()
        assert [each["id"] for each in page["envelopes"]] == [f"{first}-1", second]
        assert page["counts"] == {"pending": 0, "running": 1, "succeeded": 0, "failed": 1}  # the child is its parent's
        top = (await http.get("/api/v1/envelopes", params={"top": "1"})).json()
        assert [each["id"] for each in top["envelopes"]] == [second, first]
        rest = (await http.get("/api/v1/envelopes", params={"limit": 2, "cursor": page["next"]})).json()
        assert ([each["id"] for each in rest["envelopes"]], rest["next"]) == ([first], None)
        (failed,) = (await http.get("/api/v1/envelopes", params={"status": "failed,succeeded", "q": first})).json()[
            "envelopes"
        ]
        assert (failed["reason"], failed["error"], "payload" in failed) == ("Oops: no", "processing_error", False)
        shown = (await http.get(f"/api/v1/envelopes/{first}")).json()
        assert shown["error_details"] == details
        assert shown["payload"] == {"bytes": 23, "text": '{\n  "text": "hi",\n  "times": 1\n}'}
        assert shown["result"] is None  # it would say the same as the error
        ((hop,), (child,)) = shown["journey"], shown["children"]
        assert (hop["actor"], hop["state"], hop["took_s"]) == ("echo", "completed", 0.007)
        assert (child["id"], child["parent_id"], shown["children_total"]) == (f"{first}-1", first, 1)
        assert [event["seq"] for event in shown["history"]] == [1, 2, 3, 4, 5, 6]
        for path, status, text in ANSWERS:
            answer = await http.get(f"/api/v1/{path}")
            assert (path, answer.status_code) == (path, status)
            assert not text or answer.text == text


async def test_what_holds_an_open_envelope_is_said_as_asya_why_says_it(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        path = f"/api/v1/envelopes/{envelope_id}"
        assert (await http.get(path)).json()["because"].startswith("it waits in the queue of echo; 1 queued")
        retry = {"attempt": 1, "again_in_s": 600.0, "cause": "E: torn"}
        where = {"actors": ["echo", "shout"], "current_actor_idx": 0, "status": "processing", "by": "echo"}
        assert (await report(http, envelope_id, "progress", **where, retry=retry, duration_ms=7)).status_code == 200
        shown = (await http.get(path)).json()
        assert shown["because"].startswith("attempt 1 at echo failed: E: torn; the next one in ")
        told = {name: shown["history"][-1][name] for name in ("by", "duration_ms", "retry")}
        assert told == {"by": "echo", "duration_ms": 7, "retry": retry}
        await report(http, envelope_id, "final", status="succeeded")
        assert (await http.get(path)).json()["because"] is None


async def test_what_is_too_large_to_show_is_named_by_its_size(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="x" * 100_000))["envelope_id"]
        shown = (await http.get(f"/api/v1/envelopes/{envelope_id}")).json()
        assert shown["payload"] == {"bytes": 100_021, "text": None}


async def test_actors_without_a_source_are_those_with_a_queue(gateway: Gateway, broker: Transport) -> None:
    await dead_letter(broker, "shout", letter("a"))
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        await report(http, envelope_id, "progress", actors=["echo"], current_actor_idx=0, status="completed")
        found = (await http.get("/api/v1/actors")).json()
        assert (found["source"], found["problems"]) == ("queues", [])
        echo, lost, shout = found["actors"]  # the third is only named by a tool
        nobody_knows = {
            "namespace": None,
            "status": None,
            "message": "",
            "ready": None,
            "desired": None,
            "p50_s": None,
            "p99_s": None,
            "oldest_s": None,
        }
        assert echo == {**nobody_knows, "name": "echo", "queued": 1, "in_flight": 0, "dead_letters": 0, "rate": 0.1}
        assert (lost["name"], lost["queued"], lost["dead_letters"]) == ("no-such-actor", None, None)
        assert (shout["dead_letters"], shout["rate"]) == (1, 0.0)


async def test_actors_of_a_local_mesh_stand_as_its_supervisor_says(environ: dict[str, str], tmp_path: Path) -> None:
    status = tmp_path / "mesh" / "status.json"
    with Gateway({**environ, "ASYA_GATEWAY_ACTORS": f"mesh:{status}"}) as gateway:
        async with gateway.client() as http, watching(http) as feed:
            found = await feed.until("actors", lambda body: body["problems"])
            assert found["problems"] == [f"no mesh is running: there is no {status}"]
            echo = ActorStatus("echo", "Running", 2, 3, 0, 4, 5, 1, 7, 0, 0, "mind the gap", 2.5, 0.1, 8.0)
            StateFolder(status.parent).write_status(MeshStatus(True, "memory", 1.0, [echo]))
            found = await feed.until("actors", lambda body: not body["problems"])
            assert found["actors"] == [
                {
                    "name": "echo", "namespace": None, "status": "Running", "message": "mind the gap", "ready": 2, "desired": 3,
                    "queued": 5, "in_flight": 1, "dead_letters": 0, "rate": 2.5, "p50_s": 0.1, "p99_s": None, "oldest_s": 8.0,
                }
            ]  # fmt: skip
            draft = status.with_suffix(".draft")
            draft.write_text("{}")
            draft.replace(status)  # at once: half of it would be another problem
            found = await feed.until("actors", lambda body: body["problems"])
            assert "cannot be read: no status of a local mesh" in found["problems"][0]
            assert [actor["name"] for actor in found["actors"]] == ["echo"]  # as last known


async def test_history_wants_a_reader_and_has_what_sidecars_reported(guarded: dict[str, str]) -> None:
    with Gateway({**guarded, "ASYA_GATEWAY_SAMPLE_EVERY": "50ms"}) as gateway:
        async with gateway.client(CALLER) as http, gateway.client(READER) as reader:
            assert (await http.get("/api/v1/history")).status_code == 403
            route = {"actors": ["echo"], "current_actor_idx": 0, "duration_ms": 1500}
            async with asyncio.timeout(LIMIT_S):
                told: dict[str, Any] = {"p99_s": []}
                while 1.5 not in told["p99_s"]:
                    envelope_id = (await call(http, text="hi"))["envelope_id"]
                    await report(http, envelope_id, "progress", status="completed", **route)
                    told = (await reader.get("/api/v1/history", params={"actor": "echo"})).json()
            assert len(told["times"]) == len(told["queued"]) > 0
            assert "echo" in told["actors"]


async def test_dead_letters_are_counted_looked_at_and_sent_again(guarded: dict[str, str], broker: Transport) -> None:
    await dead_letter(broker, "echo", letter("a"), letter("b"), b"\xff")
    with Gateway(guarded) as gateway:
        async with gateway.client(READER) as http:
            assert (await http.get("/api/v1/dead-letters")).json() == {"actors": [{"actor": "echo", "dead_letters": 3}]}
            found = (await http.get("/api/v1/dead-letters", params={"actor": "echo", "limit": 2})).json()
            assert (found["total"], found["complete"], len(found["entries"])) == (3, False, 2)
            entry = found["entries"][0]
            assert (entry["id"], entry["reason"], entry["source"]) == ("a", "broken", "asya-echo")
            assert (entry["body"], entry["body_cut"]) == (letter("a").decode(), False)
            refused = await http.post("/api/v1/dead-letters/redrive", json={"actor": "echo"})
            assert (refused.status_code, refused.text) == (403, "Token lacks the scope operate\n")
        async with gateway.client(OPERATOR) as http:

            async def redrive(**body: object) -> dict[str, Any]:
                answer = await http.post("/api/v1/dead-letters/redrive", json=body)
                assert answer.status_code == 200, answer.text
                told: dict[str, Any] = answer.json()
                return {name: told[name] for name in ("dry_run", "matched", "redriven", "failed", "interrupted")}

            done = {"dry_run": False, "matched": 1, "redriven": 1, "failed": 0, "interrupted": False}
            assert await redrive(actor="echo", dry_run=True) == {**done, "dry_run": True, "matched": 3, "redriven": 0}
            assert await redrive(actor="echo", id="b") == done
            assert [each["id"] for each in await taken(broker, least=1)] == ["b"]
            assert await redrive(actor="echo", id="a", to="shout") == done
            assert [each["id"] for each in await taken(broker, "asya-shout", least=1)] == ["a"]
            for body, status in {
                '{"actor": "nobody"}': 404,
                "{}": 400,
                '{"actor": 1}': 400,
                '{"actor": "echo", "to": "nobody"}': 404,
            }.items():
                assert (await http.post("/api/v1/dead-letters/redrive", content=body)).status_code == status


async def test_a_failed_envelope_is_replayed_once_and_its_record_is_open_again(
    gateway: Gateway, broker: Transport
) -> None:
    """Without an object store its start is all that is known."""
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        path = f"/api/v1/envelopes/{envelope_id}/replay"
        assert (await http.post(path, json={})).status_code == 409
        (sent,) = await taken(broker, least=1)
        await report(http, envelope_id, "final", status="failed", error="processing_error")
        (refused,) = (await http.post(path, json={"from": "hop"})).json()["refused"]
        assert (refused["id"], "--from start" in refused["why"]) == (envelope_id, True)
        dry = (await http.post(path, json={"from": "start", "dry_run": True})).json()
        assert (dry["replayed"], dry["dry_run"]) == ([envelope_id], True)
        answers = await asyncio.gather(*(http.post(path, json={"from": "start"}) for _ in range(4)))
        done = [answer.json()["replayed"] for answer in answers if answer.status_code == 200]
        assert done.count([envelope_id]) == 1
        (again,) = await taken(broker, least=1)
        assert (again["id"], again["payload"], again["route"]) == (envelope_id, sent["payload"], sent["route"])
        assert again["headers"]["x-asya-replay"]
        shown = (await http.get(f"/envelopes/{envelope_id}")).json()
        assert (shown["status"], shown.get("error"), shown.get("deadline")) == ("running", None, None)
        await report(http, envelope_id, "final", status="succeeded", result=7)
        assert (await http.get(f"/envelopes/{envelope_id}")).json()["result"] == 7
        assert (await http.post("/api/v1/envelopes/no-such/replay", json={})).status_code == 404
        assert (await http.post(path, json={"from": "elsewhere"})).status_code == 400


async def test_the_feed_tells_changes_to_all_and_ends_with_the_gateway(
    environ: dict[str, str], broker: Transport
) -> None:
    with Gateway(environ) as gateway:
        async with gateway.client() as http, watching(http) as one, watching(http) as other:
            for feed in (one, other):
                await feed.until("envelopes", lambda body: body["more"])
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            await report(http, envelope_id, "final", status="succeeded")

            def ended(body: dict[str, Any]) -> bool:
                return any(each["id"] == envelope_id and each["status"] == "succeeded" for each in body["envelopes"])

            for feed in (one, other):
                told = await feed.until("envelopes", ended)
                assert told["counts"] == {"pending": 0, "running": 0, "succeeded": 1, "failed": 0}
                assert (told["more"], "payload" in told["envelopes"][0]) == (False, False)
            # More than anyone would read one by one: watchers are asked to look anew.
            ids = [f"many-{number}" for number in range(400)]
            await asyncio.gather(*(http.post("/envelopes", json={"id": name, "actors": ["a"]}) for name in ids))
            told = await one.until("envelopes", lambda body: body.get("counts", {}).get("pending") == 400)
            assert told["counts"]["pending"] == 400
            stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
            await one.end()
            await other.end()
            assert await stopping == 0


async def test_the_feed_goes_on_after_everyone_left_and_came_again(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        for _ in range(3):
            async with watching(http) as feed:
                await feed.until("actors", lambda body: body["actors"])
                envelope_id = (await call(http, text="hi"))["envelope_id"]
                await feed.until(
                    "envelopes",
                    lambda body, mine=envelope_id: body["more"] or mine in [e["id"] for e in body["envelopes"]],
                )


@pytest.mark.xdist_group("postgres")
async def test_the_feed_tells_what_another_replica_was_told(environ: dict[str, str], postgres: PostgresServer) -> None:
    shared = {**environ, "ASYA_DATABASE_URL": postgres.new_database()}
    with Gateway(shared) as one, Gateway(shared) as other:
        async with one.client() as http, other.client() as elsewhere, watching(elsewhere) as feed:
            await feed.until("envelopes", lambda body: "counts" in body)
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            await report(http, envelope_id, "progress", actors=["echo"], current_actor_idx=0, status="completed")
            # Before the end is reported: a rate is told once, and waiting for the end would read past it.
            rates = await feed.until("actors", lambda body: [a for a in body["actors"] if a["rate"]])
            assert [actor["name"] for actor in rates["actors"] if actor["rate"]] == ["echo"]
            await report(http, envelope_id, "final", status="succeeded")
            await feed.until(
                "envelopes",
                lambda body: ("succeeded", envelope_id) in [(e["status"], e["id"]) for e in body["envelopes"]],
            )
            shown = (await elsewhere.get(f"/api/v1/envelopes/{envelope_id}")).json()
            assert [hop["actor"] for hop in shown["journey"]] == ["echo"]
        assert one.stop() == other.stop() == 0


async def test_actors_and_dead_letters_are_the_same_on_sqs(environ: dict[str, str], localstack_endpoint: str) -> None:
    actor = f"sqs-{uuid.uuid4().hex[:8]}"
    cloud = {"ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": localstack_endpoint, **CREDENTIALS}
    settings = read_transport_settings(cloud)
    admin, transport = open_admin(settings), open_transport(settings)
    await transport.connect()
    await admin.create(names.QueueNames().queue(actor), QueueSpec())
    try:
        await dead_letter(transport, actor, letter("a"), letter("b"))
        with Gateway({**environ, **cloud}) as gateway:
            async with gateway.client() as http, watching(http) as feed:
                found = await feed.until(
                    "actors",
                    lambda body: [
                        each for each in body["actors"] if each["name"] == actor and each["dead_letters"] == 2
                    ],
                )
                (mine,) = [each for each in found["actors"] if each["name"] == actor]
                assert (mine["queued"], mine["in_flight"]) == (0, 0)
                entries = (await http.get("/api/v1/dead-letters", params={"actor": actor})).json()["entries"]
                assert sorted(entry["id"] for entry in entries) == ["a", "b"]
                done = (await http.post("/api/v1/dead-letters/redrive", json={"actor": actor})).json()
                assert (done["redriven"], done["failed"], done["error"]) == (2, 0, None)
            assert gateway.stop() == 0
        again = await taken(transport, names.QueueNames().queue(actor), least=2)
        assert sorted(each["id"] for each in again) == ["a", "b"]
    finally:
        await transport.close()
        await admin.delete(names.QueueNames().queue(actor), force=True)
        await admin.close()
