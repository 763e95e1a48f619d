"""Watch events become reconciles of the actors that they concern."""

from typing import Any

import pytest

from asya_kube import resources
from asya_manifest.labels import LABEL_ACTOR
from asya_operator.world import World


def actor(
    name: str, namespace: str = "team", created: str = "2026-01-01T00:00:00Z", transport: str = "sqs"
) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"metadata": meta, "spec": {"transport": transport}}


def pod(name: str, of: str, namespace: str = "team") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": {"asya.sh/asya": of}, "managedFields": [{}]}
    spec = {"containers": [{"name": "asya-runtime", "image": "x", "env": []}], "nodeName": "n"}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def test_a_pod_leads_to_its_actor_and_is_kept_small() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr"))
    assert world.note(resources.POD, "ADDED", pod("ocr-1", "ocr")) == [("team", "ocr")]
    [kept] = world.pods(("team", "ocr"))
    assert kept["spec"] == {"containers": [{"name": "asya-runtime"}], "initContainers": []}
    assert "managedFields" not in kept["metadata"]
    world.note(resources.POD, "DELETED", pod("ocr-1", "ocr"))
    assert world.pods(("team", "ocr")) == []


def test_a_pod_of_an_unknown_actor_leads_nowhere() -> None:
    assert World().note(resources.POD, "ADDED", pod("x-1", "x")) == []


def test_a_deleted_deployment_is_gone_and_leads_to_its_actor() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr"))
    deployment = {"metadata": {"name": "ocr", "namespace": "team", "generation": 1}, "spec": {"template": {"big": 1}}}
    world.note(resources.DEPLOYMENT, "ADDED", deployment)
    assert world.find(resources.DEPLOYMENT, "team", "ocr") is not None
    assert world.note(resources.DEPLOYMENT, "DELETED", deployment) == [("team", "ocr")]
    assert world.find(resources.DEPLOYMENT, "team", "ocr") is None


def test_an_answer_that_comes_after_the_end_of_its_object_makes_it_no_present_one() -> None:
    """The apply met an object that waited for its finalizers; the watch has shown its end before the answer was read."""
    world = World()
    meta = {"name": "ocr-auth", "namespace": "team", "generation": 2, "uid": "first"}
    world.note(resources.TRIGGER_AUTH, "ADDED", {"metadata": meta})
    world.note(resources.TRIGGER_AUTH, "DELETED", {"metadata": meta})
    world.note_answer(resources.TRIGGER_AUTH, {"metadata": meta})
    assert world.find(resources.TRIGGER_AUTH, "team", "ocr-auth") is None
    world.note_answer(resources.TRIGGER_AUTH, {"metadata": {**meta, "uid": "second"}})
    assert world.find(resources.TRIGGER_AUTH, "team", "ocr-auth") is not None


def test_the_ends_that_are_remembered_are_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_operator.world._GONE_MOST", 2)
    world = World()
    ended = [{"metadata": {"name": name, "namespace": "team", "uid": name}} for name in ("a", "b", "c")]
    for each in ended:
        world.note(resources.DEPLOYMENT, "DELETED", each)
        world.note_answer(resources.DEPLOYMENT, each)
    world.note_answer(resources.DEPLOYMENT, ended[0])
    found = [world.find(resources.DEPLOYMENT, "team", name) is not None for name in ("a", "b", "c")]
    assert found == [True, False, False]


def test_a_changed_runtime_leads_to_every_actor_of_its_namespace_only() -> None:
    world = World()
    for each in (actor("a"), actor("b"), actor("c", "other")):
        world.note(resources.ACTOR, None, each)
    config_map = {"metadata": {"name": "asya-runtime", "namespace": "team", "resourceVersion": "1"}, "data": {"x": "y"}}
    assert sorted(world.note(resources.CONFIG_MAP, "MODIFIED", config_map)) == [("team", "a"), ("team", "b")]


