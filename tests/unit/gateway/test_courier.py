"""The courier: what it takes from a store, how much of it at once, and what it notes."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import generate_latest

from asya_gateway.callbacks.courier import Courier
from asya_gateway.callbacks.rule import Attempt
from asya_gateway.callbacks.settings import CallbackSettings
from asya_gateway.callbacks.signing import read_secrets
from asya_gateway.metrics import Metrics
from asya_gateway.records.delivery import Delivery, delivery_body
from asya_gateway.store.memory_deliveries import MemoryDeliveries
from asya_protocol.errors import StoreUnavailable

SECRET = f"default=whsec_{b64encode(bytes(24)).decode()}"
URL = "https://a.example/hook?token=hidden"


class Bench:
    """A courier with a clock that is turned by hand, and a receiver that is a function."""

    def __init__(self, reply: Callable[[str], Attempt], at_once: int = 16) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.reply, self.posts, self.most, self.under_way = reply, list[str](), 0, 0
        self.deliveries = MemoryDeliveries(lambda: self.now)
        self.metrics = Metrics()
        settings = CallbackSettings(secrets=read_secrets(SECRET), at_once=at_once)
        self.courier = Courier(self.deliveries, settings, self, self.metrics, lambda: self.now)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        assert (url, body) == (URL, b"{}")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.posts.append(headers["webhook-id"])
        return self.reply(headers["webhook-id"])

    def keep(self, number: int, signed_by: str = "default") -> None:
        self.deliveries.keep(Delivery(f"e.{number}", "e", URL, signed_by, "{}", self.now, self.now))

    async def look(self, passes_s: float = 0.0) -> bool:
        self.now += timedelta(seconds=passes_s)
        more = await self.courier.look()
        await self.courier.finish(10)
        return more


async def test_what_arrived_is_gone_and_what_did_not_is_tried_again_later() -> None:
    bench = Bench(lambda name: Attempt(200) if name == "e.1" else Attempt(500))
    bench.keep(1)
    bench.keep(2)
    assert not await bench.look()
    assert bench.posts == ["e.1", "e.2"]
    (kept,) = await bench.deliveries.kept(10, dead=False)
    assert (kept.id, kept.attempts, kept.told) == ("e.2", 1, "answered 500")
    await bench.look(1)
    assert len(bench.posts) == 2
    await bench.look(2)
    assert bench.posts == ["e.1", "e.2", "e.2"]
    page = generate_latest(bench.metrics.registry).decode()
    assert 'asya_gateway_callbacks_total{outcome="delivered"} 1.0' in page
    assert 'asya_gateway_callbacks_total{outcome="again"} 2.0' in page


async def test_no_more_is_under_way_than_there_is_room_for() -> None:
    bench = Bench(lambda _: Attempt(200), at_once=3)
    for number in range(8):
        bench.keep(number)
    assert [await bench.look() for _ in range(4)] == [True, True, False, False]
    assert (bench.most, len(set(bench.posts)), len(bench.posts)) == (3, 8, 8)


async def test_a_dead_letter_is_logged_without_what_a_url_may_hide(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda _: Attempt(410))
    bench.keep(1)
    await bench.look()
    (dead,) = await bench.deliveries.kept(10, dead=True)
    assert (dead.due_at, dead.told) == (None, "answered 410")
    (line,) = [each for each in caplog.records if each.message == "callback is a dead letter"]
    assert (line.levelname, vars(line)["host"]) == ("ERROR", "a.example")
    assert "hidden" not in str([vars(each) for each in caplog.records])
    shown = delivery_body(dead)
    assert (shown["url"], shown["state"], shown["error"]) == ("https://a.example/hook", "dead", "answered 410")
    assert "hidden" not in str(shown)


async def test_a_secret_that_is_gone_may_come_back() -> None:
    bench = Bench(lambda _: Attempt(200))
    bench.keep(1, signed_by="old")
    await bench.look()
    (kept,) = await bench.deliveries.kept(10, dead=False)
    assert (bench.posts, kept.told) == ([], "the gateway has no callback secret 'old'")


async def test_a_store_that_is_away_after_a_post_leaves_the_lease_to_run_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(lambda _: Attempt(200))
    bench.keep(1)

    async def away(_: str) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(bench.deliveries, "delivered", away)
        await bench.look()
    assert "callback not noted" in caplog.text
    assert await bench.deliveries.counts() == (1, 0)
    await bench.look(60)
    assert (bench.posts, await bench.deliveries.counts()) == (["e.1", "e.1"], (0, 0))
