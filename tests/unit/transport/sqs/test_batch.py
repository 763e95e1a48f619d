"""Coalescing: company where there is some, and to each caller its own result."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import pytest

from asya_protocol.errors import EnvelopeRefused, QueueMissing, TransportError, TransportUnavailable
from asya_transport.sqs.batch import BUSY_FACTOR, Coalescer

NEVER_S = 3600.0


class Wire:
    """Records requests; fails what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.singles: list[str] = []
        self.failing: set[str] = set()
        self.batch_error: TransportError | None = None
        self.single_errors: dict[str, TransportError] = {}
        self.gate: asyncio.Event | None = None

    async def perform(self, batch: Sequence[str]) -> Collection[int]:
        self.batches.append(list(batch))
        if self.gate is not None:
            await self.gate.wait()
        if self.batch_error is not None:
            raise self.batch_error
        return [index for index, each in enumerate(batch) if each in self.failing]

    async def perform_one(self, entry: str) -> None:
        self.singles.append(entry)
        if entry in self.single_errors:
            raise self.single_errors[entry]

    def coalescer(self, *, linger_s: float = 0.0, max_bytes: int = 1000) -> Coalescer[str]:
        return Coalescer(self.perform, self.perform_one, linger_s=linger_s, max_bytes=max_bytes)


async def test_concurrent_entries_travel_together_ten_at_most() -> None:
    wire = Wire()
    coalescer = wire.coalescer()
    await asyncio.gather(*(coalescer.do(str(number)) for number in range(23)))
    assert [len(batch) for batch in wire.batches] == [10, 10, 3]


async def test_a_lonely_entry_travels_alone_after_the_linger() -> None:
    wire = Wire()
    await wire.coalescer().do("a")
    assert (wire.batches, wire.singles) == ([], ["a"])


async def test_a_full_batch_does_not_linger() -> None:
    wire = Wire()
    coalescer = wire.coalescer(linger_s=NEVER_S)
    await asyncio.gather(*(coalescer.do(str(number)) for number in range(10)))
    assert len(wire.batches) == 1


async def test_a_batch_never_exceeds_the_size_limit() -> None:
    wire = Wire()
    coalescer = wire.coalescer(max_bytes=100)
    await asyncio.gather(*(coalescer.do(name, 40) for name in "abcde"))
    assert wire.batches == [["a", "b"], ["c", "d"]]
    assert wire.singles == ["e"]


async def test_an_entry_that_fails_in_a_batch_is_tried_alone_and_only_its_caller_hears_of_it() -> None:
    wire = Wire()
    wire.failing, wire.single_errors = {"b", "c"}, {"c": EnvelopeRefused("bad")}
    coalescer = wire.coalescer()
    results = await asyncio.gather(*(coalescer.do(name) for name in "abcd"), return_exceptions=True)
    assert [type(each) for each in results] == [type(None), type(None), EnvelopeRefused, type(None)]
    assert wire.singles == ["b", "c"]


async def test_a_batch_refused_as_a_whole_is_tried_one_by_one() -> None:
    wire = Wire()
    wire.batch_error, wire.single_errors = EnvelopeRefused("one of them"), {"b": EnvelopeRefused("this one")}
    coalescer = wire.coalescer()
    results = await asyncio.gather(*(coalescer.do(name) for name in "abc"), return_exceptions=True)
    assert [str(each) for each in results] == ["None", "this one", "None"]


@pytest.mark.parametrize("error", [TransportUnavailable("away"), QueueMissing("asya-ocr")])
async def test_an_error_that_meets_all_entries_alike_reaches_every_caller_without_more_requests(
    error: TransportError,
) -> None:
    wire = Wire()
    wire.batch_error = error
    coalescer = wire.coalescer()
    results = await asyncio.gather(*(coalescer.do(name) for name in "abc"), return_exceptions=True)
    assert (results, wire.singles) == ([error] * 3, [])


async def test_a_caller_cancelled_before_its_batch_left_is_left_out() -> None:
    wire = Wire()
    coalescer = wire.coalescer(linger_s=NEVER_S)
    cancelled = asyncio.ensure_future(coalescer.do("a"))
    others = [asyncio.ensure_future(coalescer.do(name)) for name in "bc"]
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await coalescer.finish()
    await asyncio.gather(*others)
    assert wire.batches == [["b", "c"]]


async def test_finishing_sends_what_lingers_and_waits_for_what_is_under_way() -> None:
    wire = Wire()
    wire.gate = asyncio.Event()
    coalescer = wire.coalescer(linger_s=NEVER_S)
    entries = [asyncio.ensure_future(coalescer.do(name)) for name in "ab"]
    await asyncio.sleep(0)
    finishing = asyncio.ensure_future(coalescer.finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    wire.gate.set()
    await finishing
    assert all(each.done() for each in entries)


async def test_where_there_is_company_the_next_batch_waits_longer_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    coalescer = wire.coalescer(linger_s=0.01)
    loop = asyncio.get_running_loop()
    lingered: list[float] = []

    def call_later(delay_s: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        lingered.append(delay_s)
        return type(loop).call_later(loop, delay_s, callback)

    monkeypatch.setattr(loop, "call_later", call_later)
    await asyncio.gather(coalescer.do("a"), coalescer.do("b"))
    await asyncio.gather(coalescer.do("c"), coalescer.do("d"))
    assert wire.batches == [["a", "b"], ["c", "d"]]
    assert lingered == [0.01, 0.01 * BUSY_FACTOR]
