"""Schedules: what a file may say, when they fire, and that a fire is made once, whichever replicas look for it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from asya_gateway.calls import SENDING_S, Calls
from asya_gateway.records.lifecycle import Ended, Sending
from asya_gateway.records.record import Record
from asya_gateway.schedules.cron import check, due, fires_after, jitter_s
from asya_gateway.schedules.runner import SKIPPED, Schedules, key_of
from asya_gateway.store.memory import MemoryStore
from asya_gateway.tools.toolbox import Toolbox
from asya_manifest.schedules import Schedule, parse_schedules
from asya_manifest.tools import InvalidTools, parse_tools
from asya_protocol.envelope import parse_envelope
from asya_protocol.names import QueueNames
from asya_transport.port import Transport

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
NIGHTLY = Schedule("nightly", "t", "0 3 * * *")
TOOLS = "tools: [{name: t, route: [a], parameters: {n: {type: integer}}}]\n"


def parsed(text: str) -> dict[str, Schedule]:
    texts = [("f", TOOLS + text)]
    return parse_schedules(texts, parse_tools(texts))


def test_a_schedule_is_a_part_of_a_tool_file() -> None:
    found = parsed(
        "schedules: [{name: nightly, tool: t, arguments: {n: 1}, cron: '0 3 * * 1-5', timeZone: Europe/Berlin,"
        " jitter: 5m, overlap: allow, catchUp: 1h}]"
    )
    nightly = Schedule("nightly", "t", "0 3 * * 1-5", {"n": 1}, "Europe/Berlin", 300.0, "allow", 3600.0)
    assert found == {"nightly": nightly}
    assert parsed("") == {}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("{tool: t, cron: '@daily'}", "missing required field `name`"),
        ("{name: Nightly, tool: t, cron: '@daily'}", r"matching regex .*\$.name"),
        ("{name: n, tool: u, cron: '@daily'}", r'there is no tool "u"'),
        ("{name: n, tool: t, cron: '@daily', when: now}", "unknown field `when`"),
        ("{name: n, tool: t, cron: '@daily', overlap: queue}", "Invalid enum value 'queue'"),
        ("{name: n, tool: t, cron: '@daily', jitter: soon}", "jitter: 'soon' is not a duration"),
        (
            "{name: n, tool: t, cron: '@daily', catchUp: 1s}",
            "catchUp: must be at least 30s, and with the jitter at most",
        ),
        ("{name: n, tool: t, cron: '@daily', catchUp: 22h, jitter: 2h}", "catchUp: must be at least 30s"),
        ("{name: n, tool: t, cron: '@daily'}, {name: n, tool: t, cron: '@daily'}", "duplicate schedule name"),
        ("{name: n, tool: t, cron: '0 0 30 2 *'}", "cron '0 0 30 2 \\*' never fires"),
        ("{name: n, tool: t, cron: '61 * * * *'}", "cannot be read: .*out of range"),
        ("{name: n, tool: t, cron: '* * * * * *'}", "must have five fields"),
        ("{name: n, tool: t, cron: 'R 3 * * *'}", "leaves a field to chance"),
        ("{name: n, tool: t, cron: '@reboot'}", "cannot be read"),
        ("{name: n, tool: t, cron: '@daily', timeZone: Mars}", "timeZone 'Mars' is no IANA name"),
        ("{name: n, tool: t, cron: '@daily', timeZone: ../etc}", "is no IANA name"),
        ("{name: n, tool: t, cron: '@daily', arguments: {n: one}}", "invalid parameter n"),
    ],
)
def test_what_cannot_be_is_refused_with_its_file_and_place(entry: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "tools.yaml"
    file.write_text(f"{TOOLS}schedules: [{entry}]")
    with pytest.raises(InvalidTools, match=text):
        Toolbox(file)


def first(schedule: Schedule, moment: datetime, count: int) -> list[str]:
    fires = fires_after(schedule, moment)
    return [next(fires).isoformat()[:16] for _ in range(count)]


@pytest.mark.parametrize(
    ("cron", "begin", "expected"),
    [
        ("0 3 * * *", datetime(2026, 12, 1, tzinfo=UTC), ["2026-12-01T02:00", "2026-12-02T02:00"]),
        # 2026-03-29: 02:30 does not come; 2026-10-25: it comes twice.
        ("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("30 * * * *", datetime(2026, 10, 25, 0, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-25T01:30"]),
        ("0 0 29 2 *", datetime(2026, 12, 1, tzinfo=UTC), ["2028-02-28T23:00", "2032-02-28T23:00"]),
    ],
)
def test_a_schedule_fires_by_the_clock_of_its_zone(cron: str, begin: datetime, expected: list[str]) -> None:
    schedule = Schedule("n", "t", cron, time_zone="Europe/Berlin")
    check(schedule, begin)
    assert first(schedule, begin, 2) == expected


def test_a_fire_is_due_for_as_long_as_it_may_be_made_up() -> None:
    assert due(NIGHTLY, NOW - timedelta(seconds=1)) == []
    assert due(NIGHTLY, NOW) == [NOW]
    assert due(NIGHTLY, NOW + timedelta(seconds=299)) == [NOW]
    assert due(NIGHTLY, NOW + timedelta(seconds=300)) == []
    often = replace(NIGHTLY, cron="* * * * *")
    assert due(often, NOW) == [NOW - timedelta(minutes=minutes) for minutes in (4, 3, 2, 1, 0)]


def test_jitter_is_the_same_for_a_fire_wherever_it_is_asked() -> None:
    schedule = replace(NIGHTLY, jitter_s=600.0)
    late_s = jitter_s(schedule, NOW)
    assert 0 <= late_s < 600 and late_s == jitter_s(schedule, NOW) != jitter_s(schedule, NOW + timedelta(days=1))
    turn = NOW + timedelta(seconds=late_s)
    assert due(schedule, turn - timedelta(seconds=1)) == []
    assert due(schedule, turn + timedelta(seconds=1)) == [NOW]


class Broker:
    """Stands in for a transport: keeps what is sent."""

    max_delay_s = 900.0

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, queue: str, body: bytes, *, delay_s: float = 0.0) -> None:
        self.sent.append(body)


class Bench:
    """Replicas on one store, with a clock that is turned by hand."""

    def __init__(self, replicas: int = 1, **changes: Any) -> None:
        self.now = NOW
        self.broker, self.store = Broker(), MemoryStore(lambda: self.now)
        self.schedule = replace(NIGHTLY, **changes)
        self.replicas = [self.replica() for _ in range(replicas)]

    def replica(self) -> Schedules:
        toolbox = Toolbox(None)
        toolbox.tools, toolbox.schedules = parse_tools([("f", TOOLS)]), {"nightly": self.schedule}
        calls = Calls(toolbox, self.store, cast("Transport", self.broker), QueueNames())
        return Schedules(toolbox, calls, self.store, lambda: self.now)

    async def look(self, **later: float) -> int:
        self.now += timedelta(**later)
        await asyncio.gather(*(replica.look() for replica in self.replicas))
        return len(self.broker.sent)


async def test_a_fire_is_made_once_by_however_many_replicas_and_looks() -> None:
    bench = Bench(replicas=5, arguments={"n": 7})
    assert await bench.look(seconds=-1) == 0
    assert await bench.look(seconds=1) == 1
    assert await bench.look(seconds=1) == 1
    bench.replicas.append(bench.replica())  # started anew, it remembers nothing
    assert await bench.look(seconds=1) == 1
    assert await bench.look(days=1) == 2
    assert bytes(parse_envelope(bench.broker.sent[0]).payload) == b'{"n":7}'


async def test_a_clock_that_steps_back_fires_nothing_again() -> None:
    bench = Bench()
    assert await bench.look() == 1
    assert await bench.look(hours=-2) == 1
    assert await bench.look(hours=2) == 1


async def test_a_fire_whose_replica_died_before_it_was_sent_is_sent_by_another() -> None:
    bench = Bench(replicas=2)
    await bench.store.create_once(Record("dead", ("a",), NOW, NOW), Sending(), key_of(bench.schedule, NOW), SENDING_S)
    assert await bench.look(seconds=SENDING_S + 1) == 1
    assert parse_envelope(bench.broker.sent[0]).id == "dead"


async def test_a_fire_that_was_missed_for_too_long_is_left_out() -> None:
    bench = Bench(catch_up_s=60.0)
    assert await bench.look(seconds=61) == 0


@pytest.mark.parametrize(("overlap", "sent"), [("skip", 1), ("allow", 2)])
async def test_a_fire_beside_an_open_one_is_skipped_for_good_or_made(overlap: str, sent: int) -> None:
    bench = Bench(replicas=2, cron="* * * * *", overlap=overlap, catch_up_s=30.0)
    assert await bench.look() == 1
    assert await bench.look(minutes=1) == sent
    claim = await bench.store.claim(key_of(bench.schedule, bench.now))
    record = None if claim is None else await bench.store.get(claim.envelope_id)
    assert record is not None and record.error == (SKIPPED if overlap == "skip" else None)
    # Once the open one has ended, what was skipped is not made up, and the next fire is made.
    for body in list(bench.broker.sent):
        await bench.store.report(parse_envelope(body).id, Ended(succeeded=True))
    bench.replicas.append(bench.replica())
    assert await bench.look(seconds=1) == sent
    assert await bench.look(seconds=59) == sent + 1
