"""Begin and end of a controller: reconciles wait for every actor to be seen, and stop at once, whatever kopf still does."""

import asyncio
from typing import Any

import kopf
import pytest

from asya_kube import resources
from asya_kube.api import ApiError, ApiUnavailable, ObjectMissing
from asya_kube.resources import Kind
from asya_operator.controller import Controller
from asya_operator.first_list import LIST_AGAIN_S, PATIENCE_S, await_actors
from asya_operator.metrics import Metrics
from asya_operator.world import Key, World


class Api:
    """A stand-in for an API server with these actors; each list is an event."""

    def __init__(self, *lists: list[Key] | ApiError) -> None:
        self.lists = list(lists)
        self.asked = asyncio.Event()

    async def list_metadata(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        assert kind is resources.ACTOR
        self.asked.set()
        found = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, ApiError):
            raise found
        return [{"namespace": namespace, "name": name} for namespace, name in found]


class Reconciles:
    """A stand-in for a reconciler whose pass lasts until it is dropped."""

    def __init__(self) -> None:
        self.began, self.dropped = asyncio.Event(), asyncio.Event()

    async def reconcile(self, key: Key) -> float | None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.dropped.set()
        return None


async def test_a_look_is_dropped_at_once_while_the_watches_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    watches_end = asyncio.Event()

    async def watch(**_: Any) -> None:
        """Stands for kopf, which ends only some time after it is told to."""
        await watches_end.wait()

    monkeypatch.setattr(kopf, "operator", watch)
    reconciles, stop = Reconciles(), asyncio.Event()
    controller = Controller(World(), reconciles, Metrics(), workers=1, api=Api([]))  # type: ignore[arg-type]
    running = asyncio.create_task(controller.run(stop))
    controller.enqueue(("team", "ocr"))
    async with asyncio.timeout(60):
        await reconciles.began.wait()
        stop.set()
        await reconciles.dropped.wait()
        assert not running.done()
        watches_end.set()
        await running


async def test_no_reconcile_begins_before_every_actor_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch(stop_flag: asyncio.Event, **_: Any) -> None:
        """Stands for kopf that shows nothing: the test does."""
        await stop_flag.wait()

    monkeypatch.setattr(kopf, "operator", watch)
    world, reconciles, stop = World(), Reconciles(), asyncio.Event()
    api = Api([("a", "ocr"), ("b", "ocr")])
    controller = Controller(world, reconciles, Metrics(), workers=1, api=api)  # type: ignore[arg-type]
    running = asyncio.create_task(controller.run(stop))
    async with asyncio.timeout(60):
        await api.asked.wait()
        for namespace in ("b", "a"):
            for _ in range(100):
                await asyncio.sleep(0)  # a turn of the loop
            assert not reconciles.began.is_set()
            for key in world.note(resources.ACTOR, None, declared(namespace)):
                controller.enqueue(key)
        await reconciles.began.wait()
        stop.set()
        await running


class Time:
    """A clock that goes where somebody sleeps; at each sleep the watch may show one more actor."""

    def __init__(self, world: World, *shown: str) -> None:
        self.world, self.shown, self.now_s = world, list(shown), 0.0

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s
        if self.shown:
            self.world.note(resources.ACTOR, None, declared(self.shown.pop(0)))


def declared(namespace: str) -> dict[str, Any]:
    meta = {"name": "ocr", "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"transport": "sqs"}}


A, B = ("a", "ocr"), ("b", "ocr")


@pytest.mark.parametrize(
    ("lists", "shown", "seen", "between_s"),
    [
        ([[]], [], True, (0, 0)),
        ([ObjectMissing("no CRD")], [], True, (0, 0)),
        ([[A, B]], ["b", "a"], True, (0.1, 1)),
        ([[A, B], [B]], ["b"], True, (LIST_AGAIN_S, LIST_AGAIN_S + 1)),
        ([ApiUnavailable("away"), [A]], ["a"], True, (1, 2)),
        ([[A, B]], ["b"], False, (PATIENCE_S, PATIENCE_S + LIST_AGAIN_S)),
        ([ApiUnavailable("away")], [], False, (PATIENCE_S, PATIENCE_S + 1)),
    ],
    ids=[
        "none",
        "no CRD",
        "shown one by one",
        "one goes",
        "list fails once",
        "one is never shown",
        "list always fails",
    ],
)
async def test_reconciles_begin_when_every_actor_was_seen_or_is_gone(
    lists: list[Any], shown: list[str], seen: bool, between_s: tuple[float, float]
) -> None:
    world = World()
    time = Time(world, *shown)
    assert await await_actors(Api(*lists), world, clock=lambda: time.now_s, sleep=time.sleep) is seen  # type: ignore[arg-type]
    assert between_s[0] <= time.now_s <= between_s[1]


async def test_a_list_that_takes_long_is_compared_all_the_same() -> None:
    world = World()
    time, api = Time(world), Api([A])
    answer = api.list_metadata

    async def slowly(kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        time.now_s += 2 * LIST_AGAIN_S
        return await answer(kind)

    api.list_metadata = slowly  # type: ignore[method-assign]
    world.note(resources.ACTOR, None, declared("a"))
    assert await await_actors(api, world, clock=lambda: time.now_s, sleep=time.sleep)  # type: ignore[arg-type]
    assert time.now_s == 2 * LIST_AGAIN_S


async def test_of_some_namespaces_each_is_listed_and_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    watched: dict[str, Any] = {}

    class Listed(Api):
        async def list_metadata(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
            asked.append(namespace)
            return []

    async def watch(stop_flag: asyncio.Event, **given: Any) -> None:
        watched.update(given)
        await stop_flag.wait()

    monkeypatch.setattr(kopf, "operator", watch)
    reconciles, stop = Reconciles(), asyncio.Event()
    controller = Controller(World(), reconciles, Metrics(), 1, Listed([]), namespaces={"b", "a"})  # type: ignore[arg-type]
    controller.enqueue(("a", "ocr"))
    running = asyncio.create_task(controller.run(stop))
    async with asyncio.timeout(60):
        await reconciles.began.wait()
        stop.set()
        await running
    assert asked == ["a", "b"]
    assert (watched["clusterwide"], watched["namespaces"]) == (False, ["a", "b"])