def test_what_belongs_to_an_actor_leads_to_it_by_our_label_and_is_kept_as_its_version() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr"))
    meta = {"name": "ocr-trigger-auth", "namespace": "team", "generation": 2, "resourceVersion": "9"}
    for kind in (resources.TRIGGER_AUTH, resources.CONFIG_MAP):
        body = {"metadata": {**meta, "labels": {LABEL_ACTOR: "ocr"}}, "spec": {"big": 1}, "data": {"big": "1"}}
        assert world.note(kind, "MODIFIED", body) == [("team", "ocr")]
        assert world.find(kind, "team", "ocr-trigger-auth") == {"metadata": meta}


def test_the_scaler_of_an_actor_leads_to_it_by_keda_s_label() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr"))
    labels = {"scaledobject.keda.sh/name": "ocr"}
    scaler = {"metadata": {"name": "keda-hpa-ocr", "namespace": "team", "labels": labels}, "status": {}}
    assert world.note(resources.HPA, "ADDED", scaler) == [("team", "ocr")]


def test_the_older_of_two_actors_with_one_name_has_the_queue() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr", "young", "2026-02-01T00:00:00Z"))
    world.note(resources.ACTOR, None, actor("ocr", "old", "2026-01-01T00:00:00Z"))
    assert world.rival(("young", "ocr")) == ("old", "ocr")
    assert world.rival(("old", "ocr")) is None


def test_the_queue_s_next_owner_is_looked_at_when_the_first_goes() -> None:
    world = World()
    for namespace in ("a", "b"):
        world.note(resources.ACTOR, None, actor("ocr", namespace))
    assert world.note(resources.ACTOR, "DELETED", actor("ocr", "a")) == [("a", "ocr"), ("b", "ocr")]
    assert world.rival(("b", "ocr")) is None


def test_actors_of_one_name_on_two_transports_do_not_meet() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr", "a", transport="sqs"))
    world.note(resources.ACTOR, None, actor("ocr", "b", transport="rabbitmq"))
    assert world.rival(("b", "ocr")) is None


def test_an_actor_that_changes_its_transport_leaves_its_queue_to_the_next() -> None:
    world = World()
    for namespace in ("a", "b"):
        world.note(resources.ACTOR, None, actor("ocr", namespace))
    keys = world.note(resources.ACTOR, "MODIFIED", actor("ocr", "a", transport="rabbitmq"))
    assert keys == [("a", "ocr"), ("b", "ocr")]
    assert world.rival(("b", "ocr")) is None


def test_an_actor_that_takes_a_queue_by_changing_its_transport_leads_to_who_had_it() -> None:
    world = World()
    world.note(resources.ACTOR, None, actor("ocr", "a", transport="rabbitmq"))
    world.note(resources.ACTOR, None, actor("ocr", "b", "2026-02-01T00:00:00Z"))
    assert world.note(resources.ACTOR, "MODIFIED", actor("ocr", "a")) == [("a", "ocr"), ("b", "ocr")]
    assert world.rival(("b", "ocr")) == ("a", "ocr")
    assert world.note(resources.ACTOR, "MODIFIED", actor("ocr", "a")) == [("a", "ocr")]


def of_class(name: str, operator_class: str | None) -> dict[str, Any]:
    made = actor(name)
    made["spec"] |= {"operatorClass": operator_class}
    return made


def test_an_actor_of_another_class_is_seen_and_left_alone() -> None:
    """It is no rival for a queue either: another operator has other queues, or another broker."""
    for ours, theirs in (("", "blue"), ("blue", None), ("blue", "green")):
        world = World(ours)
        assert world.note(resources.ACTOR, None, of_class("ocr", theirs)) == [("team", "ocr")]
        assert (world.actor(("team", "ocr")), world.knows(("team", "ocr"))) == (None, True)
        assert list(world.actors()) == []
        world.note(resources.ACTOR, "DELETED", of_class("ocr", theirs))
        assert not world.knows(("team", "ocr"))


