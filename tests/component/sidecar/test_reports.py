"""Progress travels in batches where the gateway takes them, one by one where it does not; in order, and nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from asya_protocol.reports import ProgressBody
from asya_sidecar.core.actions import Report
from asya_sidecar.reporter import GatewayReporter
from tests.component.sidecar.recording_gateway import Answer, RecordingGateway, like_the_original

COUNT = 60
PHASES = ("received", "processing", "completed")


def all_taken(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"statuses": [200 for _ in body["reports"]]} if path == "/reports" else {}


@asynccontextmanager
async def reporting(answer: Answer, count: int = COUNT) -> AsyncIterator[RecordingGateway]:
    """A gateway, and a reporter with so many envelopes' progress to tell."""
    with RecordingGateway(answer) as gateway:
        reporter = GatewayReporter(gateway.url, per_s=1000.0)
        for number in range(count):
            for phase in PHASES:
                reporter.post(Report("progress", f"e{number}", ProgressBody(status=phase)))
        task = asyncio.create_task(reporter.run())
        try:
            async with asyncio.timeout(120):
                yield gateway
                while reporter.waiting:
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await reporter.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def told(gateway: RecordingGateway) -> dict[str, list[str]]:
    """Phases of each envelope in the order in which the gateway took them."""
    found: dict[str, list[str]] = {}
    for path, body in list(gateway.posts):
        if path == "/reports":
            for entry in body["reports"]:
                found.setdefault(entry["id"], []).append(entry["body"]["status"])
        else:
            found.setdefault(path.split("/")[2], []).append(body["status"])
    return found


ALL = {f"e{number}": list(PHASES) for number in range(COUNT)}


async def test_many_reports_are_one_request() -> None:
    async with reporting(all_taken) as gateway:
        await until(lambda: told(gateway) == ALL)
    assert len(gateway.posts) == 2, "180 reports, 100 in a request at most"


async def test_the_original_s_gateway_gets_each_in_a_request_of_its_own() -> None:
    async with reporting(like_the_original) as gateway:
        await until(lambda: told(gateway) == ALL)
    assert gateway.refused == ["/reports"], "asked once, and never again"
    assert Counter(path.rpartition("/")[2] for path, _ in gateway.posts) == {"progress": 180}


async def test_a_gateway_with_a_small_limit_gets_small_batches() -> None:
    def small(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (413, {}) if len(body.get("reports", ())) > 10 else all_taken(path, body)

    async with reporting(small) as gateway:
        await until(lambda: told(gateway) == ALL)
    assert gateway.refused == ["/reports"] * 4, "100, 50, 25 and 12 were too many"
    assert max(len(body["reports"]) for _, body in gateway.posts) == 6


async def test_what_a_gateway_could_not_take_comes_again_and_the_others_do_not() -> None:
    first = True

    def partly(_path: str, body: dict[str, Any]) -> tuple[int, Any]:
        nonlocal first
        statuses = [503 if first and entry["id"] == "e3" else 200 for entry in body["reports"]]
        first = False
        return 200, {"statuses": statuses}

    async with reporting(partly, 10) as gateway:
        await until(lambda: len(told(gateway).get("e3", [])) == 6)
    assert told(gateway) == {f"e{number}": list(PHASES) * (2 if number == 3 else 1) for number in range(10)}


async def test_a_gateway_that_fails_as_a_whole_gets_all_again() -> None:
    failures = 3

    def failing(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        nonlocal failures
        failures -= 1
        return (500, {}) if failures >= 0 else all_taken(path, body)

    async with reporting(failing) as gateway:
        await until(lambda: told(gateway) == ALL)
    assert gateway.refused == ["/reports"] * 3


async def test_of_an_envelope_that_the_gateway_does_not_know_no_more_is_told() -> None:
    def unknown(_path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"statuses": [404 if entry["id"] == "e33" else 200 for entry in body["reports"]]}

    async with reporting(unknown) as gateway:
        await until(lambda: len(gateway.posts) == 2)
    assert told(gateway) == {**ALL, "e33": ["received"]}, "its other two were to go in the second request"
