"""Pieces of streams on their way to a gateway: in order, in batches, in nobody's way, counted where they are lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import generate_latest

from asya_protocol.envelope import parse_envelope
from asya_sidecar.core.admit import Work
from asya_sidecar.metrics import Metrics
from asya_sidecar.piece_sender import PieceSender
from tests.component.sidecar.recording_gateway import Answer, RecordingGateway

BODY = b'{"id":"e1","route":{"actors":["llm"],"current":0},"headers":{"x-asya-mark":"m1"},"payload":null}'


def all_taken(_path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"statuses": [200 for _ in body["batches"]]}


def work() -> Work:
    return Work(parse_envelope(BODY), BODY, attempt=3, timeout_s=60.0)


def raws(count: int, first: int = 0) -> list[msgspec.Raw]:
    return [msgspec.Raw(b"%d" % number) for number in range(first, first + count)]


@asynccontextmanager
async def sending(answer: Answer) -> AsyncIterator[tuple[PieceSender, RecordingGateway, Metrics]]:
    with RecordingGateway(answer) as gateway:
        metrics = Metrics("asya_actor", "llm", "memory")
        sender = PieceSender(gateway.url, None, metrics)
        task = asyncio.create_task(sender.run())
        try:
            async with asyncio.timeout(120):
                yield sender, gateway, metrics
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await sender.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def batches(gateway: RecordingGateway) -> list[dict[str, Any]]:
    return [batch for path, body in list(gateway.posts) for batch in body["batches"] if path == "/pieces"]


def count(metrics: Metrics, result: str) -> int:
    page = generate_latest(metrics.registry).decode()
    wanted = f'asya_actor_stream_pieces_total{{queue="llm",result="{result}"}} '
    return sum(int(float(line.removeprefix(wanted))) for line in page.splitlines() if line.startswith(wanted))


async def test_a_run_s_pieces_come_in_order_with_who_made_them_and_its_end() -> None:
    async with sending(all_taken) as (sender, gateway, metrics):
        stream = sender.open(work(), "llm")
        for number in range(200):
            stream.add(raws(1, number), number)
            await asyncio.sleep(0)
        stream.end()
        await until(lambda: any(batch.get("ended") for batch in batches(gateway)))
        await until(lambda: count(metrics, "delivered") == 200)
    found = batches(gateway)
    assert [piece for batch in found for piece in batch["pieces"]] == list(range(200))
    about = {name: found[0][name] for name in ("id", "actor", "attempt", "mark")}
    assert about == {"id": "e1", "actor": "llm", "attempt": 3, "mark": "m1"}
    assert len({batch["run"] for batch in found}) == 1


async def test_each_call_is_a_run_of_its_own_and_one_without_pieces_is_none() -> None:
    async with sending(all_taken) as (sender, gateway, _):
        sender.open(work(), "llm").end()
        for _call in range(2):
            stream = sender.open(work(), "llm")
            stream.add(raws(1), 0)
            stream.end()
        await until(lambda: sum(batch.get("ended", False) for batch in batches(gateway)) == 2)
    assert len({batch["run"] for batch in batches(gateway)}) == 2


async def test_what_a_gateway_could_not_take_comes_again_in_its_place() -> None:
    failures = 3

    def failing(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        nonlocal failures
        failures -= 1
        return (500, {}) if failures >= 0 else all_taken(path, body)

    async with sending(failing) as (sender, gateway, metrics):
        stream = sender.open(work(), "llm")
        stream.add(raws(5), 0)
        await until(lambda: len(gateway.refused) == 3)
        stream.add(raws(5, 5), 5)
        await until(lambda: count(metrics, "delivered") == 10)
    assert [piece for batch in batches(gateway) for piece in batch["pieces"]] == list(range(10))


async def test_a_gateway_of_asya_0_1_1_is_asked_once_and_what_it_does_not_take_is_counted() -> None:
    async with sending(lambda _path, _body: (404, {})) as (sender, gateway, metrics):
        stream = sender.open(work(), "llm")
        stream.add(raws(5), 0)
        await until(lambda: count(metrics, "dropped") == 5)
        stream.add(raws(5, 5), 5)
        assert count(metrics, "dropped") == 10
        assert sender.waiting == 0
    assert gateway.refused == ["/pieces"]


async def test_what_a_runtime_had_no_room_for_and_what_a_gateway_refuses_is_counted_too() -> None:
    def refusing(_path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"statuses": [409 for _ in body["batches"]]}

    async with sending(refusing) as (sender, _, metrics):
        sender.open(work(), "llm").add(raws(3, 4), 4)
        await until(lambda: count(metrics, "refused") == 3)
        assert count(metrics, "dropped") == 4


async def test_without_a_gateway_pieces_are_dropped_and_counted() -> None:
    metrics = Metrics("asya_actor", "llm", "memory")
    sender = PieceSender(None, None, metrics)
    stream = sender.open(work(), "llm")
    stream.add(raws(3), 0)
    stream.end()
    assert (sender.waiting, count(metrics, "dropped")) == (0, 3)


async def test_an_end_waits_until_the_gateway_has_what_was_streamed_and_not_while_it_fails() -> None:
    async with sending(all_taken) as (sender, gateway, _):
        await sender.told("e1")  # nothing was streamed
        for number in range(5):
            stream = sender.open(work(), "llm")
            stream.add(raws(50), 0)
            stream.end()
            await sender.told("e1")
            assert sum(batch.get("ended", False) for batch in batches(gateway)) == number + 1
    async with sending(lambda _path, _body: (500, {})) as (sender, gateway, _):
        stream = sender.open(work(), "llm")
        stream.add(raws(5), 0)
        stream.end()
        await sender.told("e1")
        assert gateway.refused
        assert sender.waiting == 6, "they wait on"
