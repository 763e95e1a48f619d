"""The end of an actor: pods before the queue, and a broker that does not take the deletion of its queue."""

import json
import re
from typing import Any

from asya_kube import resources
from asya_manifest.labels import FINALIZER
from asya_operator.finish import (
    BROKER_PATIENCE_S,
    BROKER_PAUSE_S,
    PODS_GO_S,
    PODS_STAY_S,
    WORLD_PATIENCE_S,
    Finisher,
)
from asya_operator.kept_queues import KeptQueues
from asya_operator.settings import OperatorSettings
from asya_operator.transport_config import TransportConfig, parse_transports
from asya_operator.world import World
from asya_protocol.errors import TransportUnavailable

ACTOR: dict[str, Any] = {
    "metadata": {"namespace": "team", "name": "ocr", "uid": "u1", "finalizers": [FINALIZER, "theirs"]},
    "spec": {"transport": "sqs"},
}

TRANSPORTS = {"transports": {"sqs": {"type": "sqs", "enabled": True, "config": {"region": "eu-west-1"}}}}


class Api:
    """A stand-in for the API server that holds the actor alone."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []
        self.lists: list[dict[str, str]] = []
        self.pods: list[dict[str, Any]] = []
        self.selectors: list[tuple[resources.Kind, str | None, str]] = []

    async def list(
        self, kind: resources.Kind, namespace: str | None = None, selector: str = ""
    ) -> list[dict[str, Any]]:
        self.selectors.append((kind, namespace, selector))
        return self.pods

    async def get(self, kind: resources.Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return ACTOR if kind is resources.ACTOR else None

    async def apply(self, manifest: dict[str, Any]) -> None:
        assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("ConfigMap", "asya-system")
        self.lists.append(manifest["data"])

    async def patch(self, kind: resources.Kind, namespace: str, name: str, changes: dict[str, Any]) -> None:
        self.patches.append(changes)


class Queues:
    """A stand-in for a broker that is away so often, and then finds the queue empty."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0
        self.empty = True

    async def delete(self, queue: str, transport: TransportConfig, namespace: str, *, force: bool) -> bool:
        self.asked += 1
        self.failures -= 1
        if self.failures >= 0:
            raise TransportUnavailable("away")
        return self.empty

    def manages(self, _transport: TransportConfig) -> bool:
        return True


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def record(self, raw: dict[str, Any], kind: str, reason: str, message: str) -> None:
        self.told.append((kind, reason))


class Stage:
    """A finisher before a broker that fails so often."""

    def __init__(self, failures: int) -> None:
        self.api, self.queues, self.recorder = Api(), Queues(failures), Recorder()
        transports = parse_transports(json.dumps(TRANSPORTS))
        settings = OperatorSettings(transports=transports)
        self.world = World()
        api: Any = self.api
        kept = KeptQueues(api, "asya-system")
        parts: tuple[Any, ...] = (api, self.world, self.queues, self.recorder, settings)
        self.finisher = Finisher(*parts, kept=kept)


async def test_a_broker_that_stumbles_is_asked_again() -> None:
    stage = Stage(2)
    for now_s in (0.0, BROKER_PAUSE_S):
        assert await stage.finisher.finish(ACTOR, now_s) == BROKER_PAUSE_S
    assert (stage.api.patches, stage.recorder.told) == ([], [])
    assert await stage.finisher.finish(ACTOR, 2 * BROKER_PAUSE_S) is None
    assert stage.recorder.told == [("Normal", "QueueDeleted")]
    assert stage.api.patches == [{"metadata": {"finalizers": ["theirs"]}}]


async def test_a_broker_that_stays_away_does_not_hold_an_actor() -> None:
    stage = Stage(1_000_000)
    assert await stage.finisher.finish(ACTOR, 0.0) == BROKER_PAUSE_S
    assert await stage.finisher.finish(ACTOR, BROKER_PATIENCE_S) is None
    assert stage.recorder.told == [("Warning", "QueueKept")]
    assert [list(each.values()) for each in stage.api.lists] == [["team"]]
    assert stage.api.patches == [{"metadata": {"finalizers": ["theirs"]}}]


async def test_a_pod_that_no_watch_has_shown_yet_keeps_the_queue() -> None:
    stage = Stage(0)
    stage.api.pods = [{"metadata": {"name": "ocr-1"}}]
    assert await stage.finisher.finish(ACTOR, 0.0) == PODS_GO_S
    assert (stage.queues.asked, stage.api.patches) == (0, [])
    assert stage.api.selectors == [(resources.POD, "team", "asya.sh/asya=ocr")]
    stage.api.pods = []
    assert await stage.finisher.finish(ACTOR, PODS_GO_S) is None
    assert stage.recorder.told == [("Normal", "QueueDeleted")]


async def test_a_pod_whose_end_no_watch_has_told_does_not_hold_an_actor() -> None:
    """A watch that broke off and lists anew says nothing of what went meanwhile."""
    stage = Stage(0)
    stage.world.note(resources.ACTOR, "ADDED", ACTOR)
    meta = {"name": "ocr-1", "namespace": "team", "labels": {"asya.sh/asya": "ocr"}}
    pod = {"metadata": meta, "spec": {"containers": []}, "status": {"phase": "Running"}}
    stage.world.note(resources.POD, "ADDED", pod)
    assert await stage.finisher.finish(ACTOR, 0.0) == PODS_GO_S
    assert await stage.finisher.finish(ACTOR, PODS_GO_S) == PODS_GO_S
    assert stage.api.selectors == []
    stage.api.pods = [pod]
    assert await stage.finisher.finish(ACTOR, WORLD_PATIENCE_S) == PODS_STAY_S
    stage.api.pods = []
    assert await stage.finisher.finish(ACTOR, WORLD_PATIENCE_S + PODS_STAY_S) is None
    assert stage.recorder.told == [("Normal", "QueueDeleted")]


async def test_a_queue_that_stays_is_its_namespaces_until_it_is_gone() -> None:
    stage = Stage(0)
    stage.queues.empty = False
    stage.world.note(resources.ACTOR, "ADDED", ACTOR)
    assert await stage.finisher.finish(ACTOR, 0.0) is None
    assert stage.recorder.told == [("Normal", "QueueKept")]
    assert [list(each.values()) for each in stage.api.lists] == [["team"]]
    (name,) = stage.world.kept
    assert re.fullmatch(r"[-._a-zA-Z0-9]+", name), "a ConfigMap takes no other key"
    stage.queues.empty = True
    assert await stage.finisher.finish(ACTOR, 1.0) is None
    assert (stage.world.kept, stage.api.lists[-1]) == ({}, {})
