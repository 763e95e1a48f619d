"""One reconcile of an actor beside others: whose objects are whose, who has the queue, and what a refusal leaves undone."""

import copy
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from asya_kube import resources
from asya_kube.api import ApiConflict, ApiError, ApiSilent, ApiUnavailable, ObjectMissing
from asya_kube.resources import Kind, kind_of
from asya_manifest.labels import FINALIZER
from asya_operator.kept_queues import KeptQueues
from asya_operator.poller import Depths
from asya_operator.reconcile import Reconciler
from asya_operator.settings import OperatorSettings
from asya_operator.status.observation import format_time
from asya_operator.transport_config import parse_transports
from asya_operator.world import World
from tests.support.actors import actor

TRANSPORTS = parse_transports(
    json.dumps(
        {
            "transports": {
                "sqs": {"type": "sqs", "enabled": True, "config": {"region": "eu-west-1", "accountId": "1"}},
                "other": {"type": "sqs", "enabled": True, "config": {"region": "eu-west-2", "accountId": "1"}},
            }
        }
    )
)

Place = tuple[str, str, str]
"""Kind, namespace, name."""


class Cluster:
    """A stand-in for an API server and for the watches on it: what is stored here, the world is told at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects: dict[Place, dict[str, Any]] = {}
        self.failing: dict[str, ApiError] = {}
        self.deleted: list[Place] = []
        self.events: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.version = 0

    def store(self, manifest: Mapping[str, Any], event: str | None = "MODIFIED") -> dict[str, Any]:
        kind, meta = kind_of(manifest), manifest["metadata"]
        place = (kind.kind, meta["namespace"], meta["name"])
        before = self.objects.get(place)
        self.version += 1
        generation = (
            1 if before is None else before["metadata"]["generation"] + (before.get("spec") != manifest.get("spec"))
        )
        stored = copy.deepcopy(dict(manifest))
        stored["metadata"] |= {"generation": generation, "resourceVersion": str(self.version)}
        self.objects[place] = stored
        if kind is resources.ACTOR or kind in resources.WATCHED:
            self.world.note(kind, event, stored)
        return copy.deepcopy(stored)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        self.world.note(kind, "DELETED", self.objects.pop((kind.kind, namespace, name)))

    def names(self, namespace: str) -> set[str]:
        """Kinds and names of what there is in a namespace, actors aside."""
        return {f"{kind} {name}" for kind, where, name in self.objects if where == namespace and kind != "AsyncActor"}

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.objects.get((kind.kind, namespace, name)))

    async def list(self, kind: Kind, _namespace: str, fields: str = "") -> list[dict[str, Any]]:
        """The Events about one object, as the field selector asks for them."""
        assert kind is resources.EVENT
        about = (
            {f"involvedObject.{key}={value}" for key, value in self.events[0]["involvedObject"].items()}
            if self.events
            else set()
        )
        return copy.deepcopy(self.events) if about & set(fields.split(",")) else []

    async def apply(self, manifest: Mapping[str, Any], manager: str = "") -> dict[str, Any]:
        if error := self.failing.get(f"apply {manifest['kind']}"):
            raise error
        return self.store(manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "") -> bool:
        if uid and uid != self.objects[kind.kind, namespace, name]["metadata"]["uid"]:
            raise ApiConflict("the uid in the precondition does not match")
        if error := self.failing.get(f"delete {kind.kind}"):
            raise error
        if (kind.kind, namespace, name) not in self.objects:
            return False
        self.remove(kind, namespace, name)
        self.deleted.append((kind.kind, namespace, name))
        return True

    async def patch(
        self, kind: Kind, namespace: str, name: str, changes: Mapping[str, Any], subresource: str = ""
    ) -> dict[str, Any]:
        before = self.objects.get((kind.kind, namespace, name))
        if before is None:
            raise ObjectMissing("no such object")
        if subresource:
            self.statuses.append({"namespace": namespace, **changes["status"]})
        return self.store({**before, **{key: value for key, value in changes.items() if key != "metadata"}})


class Queues:
    """A stand-in for brokers that do as they are told."""

    def __init__(self) -> None:
        self.holding = False

    async def ensure(self, *_: object) -> None:
        """Every queue is as it should be."""

    async def delete(self, *_: object, force: bool) -> bool:
        """One that holds something stays."""
        return force or not self.holding

    def manages(self, _transport: object) -> bool:
        return True


class Recorder:
    """A stand-in that keeps reasons and messages."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def record(self, _actor: object, _severity: str, reason: str, message: str) -> None:
        self.told.append((reason, message))