def test_an_actor_that_changes_its_class_is_handed_over() -> None:
    blue, plain = World("blue"), World()
    for world in (blue, plain):
        world.note(resources.ACTOR, None, of_class("ocr", None))
    assert (blue.actor(("team", "ocr")), plain.actor(("team", "ocr")) is None) == (None, False)
    for world in (blue, plain):
        assert world.note(resources.ACTOR, "MODIFIED", of_class("ocr", "blue")) == [("team", "ocr")]
    assert (plain.actor(("team", "ocr")), blue.actor(("team", "ocr")) is None) == (None, False)


def test_a_limit_concerns_the_actors_of_its_namespace_that_name_it() -> None:
    world = World()
    for namespace, name, limits in (("a", "ask", ["openai"]), ("a", "plain", []), ("b", "ask", ["openai"])):
        meta = {"name": name, "namespace": namespace}
        spec = {"transport": "sqs", "limits": [{"name": each} for each in limits]}
        world.note(resources.ACTOR, "ADDED", {"metadata": meta, "spec": spec})
    limit = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "Limit",
        "metadata": {"name": "openai", "namespace": "a"},
        "spec": {"concurrency": 3},
    }
    assert world.note(resources.LIMIT, "ADDED", limit) == [("a", "ask")]
    assert world.limits("a")["openai"].concurrency == 3
    assert world.limits("b") == {}
    assert world.note(resources.LIMIT, "MODIFIED", {**limit, "spec": {}}) == [("a", "ask")]
    assert world.limits("a") == {}
    world.note(resources.LIMIT, "ADDED", limit)
    assert world.note(resources.LIMIT, "DELETED", limit) == [("a", "ask")]
    assert world.limits("a") == {}


def test_transports_that_lead_to_one_broker_have_one_queue() -> None:
    """Under another transport's name an actor would take, or delete, what waits for the older one."""
    world = World(places={"main": "rabbitmq mq:5672 /", "also": "rabbitmq mq:5672 /", "other": "rabbitmq mq:5672 b"})
    for body in (
        actor("ocr", "first", "2026-01-01T00:00:00Z", "main"),
        actor("ocr", "second", "2026-01-02T00:00:00Z", "also"),
        actor("ocr", "third", "2026-01-03T00:00:00Z", "other"),
    ):
        world.note(resources.ACTOR, None, body)
    assert [world.rival((namespace, "ocr")) for namespace in ("first", "second", "third")] == [
        None,
        ("first", "ocr"),
        None,
    ]


def test_the_names_of_the_crew_belong_to_its_namespace_also_while_it_is_away() -> None:
    world = World(crew_namespace="crew")
    world.note(resources.ACTOR, None, actor("error-end", "team", "2026-01-01T00:00:00Z"))
    assert world.rival(("team", "error-end")) == ("crew", "error-end")
    world.note(resources.ACTOR, None, actor("error-end", "crew", "2026-02-01T00:00:00Z"))
    assert world.rival(("crew", "error-end")) is None
    assert world.rival(("team", "error-end")) == ("crew", "error-end")


@pytest.mark.parametrize(("policy", "told"), [("FallbackToLogsOnError", False), ("File", True), (None, True)])
def test_the_log_of_a_container_that_ended_is_not_kept(policy: str | None, told: bool) -> None:
    """Who may read an actor's status need not be let read its logs; a file that a container wrote for us is another thing."""
    world = World()
    world.note(resources.ACTOR, None, actor("ocr"))
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "words"}}
    status = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "c", "state": ended, "lastState": ended},
            {"name": "d", "state": {"running": {}}},
        ],
    }
    container = {"name": "c", **({"terminationMessagePolicy": policy} if policy else {})}
    meta = {"name": "ocr-1", "namespace": "team", "labels": {LABEL_ACTOR: "ocr"}}
    world.note(
        resources.POD,
        "ADDED",
        {"metadata": meta, "spec": {"containers": [container, {"name": "d"}]}, "status": status},
    )
    (pod,) = world.pods(("team", "ocr"))
    assert ("words" in str(pod)) is told
    first, second = pod["status"]["containerStatuses"]
    assert first["state"]["terminated"]["exitCode"] == 1
    assert second == {"name": "d", "state": {"running": {}}}
