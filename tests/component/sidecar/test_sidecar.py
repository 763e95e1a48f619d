"""A real sidecar beside a real runtime: routing, streaming, deadlines, drain, endpoints, gateway reports."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from asya_protocol.envelope import format_time
from asya_transport.port import QueueSpec
from lab.servers.memory import memory_environ
from tests.component.sidecar.recording_gateway import RecordingGateway
from tests.support.actor_bench import WAIT_S, ActorBench

__all__ = ["memory_environ"]

HANDLERS = """
import asyncio, time

def process(payload):
    if payload.get("slow"): time.sleep(payload["slow"])
    return payload

async def coroutine(payload):
    await asyncio.sleep(0.01)
    return {**payload, "async": True}

def generator(payload):
    for number in range(payload["n"]):
        yield {"number": number}
        if number == 1: time.sleep(payload.get("pause", 0))

async def stream(payload):
    for number in range(payload["n"]):
        await asyncio.sleep(0)
        yield {"number": number}

def nothing(payload):
    return None

def envelope(envelope):
    envelope["route"]["actors"].append("extra")
    envelope["route"]["current"] += 1
    envelope["headers"]["seen"] = True
    return envelope
"""


async def test_headers_parents_deadlines_and_unknown_fields_survive(memory_environ: dict[str, str]) -> None:
    """Asya 0.1.1 dropped all four at the first hop."""
    deadline = format_time(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.send_payload(
            {"a": 1}, parent_id="p", headers={"tenant": "x"}, deadline=deadline, extension={"k": [1]}
        )
        document = await bench.result()
    trace = document["headers"].pop("traceparent")
    assert document == {
        "id": "e1",
        "parent_id": "p",
        "route": {"actors": ["actor"], "current": 1},
        "headers": {"tenant": "x"},
        "deadline": deadline,
        "extension": {"k": [1]},
        "payload": {"a": 1},
    }
    assert len(trace.split("-")) == 4


@pytest.mark.parametrize("handler", ["handlers.generator", "handlers.stream"])
async def test_each_yield_is_one_numbered_child(handler: str, memory_environ: dict[str, str]) -> None:
    """More items than one frame holds, in order, each under its own id."""
    async with ActorBench(memory_environ, HANDLERS, handler) as bench:
        await bench.send_payload({"n": 50})
        documents = [await bench.result() for _ in range(50)]
    assert {d["id"]: d["payload"]["number"] for d in documents} == {"e1": 0} | {f"e1-{n}": n for n in range(1, 50)}
    assert {d.get("parent_id") for d in documents if d["id"] != "e1"} == {"e1"}


async def test_a_generators_items_leave_while_it_runs(memory_environ: dict[str, str]) -> None:
    """All but the first, which is the envelope that was sent, and may yet end as the generator's error."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.generator", ASYA_RUNTIME_TIMEOUT="60s") as bench:
        await bench.send_payload({"n": 3, "pause": 5})
        early = await bench.result()
        depth = await bench.admin.measure("asya-actor")
        assert (early["id"], early["payload"]) == ("e1-1", {"number": 1})
        assert depth.in_flight == 1, "the generator had already ended"
        assert {(await bench.result())["id"] for _ in range(2)} == {"e1", "e1-2"}


async def test_coroutines_and_aborts(memory_environ: dict[str, str]) -> None:
    """``async def`` is awaited; ``None`` sends the input to happy-end."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.coroutine") as bench:
        await bench.send_payload({"a": 1})
        assert (await bench.result())["payload"] == {"a": 1, "async": True}
    async with ActorBench(memory_environ, HANDLERS, "handlers.nothing") as bench:
        await bench.send_payload({"a": 1})
        document = await bench.result()
        assert (document["payload"], document["route"]) == ({"a": 1}, {"actors": ["actor"], "current": 0})


async def test_the_documented_in_place_idiom_works_at_the_last_actor(memory_environ: dict[str, str]) -> None:
    """Asya 0.1.1 raised IndexError on it."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.envelope", ASYA_HANDLER_MODE="envelope") as bench:
        await bench.admin.create("asya-extra", QueueSpec())
        await bench.send_payload(1, headers={})
        document = json.loads((await bench.take("asya-extra")).body)
    assert document["route"] == {"actors": ["actor", "extra"], "current": 1}
    assert document["headers"]["seen"] is True


