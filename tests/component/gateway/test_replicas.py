"""Two gateways on one Postgres, a real actor that reports, and a thousand streams on one process."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab.servers.postgres import PostgresServer, postgres
from tests.support.actor_bench import ActorBench
from tests.support.gateway_calls import TOKEN, call, report
from tests.support.gateway_process import LIMIT_S, Gateway, parse_events

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

HANDLERS = """
def fan_out(payload):
    return [{**payload, "n": number} for number in range(3)]
"""
STREAMS, ENVELOPES, REPORTS = 1000, 50, 10


async def test_a_stream_follows_what_another_replica_is_told(environ: dict[str, str], postgres: PostgresServer) -> None:
    shared = {**environ, "ASYA_DATABASE_URL": postgres.new_database()}
    with Gateway(shared) as one, Gateway(shared) as other:
        async with one.client() as http, other.client() as elsewhere:
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            streaming = asyncio.create_task(http.get(f"/envelopes/{envelope_id}/stream"))
            for number in range(20):
                await report(
                    elsewhere, envelope_id, "progress", current_actor_idx=0, status="received", message=str(number)
                )
            await report(elsewhere, envelope_id, "final", status="succeeded", result=[1])
            async with asyncio.timeout(LIMIT_S):
                events = list(parse_events((await streaming).text))
            assert [number for number, _ in events] == list(range(1, 24))
            told = await call(http, "brief")
            stream = await elsewhere.get(f"{told['status_url']}/stream")
            last = list(parse_events(stream.text))
            assert [event["status"] for _, event in last] == ["pending", "running", "failed"]
        assert one.stop() == other.stop() == 0


async def test_a_real_actor_reports_its_work_and_its_children(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text("tools: [{name: split, route: [actor]}]")
    tokens = {"ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": f"{TOKEN}1 {TOKEN}2|report"}
    broker = {name: environ[name] for name in ("ASYA_TRANSPORT", "ASYA_MEMORY_SOCKET")}
    with Gateway({**environ, **tokens}) as gateway:
        reporting = {"ASYA_GATEWAY_URL": gateway.url, "ASYA_GATEWAY_TOKEN": f"{TOKEN}2"}
        async with (
            ActorBench(broker, HANDLERS, "handlers.fan_out", **reporting) as actor,
            gateway.client(f"{TOKEN}1") as http,
        ):
            envelope_id = (await call(http, "split", text="hi"))["envelope_id"]
            made = sorted([(await actor.result())["id"] for _ in range(3)])
            assert made == [envelope_id, f"{envelope_id}-1", f"{envelope_id}-2"]
            async with asyncio.timeout(LIMIT_S):
                while (shown := (await http.get(f"/envelopes/{envelope_id}")).json())["actors_completed"] < 1:
                    await asyncio.sleep(0.02)
            assert sorted(shown["children"]) == made[1:]
            assert (shown["progress_percent"], shown["actors_completed"]) == (100.0, 1)
            await report(http, envelope_id, "final", status="succeeded")
            events = list(parse_events((await http.get(f"/envelopes/{envelope_id}/stream")).text))
            phases = [event.get("envelope_state") for _, event in events]
            assert phases == [None, None, "received", "processing", "completed", None]


async def read_stream(port: int, envelope_id: str, ready: asyncio.Semaphore) -> list[int]:
    """Read one stream to its end with as little as possible on this side; numbers of its events."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /envelopes/{envelope_id}/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    numbers: list[int] = []
    async for line in reader:
        if line.startswith(b"id: "):
            if not numbers:
                ready.release()
            numbers.append(int(line[4:]))
    writer.close()
    return numbers


async def test_a_thousand_streams_miss_nothing(
    environ: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    with Gateway({**environ, "ASYA_DATABASE_URL": "memory:"}) as gateway:
        assert gateway.port is not None
        process = psutil.Process(gateway.pid)
        async with gateway.client() as http:
            ids = [(await call(http, text="hi"))["envelope_id"] for _ in range(ENVELOPES)]
            before = process.memory_info().rss
            ready = asyncio.Semaphore(0)
            streams = [
                asyncio.create_task(read_stream(gateway.port, ids[number % ENVELOPES], ready))
                for number in range(STREAMS)
            ]
            async with asyncio.timeout(2 * LIMIT_S):
                for _ in range(STREAMS):
                    await ready.acquire()
            each_kib = (process.memory_info().rss - before) / STREAMS / 1024
            started_s = time.monotonic()
            for number in range(REPORTS):
                for envelope_id in ids:
                    await report(
                        http, envelope_id, "progress", current_actor_idx=0, status="received", message=str(number)
                    )
            for envelope_id in ids:
                await report(http, envelope_id, "final", status="succeeded")
            async with asyncio.timeout(2 * LIMIT_S):
                read = await asyncio.gather(*streams)
            took_s = time.monotonic() - started_s
    assert all(numbers == list(range(1, REPORTS + 4)) for numbers in read)
    events = STREAMS * (REPORTS + 1)
    record_property(
        "table",
        f"{STREAMS} streams on one gateway: {each_kib:.0f} KiB each; {events} events delivered live in {took_s:.1f} s "
        f"({events / took_s:.0f}/s), none lost",
    )
