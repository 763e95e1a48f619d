"""Replays: which failures one takes, that each is sent once, and what a group needs."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asya_protocol.envelope import Envelope
from asya_store.failures import STALE_S, Failures, Kept
from asya_store.folder import FolderStore
from asya_store.replays import Plan, Replayed, perform, plan_replay
from asya_store.results import find_result, persist
from asya_store.settings import Prefixes

NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Mesh:
    """A store, and a broker that remembers what was sent."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.failures = Failures(self.store, Prefixes())
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.told: list[tuple[str, bool]] = []
        self.away = False

    def fail(self, name: str, payload: Any, actors: list[str], current: int, **more: Any) -> None:
        document = {"id": name, "route": {"actors": actors, "current": current}, **more, "payload": payload}
        persist(self.store, "error-asya/", document, NOW)

    async def _send(self, actor: str, body: bytes) -> None:
        if self.away:
            raise ConnectionError("broker away")
        self.sent.append((actor, json.loads(body)))

    async def _told(self, kept: Kept, envelope: Envelope | None) -> None:
        self.told.append((kept.id, envelope is not None))

    def run(self, plan: Plan, now_s: float = 1000.0) -> Replayed:
        return asyncio.run(perform(plan, self.failures, self.store, self._send, told=self._told, now_s=now_s))


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)


def broken(given: Any) -> dict[str, Any]:
    return {"error": "processing_error", "details": {"type": "KeyError", "message": "'n'"}, "original_payload": given}


def fan_out(mesh: Mesh, *failed: int, count: int = 3) -> None:
    """A fan-out of ``order`` whose children with these places failed, and so the whole."""
    route = ["split", "work", "fan-in", "sum"]
    for index in failed:
        headers = {"x-asya-lineage": [0], "x-asya-fan-in": [{"group": "order@0", "index": index, "count": count}]}
        mesh.fail(f"order-{index}", broken({"n": index}), route, 1, parent_id="order", headers=headers)
    details = {"type": "ChildrenMissing", "message": "some came"}
    payload = {"error": "processing_error", "details": details, "original_payload": []}
    mesh.fail("order", payload, route, 3, headers={"x-asya-fan-in-missing": list(failed)})


def test_a_replay_that_is_asked_twice_is_sent_once_and_its_failure_is_set_aside(mesh: Mesh) -> None:
    mesh.fail("a", broken({"n": 1}), ["one", "two"], 1)
    plan = plan_replay(mesh.failures, mesh.failures.find("a"))
    assert mesh.run(plan).replayed == ["a"]
    assert mesh.run(plan).as_json() == {"replayed": [], "completes": [], "under_way": ["a"], "refused": []}
    (sent,) = mesh.sent
    assert (sent[0], sent[1]["payload"]) == ("two", {"n": 1})
    assert mesh.failures.find("a") == []
    assert list(mesh.failures.all()) == []
    assert mesh.failures.replayed("a") and not mesh.failures.replayed("ab")
    assert find_result(mesh.store, Prefixes(), "a") is None


def test_one_that_fails_again_is_another_failure(mesh: Mesh) -> None:
    mesh.fail("a", broken(1), ["one"], 0)
    mesh.run(plan_replay(mesh.failures, mesh.failures.find("a")))
    mesh.fail("a", broken(1), ["one"], 0, headers=mesh.sent[0][1]["headers"])
    assert mesh.run(plan_replay(mesh.failures, mesh.failures.all())).replayed == ["a"]


def test_a_broker_that_is_away_leaves_the_failure_as_it_was(mesh: Mesh) -> None:
    mesh.fail("a", broken(1), ["one"], 0)
    plan = plan_replay(mesh.failures, mesh.failures.all())
    mesh.away = True
    assert isinstance(mesh.run(plan).trouble, ConnectionError)
    mesh.away = False
    assert mesh.run(plan).replayed == ["a"]


def test_a_claim_of_one_who_died_is_taken_over_after_a_minute(mesh: Mesh) -> None:
    mesh.fail("a", broken(1), ["one"], 0)
    (kept,) = mesh.failures.all()
    assert mesh.failures.claim(kept, 1000.0)
    plan = plan_replay(mesh.failures, [kept])
    assert mesh.run(plan, 1000.0 + STALE_S - 1).under_way == ["a"]
    assert mesh.run(plan, 1000.0 + STALE_S).replayed == ["a"]


def test_a_group_is_replayed_by_its_missing_children(mesh: Mesh) -> None:
    fan_out(mesh, 0, 2)
    done = mesh.run(plan_replay(mesh.failures, mesh.failures.find("order")))
    assert (done.replayed, done.completes, done.refused) == (["order-0", "order-2"], ["order"], [])
    assert [(actor, body["id"], body["parent_id"]) for actor, body in mesh.sent] == [
        ("work", "order-0", "order"),
        ("work", "order-2", "order"),
    ]
    assert mesh.told == [("order-0", True), ("order-2", True), ("order", False)]
    assert list(mesh.failures.all()) == []


def test_the_last_missing_child_completes_its_group_and_one_of_two_does_not(mesh: Mesh) -> None:
    fan_out(mesh, 1)
    assert mesh.run(plan_replay(mesh.failures, mesh.failures.find("order-1"))).completes == ["order"]
    fan_out(mesh, 0, 2)
    assert mesh.run(plan_replay(mesh.failures, mesh.failures.find("order-0"))).completes == []
    assert [kept.id for kept in mesh.failures.all()] == ["order-2", "order"]


def test_a_group_whose_child_is_elsewhere_says_so(mesh: Mesh) -> None:
    fan_out(mesh, 0, 2)
    mesh.store.delete(mesh.failures.children(mesh.failures.find("order")[0])[2].key)
    plan = plan_replay(mesh.failures, mesh.failures.find("order"))
    assert [kept.id for kept, _ in plan.sends] == ["order-0"]
    assert plan.completes == ()
    assert [(who, why.split(":")[0]) for who, why in plan.refused] == [("order", "child 2 is not at error-end")]


def test_an_own_id_of_a_childs_form_is_no_child(mesh: Mesh) -> None:
    fan_out(mesh, 1)
    mesh.fail("order-1", broken("mine"), ["one"], 0)
    (kept,) = mesh.failures.find("order-1")
    assert kept.failed.envelope.parent_id is None
    (child,) = mesh.failures.children(mesh.failures.find("order")[0]).values()
    assert child.failed.envelope.parent_id == "order"


def test_from_the_start_it_takes_what_the_caller_knows(mesh: Mesh) -> None:
    fan_out(mesh, 1)
    starts = {"order": (("split", "work", "fan-in", "sum"), b'{"pages":3}')}
    done = mesh.run(plan_replay(mesh.failures, mesh.failures.find("order"), "start", starts))
    assert (done.replayed, mesh.sent[0][0], mesh.sent[0][1]["payload"]) == (["order"], "split", {"pages": 3})


def test_what_is_large_waits_in_the_store_again(mesh: Mesh) -> None:
    mesh.fail("a", broken("x" * 300_000), ["one"], 0)
    mesh.run(plan_replay(mesh.failures, mesh.failures.all()))
    assert mesh.sent[0][1]["payload"] is None
    assert "x-asya-claim" in mesh.sent[0][1]["headers"]