class Stage:
    """An operator's reconciler before a cluster."""

    def __init__(self) -> None:
        self.world = World()
        self.cluster = Cluster(self.world)
        self.recorder = Recorder()
        self.queues = Queues()
        api: Any = self.cluster
        kept = KeptQueues(api, "asya-system")
        parts: dict[str, Any] = {"api": api, "queues": self.queues, "recorder": self.recorder, "kept": kept}
        self.reconciler = Reconciler(
            world=self.world,
            depths=Depths(),
            settings=OperatorSettings(transports=TRANSPORTS),
            runtime_source="pass",
            **parts,
        )

    def declare(self, name: str, namespace: str = "team", created: str = "2026-01-01T00:00:00Z", **spec: Any) -> None:
        declared = actor(name, spec.pop("transport", "sqs"), **spec)
        declared["metadata"] |= {
            "namespace": namespace,
            "uid": f"uid of {namespace}/{name}",
            "creationTimestamp": created,
            "finalizers": [FINALIZER],
        }
        self.cluster.store(declared)

    async def reconcile(self, name: str, namespace: str = "team") -> float | None:
        return await self.reconciler.reconcile((namespace, name))

    def reasons(self, namespace: str) -> list[str]:
        """Reasons of the conditions that were written last, but for Ready, which sums them up."""
        last = [status for status in self.cluster.statuses if status["namespace"] == namespace][-1]
        return [condition["reason"] for condition in last["conditions"] if condition["type"] != "Ready"]


async def test_a_look_leaves_actors_alone_that_are_named_as_objects_of_others_are() -> None:
    stage = Stage()
    neighbours = ("asya-runtime", "ocr-trigger-auth", "asya-ocr")
    for name in ("ocr", *neighbours, "ocr"):
        stage.declare(name)
        await stage.reconcile(name)
    assert stage.cluster.deleted == []
    for name in neighbours:
        assert {f"Deployment {name}", f"ScaledObject {name}"} <= stage.cluster.names("team")


async def test_a_line_about_an_object_names_its_actor(caplog: pytest.LogCaptureFixture) -> None:
    """By which docs/logs.md finds it, whatever the object is called."""
    stage = Stage()
    stage.declare("ocr")
    with caplog.at_level(logging.INFO, "asya_operator"):
        await stage.reconcile("ocr")
    lines = [record.__dict__ for record in caplog.records if record.message == "applied"]
    assert {line["object_name"] for line in lines} > {"ocr"}
    assert {(line["namespace"], line["actor"]) for line in lines} == {("team", "ocr")}


async def test_what_an_earlier_spec_wanted_goes_unless_it_has_become_somebody_elses() -> None:
    for owners, deleted in ((None, True), ([], False)):
        stage = Stage()
        stage.declare("ocr")
        await stage.reconcile("ocr")
        if owners is not None:
            taken = stage.cluster.objects["ScaledObject", "team", "ocr"]
            taken["metadata"]["ownerReferences"] = owners
        stage.declare("ocr", scaling={"enabled": False})
        await stage.reconcile("ocr")
        assert (("ScaledObject", "team", "ocr") in stage.cluster.deleted) == deleted
        assert "Deployment ocr" in stage.cluster.names("team")


async def test_an_actor_that_loses_its_queue_s_name_loses_its_pods_too_and_gets_them_again() -> None:
    stage = Stage()
    stage.declare("ocr", "b")
    await stage.reconcile("ocr", "b")
    assert {"Deployment ocr", "ScaledObject ocr"} <= stage.cluster.names("b")
    stage.declare("ocr", "a")
    for namespace in ("b", "a"):
        await stage.reconcile("ocr", namespace)
    assert stage.cluster.names("b") == {"ConfigMap asya-runtime"}
    assert {"Deployment ocr", "ScaledObject ocr"} <= stage.cluster.names("a")
    assert stage.reasons("b")[0] == "QueueNameTaken"
    stage.cluster.remove(resources.ACTOR, "a", "ocr")
    await stage.reconcile("ocr", "b")
    assert {"Deployment ocr", "ScaledObject ocr"} <= stage.cluster.names("b")


