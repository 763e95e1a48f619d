"""All objects of an actor: which there are, in which order, and those that stand beside its workload."""

from typing import Any

import pytest

from asya_kube.resources import kind_of
from asya_manifest.errors import ManifestError
from asya_operator.specs.companions import knows_native_histograms
from asya_operator.specs.render import render
from tests.support.rendered import RUNTIME_SOURCE, UID, actor, container, context, objects, pod_of, with_pod

PODS = {"matchLabels": {"asya.sh/asya": "hello-actor"}}
ROLE = "arn:aws:iam::123456789012:role/actors"
METRICS_OFF = {"env": [{"name": "ASYA_METRICS_ENABLED", "value": "false"}]}


def order(given: Any, declared: Any) -> list[str]:
    return [f"{each['kind']}/{each['metadata']['name']}" for each in render(declared, UID, given)]


def test_everything_comes_before_what_needs_it():
    """The script and the account before the pods, what KEDA signs in with before the ScaledObject."""
    declared = actor(scaling={"enabled": True}, workload=with_pod({}, kind="StatefulSet"))
    assert order(context("rabbitmq", pod_monitor=True), declared) == [
        "ConfigMap/asya-runtime",
        "Service/hello-actor",
        "StatefulSet/hello-actor",
        "NetworkPolicy/hello-actor",
        "PodDisruptionBudget/hello-actor",
        "PodMonitor/hello-actor",
        "ConfigMap/hello-actor-trigger-auth",
        "TriggerAuthentication/hello-actor-trigger-auth",
        "ScaledObject/hello-actor",
    ]


def test_a_small_actor_has_little():
    """One fixed replica needs no disruption budget: it could only block a node's drain."""
    assert order(context(network_policy=False), actor()) == ["ConfigMap/asya-runtime", "Deployment/hello-actor"]


def test_every_object_of_an_actor_belongs_to_it_and_says_so():
    """All but the shared script go with the actor, and are found by its name."""
    declared = actor(scaling={"enabled": True}, workload=with_pod({}, kind="StatefulSet"))
    for config in (context("rabbitmq", pod_monitor=True), context(config={"actorRoleArn": ROLE})):
        for each in objects(declared, config).values():
            assert each["metadata"]["namespace"] == "prod"
            assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "asya"
            assert kind_of(each).api_version == each["apiVersion"]
            if each["metadata"]["name"] == "asya-runtime":
                continue
            assert each["metadata"]["labels"]["asya.sh/asya"] == "hello-actor"
            (owner,) = each["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["uid"], owner["controller"]) == ("AsyncActor", UID, True)


def test_the_runtime_of_a_namespace_belongs_to_no_actor():
    """It is shared, and outlives each of them."""
    assert objects(actor())["ConfigMap/asya-runtime"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "asya-runtime",
            "namespace": "prod",
            "labels": {
                "app.kubernetes.io/name": "asya-runtime",
                "app.kubernetes.io/component": "asya-runtime",
                "app.kubernetes.io/part-of": "asya",
            },
        },
        "data": {"asya_runtime.py": RUNTIME_SOURCE},
    }


def test_a_role_of_aws_is_given_through_an_account_of_the_actors_own():
    """By IRSA's annotation; its pods run as it."""
    given = context(config={"actorRoleArn": ROLE})
    account = objects(actor(), given)["ServiceAccount/asya-hello-actor"]
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ROLE}
    pod = pod_of(actor(), given)
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("asya-hello-actor", True)
    declared = actor(workload=with_pod({"automountServiceAccountToken": False}))
    assert pod_of(declared, given)["automountServiceAccountToken"] is False


def test_a_service_account_of_the_users_cannot_stand_beside_a_role():
    """Asya 0.1.1's text; without a role the user's choice is kept."""
    declared = actor(workload=with_pod({"serviceAccountName": "mine"}))
    with pytest.raises(ManifestError) as caught:
        render(declared, UID, context(config={"actorRoleArn": ROLE}))
    assert str(caught.value) == (
        "cannot use custom serviceAccountName 'mine' when IRSA (actorRoleArn) is configured: the actor runs as "
        "asya-hello-actor"
    )
    assert pod_of(declared)["serviceAccountName"] == "mine"


def test_a_drain_takes_one_pod_at_a_time_where_there_can_be_two():
    """Fixed or scaled."""
    for declared in (actor(workload=with_pod({}, replicas=2)), actor(scaling={"enabled": True, "maxReplicas": 2})):
        budget = objects(declared)["PodDisruptionBudget/hello-actor"]
        assert budget["spec"] == {"maxUnavailable": 1, "selector": PODS}
    assert "PodDisruptionBudget/hello-actor" not in objects(actor(scaling={"enabled": True, "maxReplicas": 1}))


def test_nobody_calls_an_actor_but_who_reads_its_metrics():
    """What the handler calls is its own business."""
    spec = {"podSelector": PODS, "policyTypes": ["Ingress"]}
    found = objects(actor())["NetworkPolicy/hello-actor"]["spec"]
    assert found == {**spec, "ingress": [{"ports": [{"protocol": "TCP", "port": 8080}]}]}
    closed = objects(actor(sidecar=METRICS_OFF))["NetworkPolicy/hello-actor"]["spec"]
    assert closed == {**spec, "ingress": []}


def test_prometheus_reads_the_sidecars_where_its_operator_is_installed():
    """Asked for by the cluster's own kinds; a sidecar without metrics is left alone."""
    assert "PodMonitor/hello-actor" not in objects(actor())
    given = context(pod_monitor=True)
    assert objects(actor(), given)["PodMonitor/hello-actor"]["spec"] == {
        "selector": PODS,
        "podMetricsEndpoints": [{"port": "asya-metrics", "path": "/metrics"}],
    }
    assert "PodMonitor/hello-actor" not in objects(actor(sidecar=METRICS_OFF), given)


def test_a_monitor_asks_for_native_histograms_where_the_cluster_s_kind_has_them():
    """Beside the classic ones, which rules and dashboards read; a field that a kind lacks would be refused."""
    spec = objects(actor(), context(pod_monitor=True, native_histograms=True))["PodMonitor/hello-actor"]["spec"]
    assert (spec["convertClassicHistogramsToNHCB"], spec["scrapeClassicHistograms"]) == (True, True)


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        (("convertClassicHistogramsToNHCB", "scrapeClassicHistograms"), True),
        (("scrapeClassicHistograms",), False),
        ((), False),
    ],
)
def test_an_older_kind_of_monitor_is_not_asked_for_native_histograms(fields: tuple[str, ...], known: bool):
    schema = {
        "openAPIV3Schema": {"properties": {"spec": {"properties": {name: {"type": "boolean"} for name in fields}}}}
    }
    found = {"spec": {"versions": [{"name": "v1", "served": True, "schema": schema}]}}
    assert knows_native_histograms(found) is known


def test_a_pod_monitor_has_the_labels_that_a_prometheus_chooses_by():
    given = context(pod_monitor=True, monitor_labels={"release": "prometheus", "app.kubernetes.io/name": "other"})
    labels = objects(actor(), given)["PodMonitor/hello-actor"]["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/name"] != "other"


def test_rendering_twice_gives_the_same_and_changes_nothing():
    """Shared constants stay as they are."""
    declared, given = actor(scaling={"enabled": True}), context("rabbitmq")
    first = render(declared, UID, given)
    assert container(pod_of(declared, given), "asya-sidecar")["name"] == "asya-sidecar"
    assert render(declared, UID, given) == first
