"""The feed: states for all who watch, nothing for nobody, no backlog for the slow, and words when the database is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from asya_gateway import feed as feed_module
from asya_gateway.actors.board import ActorBoard
from asya_gateway.actors.sources import QueuesAlone
from asya_gateway.feed import BEHIND_MOST, MANY, EventStream, Frame
from asya_gateway.pubsub import PubSub
from asya_gateway.records.lifecycle import Sending
from asya_gateway.records.record import Record
from asya_gateway.records.summary import Summary
from asya_gateway.store.memory import MemoryStore
from asya_protocol.errors import StoreUnavailable
from asya_protocol.names import QueueNames
from tests.support.queue_admin import Admin


class Store(MemoryStore):
    """A store that can go away, and counts who looks."""

    away = False
    looks = 0

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("envelope database: gone")
        return await super().summaries(ids)


class World:
    """A feed over a store in memory."""

    def __init__(self) -> None:
        self.store, self.pubsub = Store(), PubSub()
        board = ActorBoard(QueuesAlone(), Admin(), self.store, lambda: (), QueueNames())
        self.feed = EventStream(self.store, board, self.pubsub)

    async def make(self, name: str) -> None:
        now = datetime.now(UTC)
        await self.store.create(Record(name, ("a",), now, now))


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(feed_module, "TICK_S", 0.0)
    monkeypatch.setattr(feed_module, "BEAT_S", 0.01)
    made = World()
    await made.store.open(made.pubsub.wake)
    yield made
    made.pubsub.stop()
    await made.feed.close()


async def until(frames: AsyncIterator[Frame | None], kind: str, part: str) -> dict[str, Any]:
    """Read on to a frame of a kind that has a text in it."""
    async with asyncio.timeout(60):
        async for frame in frames:
            if frame is not None and frame[0] == kind and part in frame[1].decode():
                body: dict[str, Any] = json.loads(frame[1])
                return body
    raise AssertionError("the feed ended")


async def test_a_watcher_is_told_to_ask_first_and_then_what_changes(world: World) -> None:
    async with aclosing(world.feed.watch()) as frames:
        assert await anext(frames) == ("envelopes", b'{"envelopes":[],"more":true}')
        await until(frames, "actors", '"source":"queues"')
        await world.make("one")
        told = await until(frames, "envelopes", '"one"')
        assert (told["more"], told["counts"]["pending"]) == (False, 1)
        await world.store.report("one", Sending())
        told = await until(frames, "envelopes", '"one"')
        assert told["envelopes"][0]["status"] == "running"


async def test_many_changes_are_not_told_one_by_one(world: World) -> None:
    async with aclosing(world.feed.watch()) as frames:
        await until(frames, "actors", "queues")
        looks = world.store.looks
        for number in range(MANY * 3):
            await world.make(f"e{number}")  # nothing here waits, so that they come in one tick
        told = await until(frames, "envelopes", f'"pending":{MANY * 3}')
        assert (told["envelopes"], told["more"], world.store.looks) == ([], True, looks)


async def test_who_falls_behind_is_told_to_ask_anew(world: World) -> None:
    async with aclosing(world.feed.watch()) as slow, aclosing(world.feed.watch()) as quick:
        await anext(slow)
        await until(quick, "actors", "queues")
        for number in range(BEHIND_MOST * 3):
            await world.make(f"e{number}")
            await until(quick, "envelopes", f'"e{number}"')
        held = []
        async with asyncio.timeout(60):
            async for frame in slow:
                held.append(frame)
                if frame is not None and f'"e{BEHIND_MOST * 3 - 1}"' in frame[1].decode():
                    break
        assert len(held) <= BEHIND_MOST
        assert ("envelopes", b'{"envelopes":[],"more":true}') in held


async def test_a_database_that_is_away_is_said_and_nothing_is_missed(world: World) -> None:
    async with aclosing(world.feed.watch()) as frames:
        await until(frames, "actors", "queues")
        world.store.away = True
        await world.make("one")
        await until(frames, "problem", "envelope database: gone")
        world.store.away = False
        told = await until(frames, "envelopes", '"pending":1')
        assert told["more"]  # the page asks, and finds what was not told


async def test_nothing_is_looked_at_for_nobody_and_all_ends_with_the_gateway(world: World) -> None:
    await world.make("before")
    for _ in range(2):
        async with aclosing(world.feed.watch()) as frames:
            await until(frames, "actors", "queues")
        looks = world.store.looks
        await world.make(f"unseen{looks}")
        for _ in range(20):
            await asyncio.sleep(0)
        assert world.store.looks == looks
    async with aclosing(world.feed.watch()) as frames:
        await until(frames, "actors", "queues")
        world.pubsub.stop()
        async with asyncio.timeout(60):
            async for _ in frames:
                pass