async def test_a_route_to_a_queue_that_nobody_made_is_an_error_not_silence(memory_environ: dict[str, str]) -> None:
    """Asya 0.1.1 published into nothing and acknowledged."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.send({"id": "e1", "route": {"actors": ["actor", "nobody"]}, "payload": {"a": 1}})
        failure = await bench.failure()
        assert "queue 'asya-nobody' does not exist" in failure["payload"]["error"]
        assert failure["payload"]["original_payload"] == {"a": 1}


async def test_a_deadline_ends_a_running_handler(memory_environ: dict[str, str]) -> None:
    """The limit is what is left of the deadline, and the end is an error, not another try."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.works("before")
        await bench.send_payload({"slow": 60}, deadline=format_time(datetime.now(UTC) + timedelta(seconds=1)))
        failure = await bench.failure()
        assert failure["payload"]["error"].startswith("Deadline exceeded")
        await bench.works()


async def test_sigterm_lets_the_running_handler_finish_and_gives_back_the_rest(memory_environ: dict[str, str]) -> None:
    """Exit code 0, the running one's result is sent, what waited is in the queue again, untouched."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process", ASYA_RABBITMQ_PREFETCH="10") as bench:
        await bench.works("before")
        for number in range(5):
            await bench.send_payload({"slow": 5.0 if number == 0 else 0}, f"s{number}")
        while (await bench.admin.measure("asya-actor")).in_flight < 5:
            await asyncio.sleep(0.02)
        sidecar = bench.replica.processes["sidecar"]
        sidecar.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(sidecar.wait, WAIT_S) == 0
        depth = await bench.admin.measure("asya-actor")
        assert (depth.ready, depth.in_flight) == (4, 0)
        finished = {(await bench.result())["id"] for _ in range(5)}
        assert finished == {f"s{number}" for number in range(5)}
        assert '"retried"' not in bench.replica.log("sidecar")


async def test_endpoints_tell_health_readiness_and_metrics(memory_environ: dict[str, str]) -> None:
    """Readiness follows the runtime; liveness does not."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.works()
        address = (bench.replica.folder / "sidecar-http").read_text()
        assert await asyncio.to_thread(fetch, address, "/health") == (200, "OK")
        assert await asyncio.to_thread(fetch, address, "/ready") == (200, "OK")
        await bench.until_acknowledged()
        async with asyncio.timeout(WAIT_S):
            while "asya_actor_active_messages 0.0" not in (await asyncio.to_thread(fetch, address, "/metrics"))[1]:
                await asyncio.sleep(0.02)
        status, text = await asyncio.to_thread(fetch, address, "/metrics")
        assert status == 200
        for line in (
            'asya_actor_messages_received_total{queue="actor",transport="memory"} 1.0',
            'asya_actor_messages_processed_total{queue="actor",status="success"} 1.0',
            'asya_actor_messages_sent_total{destination_queue="asya-happy-end",message_type="happy_end"} 1.0',
            "asya_actor_active_messages 0.0",
        ):
            assert line in text
        for line in (
            'asya_actor_handler_attempts_total{attempt="first",queue="actor"} 1.0',
            'asya_actor_queue_wait_seconds_count{queue="actor"} 1.0',
            'asya_actor_handler_slots{queue="actor"} 1.0',
            'asya_actor_cold_start_seconds{queue="actor"} ',
            'asya_actor_handler_busy_seconds_total{queue="actor"} ',
        ):
            assert line in text
        bench.replica.kill("runtime")
        while (await asyncio.to_thread(fetch, address, "/ready"))[0] != 503:
            await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(fetch, address, "/health"))[0] == 200
        await bench.works("again")