async def test_what_waits_in_a_queue_that_outlived_its_actor_is_its_namespaces() -> None:
    """Whoever waited for the name gets it with an empty queue, or not at all; and a new leader knows."""
    stage = Stage()
    stage.queues.holding = True
    stage.declare("ocr", "owner")
    stage.declare("ocr", "waits", created="2025-01-01T00:00:00Z")  # older than what the owner will make anew
    stage.world.keep_queue(("owner", "ocr"), actor("ocr", "sqs"), kept=True)
    stage.cluster.remove(resources.ACTOR, "owner", "ocr")
    await stage.reconcile("ocr", "waits")
    assert stage.reasons("waits")[0] == "QueueNameTaken"
    told = [status for status in stage.cluster.statuses if status["namespace"] == "waits"][-1]["conditions"]
    assert any("they stay with namespace owner" in condition["message"] for condition in told)
    assert "Deployment ocr" not in stage.cluster.names("waits")
    stage.declare("ocr", "owner", created="2026-06-01T00:00:00Z")
    for namespace in ("owner", "waits"):
        await stage.reconcile("ocr", namespace)
    assert "Deployment ocr" in stage.cluster.names("owner")
    assert stage.reasons("waits")[0] == "QueueNameTaken"
    stage.cluster.remove(resources.ACTOR, "owner", "ocr")
    stage.queues.holding = False
    await stage.reconcile("ocr", "waits")
    assert "Deployment ocr" in stage.cluster.names("waits")
    assert stage.cluster.objects["ConfigMap", "asya-system", "asya-kept-queues"]["data"] == {}


async def test_an_actor_without_a_queue_leaves_alone_what_is_somebody_elses() -> None:
    stage = Stage()
    stage.declare("ocr", "b")
    await stage.reconcile("ocr", "b")
    for place, stored in stage.cluster.objects.items():
        if place[0] in ("Deployment", "ScaledObject"):
            stage.cluster.store({**stored, "metadata": {**stored["metadata"], "ownerReferences": [{"uid": "theirs"}]}})
    stage.declare("ocr", "a")
    await stage.reconcile("ocr", "b")
    assert {"Deployment ocr", "ScaledObject ocr"} <= stage.cluster.names("b")


async def test_an_operator_that_has_applied_nothing_itself_takes_a_loser_s_workload_too() -> None:
    stage = Stage()
    stage.declare("ocr", "b")
    await stage.reconcile("ocr", "b")
    successor = Stage()
    for stored in stage.cluster.objects.values():
        successor.cluster.store(stored, None)
    successor.declare("ocr", "a")
    await successor.reconcile("ocr", "b")
    assert successor.cluster.names("b") & {"Deployment ocr", "ScaledObject ocr"} == set()


@pytest.mark.parametrize("error", [ApiUnavailable("500 failed calling webhook"), ApiConflict("409 try again")])
async def test_an_object_that_is_always_refused_is_told_and_keeps_nothing_else_from_being_done(error: ApiError) -> None:
    stage = Stage()
    stage.declare("ocr", scaling={"enabled": False}, workload=workload("StatefulSet"))
    await stage.reconcile("ocr")
    stage.declare("ocr", workload=workload("Deployment"))
    stage.cluster.failing = {"apply Deployment": error}
    for _ in range(2):
        with pytest.raises(type(error)):
            await stage.reconcile("ocr")
    assert "ScaledObject ocr" in stage.cluster.names("team")
    assert "Service ocr" not in stage.cluster.names("team")
    assert "StatefulSet ocr" in stage.cluster.names("team"), "nothing has taken its place"
    assert stage.reasons("team")[:2] == ["TransportValidated", "ReconcileError"]
    assert stage.cluster.statuses[-1]["status"] == "WorkloadError"
    assert stage.cluster.statuses[-1]["conditions"][1]["message"] == str(error)
    stage.cluster.failing = {}
    await stage.reconcile("ocr")
    assert "ReconcileError" not in stage.reasons("team")
    assert {"Deployment ocr", "StatefulSet ocr"} & stage.cluster.names("team") == {"Deployment ocr"}


async def test_a_refusal_that_differs_by_a_port_alone_is_no_change_of_the_status() -> None:
    stage = Stage()
    stage.declare("ocr")
    for port in (40001, 40002, 40003):
        text = f"500 calling webhook: read tcp 10.0.0.1:{port}->10.0.0.2:443: connection reset by peer"
        stage.cluster.failing = {"apply Deployment": ApiUnavailable(text)}
        with pytest.raises(ApiUnavailable):
            await stage.reconcile("ocr")
    messages = {status["conditions"][1]["message"] for status in stage.cluster.statuses}
    assert messages == {"500 calling webhook: read tcp 10.0.0.1->10.0.0.2:443: connection reset by peer"}


async def test_an_object_that_cannot_be_deleted_is_told_and_tried_again() -> None:
    stage = Stage()
    stage.declare("ocr")
    await stage.reconcile("ocr")
    stage.declare("ocr", scaling={"enabled": False})
    stage.cluster.failing = {"delete TriggerAuthentication": ApiUnavailable("500 failed calling webhook")}
    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            await stage.reconcile("ocr")
    assert "ScaledObject ocr" not in stage.cluster.names("team")
    assert stage.reasons("team") == ["TransportValidated", "ReconcileError"]
    stage.cluster.failing = {}
    await stage.reconcile("ocr")
    assert "TriggerAuthentication ocr-trigger-auth" not in stage.cluster.names("team")


