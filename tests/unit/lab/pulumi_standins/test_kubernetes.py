"""Kubernetes objects as the stand-in sees them: names, differences, readiness, and schemas."""

from pathlib import Path
from typing import Any

import pytest

from lab.pulumi_standins.kubernetes import auto_mode, objects, readiness, recorder
from lab.pulumi_standins.kubernetes.objects import changed_paths, drifted, keeps_its_name
from lab.pulumi_standins.kubernetes.port import Refused
from lab.pulumi_standins.kubernetes.readiness import is_ready


def thing(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "generation": 2}, **fields}


def test_a_name_is_made_once_and_marked() -> None:
    """So that its replacement gets a fresh one."""
    made = objects.named({"kind": "ConfigMap"}, {}, logical="box", seed=b"s")
    assert made["metadata"]["name"].startswith("box-")
    again = objects.named({"kind": "ConfigMap"}, made, logical="box", seed=b"other")
    assert again["metadata"]["name"] == made["metadata"]["name"]
    assert not keeps_its_name(made, again) and keeps_its_name(thing("ConfigMap"), thing("ConfigMap"))


def test_a_secrets_text_becomes_data() -> None:
    """The API server never returns stringData."""
    made = objects.named(thing("Secret", stringData={"a": "b"}), {}, logical="x", seed=b"")
    assert made["data"] == {"a": "Yg=="} and "stringData" not in made
    assert objects.own_secrets(made) == {"data"}


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (thing("ConfigMap", data={"a": "1"}), thing("ConfigMap", data={"a": "2"}), {"data.a": 5}),
        (thing("Deployment", spec={"replicas": 1}), thing("Deployment", spec={"replicas": 2}), {"spec.replicas": 4}),
        (
            thing("Deployment", spec={}),
            thing("Deployment", spec={"selector": {"x": 1}}),
            {"spec": 2, "spec.selector.x": 1},
        ),
        (thing("Service", note=None), thing("Service"), {}),
    ],
    ids=["a-map-is-replaced", "a-deployment-is-updated", "a-selector-replaces", "nulls-do-not-count"],
)
def test_changes_by_path(old: dict[str, Any], new: dict[str, Any], paths: dict[str, int]) -> None:
    """Odd codes replace the object."""
    assert changed_paths(old, new, []) == paths


def test_an_ignored_path_is_not_looked_at() -> None:
    """As replicas under a scaler."""
    old, new = thing("Deployment", spec={"replicas": 1}), thing("Deployment", spec={"replicas": 7})
    assert changed_paths(old, new, ["spec.replicas"]) == {}


def test_defaults_of_the_api_server_are_no_drift() -> None:
    """Only declared fields are compared, in lists item by item."""
    declared = {"spec": {"ports": [{"port": 80}], "type": "ClusterIP"}}
    live = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "NodePort", "clusterIP": "10.0.0.1"}}
    assert drifted(declared, live) == {"spec": {"ports": [{"port": 80}], "type": "NodePort"}}


def condition(name: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": status, **more}]}


READY = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}


@pytest.mark.parametrize(
    ("kind", "status", "ready"),
    [
        ("Deployment", READY, True),
        ("Deployment", READY | {"observedGeneration": 1}, False),
        ("Deployment", READY | {"availableReplicas": 0}, False),
        ("StatefulSet", {"observedGeneration": 2, "readyReplicas": 1}, True),
        ("StatefulSet", {"observedGeneration": 2}, False),
        ("Job", condition("Complete"), True),
        ("Job", condition("Complete", "False"), False),
        ("CustomResourceDefinition", condition("Established"), True),
        ("CustomResourceDefinition", {}, False),
        ("Pod", condition("Ready"), True),
        ("ConfigMap", {}, True),
    ],
)
def test_what_is_waited_for(kind: str, status: dict[str, Any], ready: bool) -> None:
    """Each kind by what it is for."""
    assert is_ready(thing(kind, spec={}, status=status)) is ready


@pytest.mark.parametrize(
    ("wish", "status", "ready"),
    [
        ("condition=Ready", condition("Ready"), True),
        ("condition=Ready", condition("Ready", "False"), False),
        ("jsonpath={.status.phase}=Running", {"phase": "Running"}, True),
        ("jsonpath={.status.phase}=Running", {"phase": "Pending"}, False),
        ('["jsonpath={.status.phase}", "condition=Ready"]', {"phase": "x"} | condition("Ready"), True),
    ],
)
def test_a_program_may_say_what_it_waits_for(wish: str, status: dict[str, Any], ready: bool) -> None:
    """The annotation of the real plugin."""
    waited = thing("Widget", status=status)
    waited["metadata"]["annotations"] = {readiness.WAIT_FOR: wish}
    assert is_ready(waited) is ready


def test_a_failure_ends_the_wait() -> None:
    """With the reason that the object gives."""
    failed = thing("Job", status=condition("Failed", message="back-off limit"))
    stuck = thing("Deployment", status=condition("Progressing", "False", reason="ProgressDeadlineExceeded"))
    assert readiness.failure(failed) == "back-off limit" and readiness.failure(stuck) == "ProgressDeadlineExceeded"
    assert readiness.failure(thing("Job", status={})) is None


def test_an_object_that_asks_not_to_be_waited_for_is_ready() -> None:
    """As the real plugin does."""
    skipped = thing("Deployment", spec={}, status={})
    skipped["metadata"]["annotations"] = {readiness.SKIP: "true"}
    assert is_ready(skipped)


class _AnyKind:
    def __init__(self, _definitions: object) -> None:
        pass

    def knows(self, _thing: object) -> bool:
        return True

    def problems(self, _thing: object) -> list[str]:
        return []


def test_creating_what_exists_is_refused_where_the_real_plugin_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since 4.29 it creates by POST; without the switch the stand-in applies, as older ones did."""
    monkeypatch.setattr(recorder, "Schemas", _AnyKind)
    store = recorder.Recorder(tmp_path)
    store.create(thing("ConfigMap"))
    store.create(thing("ConfigMap"))
    monkeypatch.setenv(recorder.POST_VARIABLE, "1")
    store = recorder.Recorder(tmp_path)
    with pytest.raises(Refused, match="ConfigMap a already exists"):
        store.create(thing("ConfigMap"))
    store.create(thing("ConfigMap"), dry=True)
    store.apply(thing("ConfigMap"))
    recorder.Recorder(tmp_path, upsert=True).create(thing("ConfigMap"))


def test_auto_mode_brings_its_own_kinds() -> None:
    """Which no OpenAPI document has."""
    kinds = {each["spec"]["names"]["kind"] for each in auto_mode.DEFINITIONS}
    assert kinds == auto_mode.CLUSTER_SCOPED == {"NodeClass", "NodePool", "IngressClassParams"}
