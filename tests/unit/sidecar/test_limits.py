"""Limits at admission: what is asked, who waits at no cost, what a call gives back, and what happens without the store."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from asya_protocol.envelope import format_time
from asya_protocol.errors import StoreUnavailable
from asya_protocol.reply import ErrorItem, Item
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Ack, Decision, RetryLater, Use
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.core.call_outcome import Replied
from asya_sidecar.core.decide import DEFAULT_PAUSE_S, MOST_THROTTLES, Moment, decide
from asya_sidecar.core.limits import asks_of, spent_in, wait
from asya_sidecar.limits import AWAY_PAUSE_S, Limits
from asya_sidecar.metrics import Metrics
from asya_store.limits.limiter import Limiter
from asya_store.limits.memory import MemoryLimits
from asya_store.limits.rule import Ask, Rule
from tests.unit.sidecar.samples import NOW, MakeWork, envelope_bytes, sent

RULE = Rule(
    name="openai",
    requests_per_minute=2,
    tokens_per_minute=1000,
    key="headers.tenant",
    cost="payload.maxTokens",
    spent="payload.usage.total",
)
BUSY = ErrorItem("processing_error", "slow down", "RateLimitError", ("RateLimitError",), retry_after_s=7.0)


@pytest.fixture
def hop() -> Hop:
    return Hop(actor="ocr", timeout_s=60.0, limits=(RULE,))


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """Admission with limits in memory."""

    def __init__(self, hop: Hop) -> None:
        self.clock = Clock()
        self.limiter = Limiter(MemoryLimits(self.clock))
        self.metrics = Metrics("asya_actor", "ocr", "memory")
        self.admission = Admission(hop, limits=Limits(hop, self.limiter, self.metrics))

    async def let_in(self, max_tokens: object = 10, tenant: str = "a", **fields: object) -> Work | Decision:
        headers = {"tenant": tenant, **fields.pop("headers", {})}  # type: ignore[dict-item]
        return await self.admission.let_in(envelope_bytes(payload={"maxTokens": max_tokens}, headers=headers, **fields))


@pytest.fixture
def bench(hop: Hop) -> Bench:
    return Bench(hop)


def waits(decision: Work | Decision) -> RetryLater:
    assert isinstance(decision, Decision)
    assert decision.result == "limited"
    assert decision.failed_reason is None
    assert isinstance(decision.settlement, RetryLater)
    return decision.settlement


async def test_who_finds_no_room_comes_again_after_the_wait_and_has_lost_no_attempt(bench: Bench) -> None:
    assert isinstance(await bench.let_in(), Work)
    assert isinstance(await bench.let_in(), Work)
    decision = await bench.let_in(headers={"x-asya-attempt": 2, "x-asya-delivery": 3, "mine": 1})
    again = waits(decision)
    assert again.delay_s == pytest.approx(61)
    headers = sent(again.body)["headers"]
    assert headers == {"tenant": "a", "x-asya-attempt": 2, "x-asya-delivery": 3, "mine": 1, "x-asya-waits": 1}
    assert isinstance(decision, Decision) and decision.cause == "limit 'openai': 2 requests a minute"
    second = await bench.admission.let_in(again.body)
    assert sent(waits(second).body)["headers"]["x-asya-waits"] == 2
    bench.clock.now_s += again.delay_s
    admitted = await bench.admission.let_in(again.body)
    assert isinstance(admitted, Work) and admitted.lease
    counted = bench.metrics.registry.get_sample_value
    assert counted("asya_actor_limit_waits_total", {"queue": "ocr", "limit": "openai"}) == 2


async def test_a_key_that_is_full_holds_up_no_other(bench: Bench) -> None:
    for _ in range(2):
        await bench.let_in(tenant="a")
    waits(await bench.let_in(tenant="a"))
    assert isinstance(await bench.let_in(tenant="b"), Work)


async def test_what_a_handler_says_that_it_spent_counts(bench: Bench, hop: Hop, moment: Moment) -> None:
    work = await bench.let_in(900)
    assert isinstance(work, Work)
    waits(await bench.let_in(200))
    output = Item(msgspec.Raw(b'{"usage": {"total": 150}}'))
    spent = spent_in([output, output], hop.limits)
    assert spent == {"openai": 300.0}
    await bench.admission.let_go(work, replace(decide(work, Replied((output,)), hop, moment), use=Use(spent)))
    assert isinstance(await bench.let_in(700, headers={"x-asya-waits": 1}), Work)


async def test_a_call_that_no_handler_has_seen_counts_nowhere(bench: Bench) -> None:
    work = await bench.let_in(900)
    assert isinstance(work, Work)
    await bench.admission.let_go(work, None)
    await bench.admission.let_go(work, None)
    assert await bench.limiter.standings() == []


async def test_too_many_requests_pause_the_key_for_everybody(bench: Bench, hop: Hop, moment: Moment) -> None:
    work = await bench.let_in()
    assert isinstance(work, Work)
    decision = decide(work, Replied(error=BUSY), hop, moment)
    again = waits(decision)
    assert again.delay_s == 7.0
    headers = sent(again.body)["headers"]
    assert (headers["x-asya-attempt"], headers["x-asya-throttled"]) == (1, 1)
    await bench.admission.let_go(work, replace(decision, use=Use(pause_s=7.0)))
    delayed = waits(await bench.let_in())
    assert delayed.delay_s == pytest.approx(7.0)
    assert isinstance(await bench.let_in(tenant="b"), Work)
    bench.clock.now_s += 7.1
    assert isinstance(await bench.admission.let_in(again.body), Work)


@pytest.mark.parametrize(("retry_after_s", "delay_s"), [(0.0, DEFAULT_PAUSE_S), (0.2, 1.0), (9999.0, 900.0)])
def test_the_pause_is_the_services_within_reason(
    retry_after_s: float, delay_s: float, make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    decision = decide(make_work(), Replied(error=replace(BUSY, retry_after_s=retry_after_s)), hop, moment)
    assert waits(decision).delay_s == delay_s


def test_a_service_that_never_stops_refusing_uses_up_attempts_in_the_end(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    work = make_work(headers={"x-asya-throttled": MOST_THROTTLES})
    decision = decide(work, Replied(error=BUSY), hop, moment)
    assert decision.result == "retried"
    assert isinstance(decision.settlement, RetryLater) and decision.settlement.delay_s == 7.0
    last = decide(replace(work, attempt=hop.retry.max_attempts), Replied(error=BUSY), hop, moment)
    assert [send.actor for send in last.sends] == ["error-end"]


def test_without_limits_the_wait_is_obeyed_and_the_attempt_counts(make_work: MakeWork, moment: Moment) -> None:
    decision = decide(make_work(), Replied(error=BUSY), Hop(actor="ocr"), moment)
    assert decision.result == "retried"
    assert isinstance(decision.settlement, RetryLater) and decision.settlement.delay_s == 7.0


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("many", 'payload.maxTokens is "many"'),
        (-1, "payload.maxTokens is -1"),
        (True, "payload.maxTokens is true"),
        (None, "payload.maxTokens is missing"),
        (1001, "a cost of 1001 is more than the 1000"),
    ],
)
async def test_a_cost_that_no_limit_can_grant_ends_the_envelope(bench: Bench, cost: object, words: str) -> None:
    decision = await bench.let_in(cost)
    assert isinstance(decision, Decision)
    assert decision.settlement == Ack()
    assert [send.actor for send in decision.sends] == ["error-end"]
    assert words in sent(decision.sends[0].body)["payload"]["error"]


@pytest.mark.parametrize(
    ("payload", "path", "cost"),
    [({"a": [{"b": 3}]}, "payload.a.0.b", 3.0), (7, "payload", 7.0), ({}, "headers.n.m", 4.0)],
)
def test_paths_lead_through_objects_lists_and_headers(
    payload: object, path: str, cost: float, make_work: MakeWork
) -> None:
    work = make_work(payload=payload, headers={"n.m": 4})
    asks = asks_of(work, Hop(actor="ocr", limits=(Rule(name="x", tokens_per_minute=9, cost=path),)))
    assert isinstance(asks, tuple) and asks[0].cost == cost


@pytest.mark.parametrize(("value", "key"), [("acme", "acme"), (7, "7"), ({"a": 1}, '{"a":1}'), (None, "")])
def test_any_json_is_a_key(value: object, key: str, make_work: MakeWork) -> None:
    asks = asks_of(make_work(headers={"t": value}), Hop(actor="ocr", limits=(Rule(name="x", key="headers.t"),)))
    assert isinstance(asks, tuple) and asks[0].key == key


def test_who_cannot_be_in_time_does_not_wait(make_work: MakeWork, hop: Hop) -> None:
    work = make_work(deadline=format_time(NOW + timedelta(seconds=5)))
    decision = wait(work, hop, 6.0, "limit 'openai'", NOW)
    assert [send.actor for send in decision.sends] == ["error-end"]
    assert "Deadline passes while the envelope waits 6s" in sent(decision.sends[0].body)["payload"]["error"]
    assert waits(wait(work, hop, 4.0, "limit 'openai'", NOW))


class Away(MemoryLimits):
    """A store that is cut off until told otherwise."""

    gone = True

    async def change(self, *args: Any, **named: Any) -> Any:
        if self.gone:
            raise StoreUnavailable("cut")
        return await super().change(*args, **named)


@pytest.mark.parametrize("when_away", ["open", "closed"])
async def test_without_the_store_calls_run_or_wait_as_the_limit_says(
    when_away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = msgspec.structs.replace(RULE, when_away=when_away)
    hop = Hop(actor="ocr", limits=(rule,))
    store = Away()
    admission = Admission(hop, limits=Limits(hop, Limiter(store)))
    body = envelope_bytes(payload={"maxTokens": 1})
    found = [await admission.let_in(body) for _ in range(5)]
    if when_away == "open":
        assert all(isinstance(each, Work) and not each.lease for each in found)
    else:
        assert [waits(each).delay_s for each in found] == [AWAY_PAUSE_S] * 5
    store.gone = False
    monkeypatch.setattr("asya_sidecar.limits.time.monotonic", lambda: 1e12)
    back = await admission.let_in(body)
    assert isinstance(back, Work) and back.lease


async def test_an_end_that_could_not_be_told_is_told_later(hop: Hop) -> None:
    store = Away()
    store.gone = False
    limits = Limits(hop, Limiter(store))
    admission = Admission(hop, limits=limits)
    work = await admission.let_in(envelope_bytes(payload={"maxTokens": 900}))
    assert isinstance(work, Work)
    store.gone = True
    await admission.let_go(work, None)
    store.gone = False
    await limits.tell()
    assert await Limiter(store).take([Ask(RULE, "", 900)], "next") is None


async def test_a_drain_returns_what_is_held(bench: Bench) -> None:
    assert isinstance(await bench.let_in(), Work)
    await bench.admission.close()
    (standing,) = await bench.limiter.standings()
    assert standing.running == 0


async def test_an_actor_without_limits_asks_nobody(make_work: MakeWork) -> None:
    work = await Admission(Hop(actor="ocr")).let_in(envelope_bytes())
    assert isinstance(work, Work) and work.lease == ""
    assert json.loads(work.body)["id"] == "e1"