async def test_an_api_server_that_does_not_answer_is_not_asked_for_the_rest() -> None:
    stage = Stage()
    stage.declare("ocr")
    stage.cluster.failing = {"apply Deployment": ApiSilent("cannot be reached")}
    with pytest.raises(ApiSilent):
        await stage.reconcile("ocr")
    assert stage.cluster.names("team") == {"ConfigMap asya-runtime"}
    assert stage.cluster.statuses == []


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_an_edit_of_the_app_label_leaves_the_selector_as_it_was_and_lets_the_rest_through(kind: str) -> None:
    stage = Stage()
    stage.declare("ocr", workload=workload(kind, app="first"))
    await stage.reconcile("ocr")
    first = stage.cluster.objects[kind, "team", "ocr"]["spec"]
    assert first["selector"]["matchLabels"]["app"] == "first"
    stage.declare("ocr", workload=workload(kind, app="second", team="x"))
    await stage.reconcile("ocr")
    spec = stage.cluster.objects[kind, "team", "ocr"]["spec"]
    assert spec["selector"] == first["selector"]
    labels = spec["template"]["metadata"]["labels"]
    assert (labels["app"], labels["team"]) == ("first", "x")
    assert labels.items() >= spec["selector"]["matchLabels"].items()
    if kind == "StatefulSet":
        assert labels.items() >= stage.cluster.objects["Service", "team", "ocr"]["spec"]["selector"].items()


def workload(kind: str, **labels: str) -> dict[str, Any]:
    found = actor("ocr", "sqs")["spec"]["workload"]
    template = {**found["template"], **({"metadata": {"labels": labels}} if labels else {})}
    return {**found, "kind": kind, "template": template}


async def test_a_stateful_set_that_cannot_make_its_pods_says_why() -> None:
    """Its own status does not: only Events of its controller do, and they stay when the cause is gone."""
    stage = Stage()
    stage.declare("ocr", workload=workload("StatefulSet"), scaling={"enabled": False})
    await stage.reconcile("ocr")
    made = stage.cluster.objects["StatefulSet", "team", "ocr"]
    made["metadata"]["uid"] = "s1"
    stage.cluster.store({**made, "status": {"observedGeneration": 1, "replicas": 0}})
    text = "create Claim data-ocr-0 for Pod ocr-0 in StatefulSet ocr failed: spec.accessModes: Required value"
    about = {"kind": "StatefulSet", "name": "ocr", "uid": "s1"}
    stage.cluster.events = [{"involvedObject": about, "message": text, "lastTimestamp": format_time(datetime.now(UTC))}]
    await stage.reconcile("ocr")
    status = stage.cluster.statuses[-1]
    assert status["status"] == "WorkloadError"
    assert status["conditions"][1]["message"] == f"Pods cannot be created: {text}"
    for change in (
        {"lastTimestamp": "2020-01-01T00:00:00Z"},
        {"involvedObject": {**about, "uid": "of an earlier one"}},
    ):
        stage.cluster.events = [{**stage.cluster.events[0], **change}]
        await stage.reconcile("ocr")
        assert "Pods cannot" not in str(stage.cluster.statuses[-1]["conditions"])


def pod(name: str, uid: str, *variables: str) -> dict[str, Any]:
    """A pod of the actor that was made long ago, with variables in its containers."""
    env = [{"name": each, "value": "x"} for each in variables]
    labels = {"asya.sh/asya": "ocr"}
    meta = {
        "name": name,
        "namespace": "team",
        "uid": uid,
        "labels": labels,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    containers = [{"name": "asya-runtime", "env": env}, {"name": "asya-sidecar"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": containers},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize("expected", [True, False])
async def test_pods_that_came_before_their_credentials_of_aws_are_made_anew_where_they_are_expected(
    expected: bool,
) -> None:
    stage = Stage()
    stage.declare("ocr", annotations={"asya.sh/expects-aws-credentials": "true"} if expected else {})
    for each in (pod("early", "p1"), pod("late", "p2", "AWS_CONTAINER_CREDENTIALS_FULL_URI"), pod("ocr-0", "p3")):
        stage.cluster.store(each)
    stage.cluster.objects["Pod", "team", "ocr-0"]["metadata"]["uid"] = "of its successor, which the watch has not shown"
    await stage.reconcile("ocr")
    assert stage.cluster.deleted == ([("Pod", "team", "early")] if expected else [])
    told = [message for reason, message in stage.recorder.told if reason == "CredentialsMissing"]
    text = "pod early was made before AWS had credentials for its service account, and is made anew"
    assert told == ([text] if expected else [])