METRICS = """
import logging

def process(payload):
    metrics = logging.getLogger("asya.metrics")
    metrics.info({"name": "pages_total", "value": payload["pages"], "labels": {"kind": "pdf"}})
    metrics.info('{"name": "model_seconds", "value": 250, "type": "histogram"}')
    metrics.info({"name": "bad name", "value": float("nan")})
    return payload
"""


async def test_a_handler_reports_metrics_of_its_own_by_logging_them(memory_environ: dict[str, str]) -> None:
    declared = json.dumps([{"name": "model_seconds", "type": "histogram", "buckets": [1, 300]}])
    async with ActorBench(memory_environ, METRICS, "handlers.process", ASYA_CUSTOM_METRICS=declared) as bench:
        for number in (2, 3):
            await bench.send_payload({"pages": number}, f"e{number}")
        address = bench.replica.folder / "sidecar-http"
        async with asyncio.timeout(WAIT_S):
            while True:
                text = (await asyncio.to_thread(fetch, address.read_text(), "/metrics"))[1] if address.exists() else ""
                if 'pages_total{kind="pdf"} 5.0' in text and 'refused_total{queue="actor",reason="line"} 2.0' in text:
                    break
                await asyncio.sleep(0.05)
        assert 'model_seconds_bucket{le="300.0"} 2.0' in text
        assert bench.replica.log("sidecar").count("handler's metric not taken") == 1
        assert [(await bench.take(f"asya-{bench.happy_end}")) is not None for _ in range(2)] == [True, True]


def fetch(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


@pytest.fixture
def gateway() -> Iterator[RecordingGateway]:
    with RecordingGateway() as recording:
        yield recording


async def test_progress_is_reported_in_order(memory_environ: dict[str, str], gateway: RecordingGateway) -> None:
    """received, processing, completed - each with this actor's index - and a child before its parent's completion."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.generator", ASYA_GATEWAY_URL=gateway.url) as bench:
        await bench.send_payload({"n": 2})
        await bench.result()
        await bench.result()
        while len(gateway.posts) < 4:
            await asyncio.sleep(0.02)
    progress = [body for path, body in gateway.posts if path == "/envelopes/e1/progress"]
    assert [body["status"] for body in progress] == ["received", "processing", "completed"]
    assert {body["current_actor_idx"] for body in progress} == {0}
    ((place, child),) = [(place, body) for place, (path, body) in enumerate(gateway.posts) if path == "/envelopes"]
    assert child == {"id": "e1-1", "parent_id": "e1", "actors": ["actor"], "current": 1}
    assert gateway.posts[place + 1 :][-1][1]["status"] == "completed"


async def test_a_final_report_is_delivered_even_if_the_gateway_refuses_at_first(
    memory_environ: dict[str, str], gateway: RecordingGateway
) -> None:
    """The delivery stays unacknowledged until the gateway has it."""
    refusals = iter((503, 503))
    gateway.answer = lambda _path, _body: (next(refusals, 200), {})
    settings = {"ASYA_GATEWAY_URL": gateway.url, "ASYA_IS_END_ACTOR": "true", "ASYA_ACTOR_HAPPY_END": "actor"}
    async with ActorBench(memory_environ, HANDLERS, "handlers.process", **settings) as bench:
        await bench.send_payload({"done": True})
        while not gateway.posts:
            await asyncio.sleep(0.02)
        while (await bench.admin.measure("asya-actor")).total:
            await asyncio.sleep(0.02)
    ((path, body),) = gateway.posts
    assert (path, body["status"], body["result"]) == ("/envelopes/e1/final", "succeeded", {"done": True})


async def test_a_route_of_the_originals_later_kind_arrives_and_goes_on_in_its_form(
    memory_environ: dict[str, str],
) -> None:
    """Beside ours, so that what comes after may be of either kind."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        body = {"id": "e1", "route": {"prev": ["before"], "curr": "actor", "next": []}, "payload": {"a": 1}}
        await bench.send(json.dumps(body).encode())
        document = await bench.result()
    assert document["route"] == {
        "actors": ["before", "actor"],
        "current": 2,
        "prev": ["before", "actor"],
        "curr": "",
        "next": [],
    }
