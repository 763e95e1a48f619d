"""What one replica tells the others: much at once, nothing twice to itself, nothing lost to a database that is away."""

import asyncio

import pytest

from asya_gateway.store import postgres_notices
from asya_gateway.store.postgres_notices import Notices
from asya_protocol.errors import StoreUnavailable


class Channel:
    """What was put on the channel; fails as often as asked."""

    def __init__(self, failures: int = 0) -> None:
        self.sent: list[list[str]] = []
        self.failures = failures
        self.flushed = asyncio.Event()

    async def send(self, payloads: list[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        self.sent.append(payloads)
        self.flushed.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_notices, "LINGER_S", 0.0)
    monkeypatch.setattr(postgres_notices, "RETRY_S", 0.0)


async def test_what_changes_together_is_told_in_one_statement_and_heard_by_others_alone() -> None:
    channel, woken, heard = Channel(), list[str](), list[str]()
    mine, other = Notices(channel.send), Notices(channel.send)
    mine.wake, other.wake = woken.append, heard.append
    for topic in ("a", "b", "a", "a b"):
        mine.tell(topic)
    assert woken == ["a", "b", "a", "a b"]  # at once, without the database
    await channel.flushed.wait()
    (payloads,) = channel.sent
    assert len(payloads) == 3
    for payload in payloads:
        mine.hear(payload)
        other.hear(payload)
    assert (woken[4:], heard) == ([], ["a", "b", "a b"])
    await mine.close()
    assert len(channel.sent) == 1


async def test_a_database_that_is_away_is_told_later() -> None:
    channel = Channel(failures=3)
    notices = Notices(channel.send)
    notices.tell("a")
    await channel.flushed.wait()
    assert [payload.split()[1] for payload in channel.sent[0]] == ["a"]
    await notices.close()


async def test_the_last_ones_are_told_at_the_end() -> None:
    channel = Channel()
    notices = Notices(channel.send)
    notices.tell("a")
    await notices.close()
    assert len(channel.sent) == 1
    away = Notices(Channel(failures=9).send)
    away.tell("a")
    await away.close()  # and no failure


async def test_too_many_become_a_word_that_everything_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_notices, "MOST", 2)
    channel, heard = Channel(), list[str]()
    notices, other = Notices(channel.send), Notices(channel.send)
    other.wake = heard.append
    for topic in ("a", "b", "c"):
        notices.tell(topic)
    await channel.flushed.wait()
    for payload in channel.sent[0]:
        other.hear(payload)
    assert heard == [""]
    await notices.close()


async def test_what_changes_while_others_are_being_told_is_told_too() -> None:
    channel, sending, go_on = Channel(), asyncio.Event(), asyncio.Event()

    async def send(payloads: list[str]) -> None:  # the statement is made, and its answer takes a while
        sending.set()
        await go_on.wait()
        await channel.send(payloads)

    notices = Notices(send)
    notices.tell("a")
    await sending.wait()
    notices.tell("a")
    notices.tell("b")
    go_on.set()
    async with asyncio.timeout(60):
        while len(channel.sent) < 2:
            await asyncio.sleep(0)
    assert [[payload.split()[1] for payload in payloads] for payloads in channel.sent] == [["a"], ["a", "b"]]
    await notices.close()
    assert len(channel.sent) == 2


async def test_what_was_on_its_way_when_it_failed_or_was_stopped_is_told_again() -> None:
    channel, sending = Channel(), asyncio.Event()

    async def hang(payloads: list[str]) -> None:
        sending.set()
        if len(payloads) == 1:
            await asyncio.Event().wait()
        await channel.send(payloads)

    notices = Notices(hang)
    notices.tell("a")
    await sending.wait()
    notices.tell("b")
    await notices.close()
    assert [payload.split()[1] for payload in channel.sent[0]] == ["a", "b"]

    async def fail(payloads: list[str]) -> None:
        if not channel.failures:
            failing.tell("c")
            channel.failures = 1
            raise StoreUnavailable("away")
        channel.failures = 0
        await channel.send(payloads)

    channel = Channel()
    failing = Notices(fail)
    failing.tell("b")
    async with asyncio.timeout(60):
        await channel.flushed.wait()
    assert [payload.split()[1] for payload in channel.sent[0]] == ["b", "c"]
    await failing.close()


async def test_too_many_while_others_are_being_told_are_a_word_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_notices, "MOST", 2)
    sent: list[list[str]] = []

    async def fail_once(payloads: list[str]) -> None:
        sent.append(payloads)
        if len(sent) == 1:
            notices.tell("c")
            raise StoreUnavailable("away")

    notices = Notices(fail_once)
    notices.tell("a")
    notices.tell("b")
    async with asyncio.timeout(60):
        while len(sent) < 2:
            await asyncio.sleep(0)
    assert [payload.split(" ")[1] for payload in sent[1]] == [""]
    await notices.close()
