"""KEDA's objects: what is counted, how pods are wanted from it, and how KEDA signs in.

Keys of triggers are those that KEDA 2.21 reads (its scalers for RabbitMQ and SQS).
"""

from math import ceil
from typing import Any

import pytest

from asya_operator.transport_config import TransportRefused
from tests.support.rendered import UID, actor, container, context, objects, pod_of, with_pod

RABBITMQ_KEYS = {
    "activationValue",
    "excludeUnacknowledged",
    "host",
    "mode",
    "protocol",
    "queueName",
    "unsafeSsl",
    "value",
    "vhostName",
}
SQS_KEYS = {
    "activationQueueLength",
    "awsEndpoint",
    "awsRegion",
    "identityOwner",
    "queueLength",
    "queueURL",
    "scaleOnDelayed",
    "scaleOnInFlight",
}
ON: dict[str, Any] = {"enabled": True}


def scaled(kind: str = "sqs", config: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    declared = actor(**{"scaling": ON, **spec})
    found: dict[str, Any] = objects(declared, context(kind, config=config))["ScaledObject/hello-actor"]
    return found


def sign_in(kind: str, **config: Any) -> dict[str, Any]:
    found = objects(actor(scaling=ON), context(kind, config=config))["TriggerAuthentication/hello-actor-trigger-auth"]
    spec: dict[str, Any] = found["spec"]
    return spec


def wanted(formula: str, total: float, ready: float) -> int:
    """Pods that the HPA wants by a formula whose target is 1."""
    pods: float = eval(formula, {"__builtins__": {}, "max": max}, {"total": total, "ready": ready})  # noqa: S307 - ours
    return ceil(pods)


def test_the_whole_scaled_object_of_an_actor_on_rabbitmq():
    """Asya 0.1.1's limits and behaviour; two counts and a formula in place of one trigger."""
    trigger = {
        "protocol": "http",
        "host": "http://rabbit.asya:15672/%2F",
        "queueName": "asya-hello-actor",
        "mode": "QueueLength",
        "value": "5",
    }
    reference = {"name": "hello-actor-trigger-auth"}
    assert scaled("rabbitmq") == {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "hello-actor",
            "namespace": "prod",
            "labels": {
                "app.kubernetes.io/name": "hello-actor",
                "app.kubernetes.io/component": "actor",
                "app.kubernetes.io/part-of": "asya",
                "app.kubernetes.io/managed-by": "asya-operator",
                "asya.sh/asya": "hello-actor",
            },
            "ownerReferences": [
                {
                    "apiVersion": "asya.sh/v1alpha1",
                    "kind": "AsyncActor",
                    "name": "hello-actor",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-actor"},
            "minReplicaCount": 0,
            "maxReplicaCount": 50,
            "pollingInterval": 10,
            "cooldownPeriod": 60,
            "fallback": {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"},
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleDown": {
                            "stabilizationWindowSeconds": 300,
                            "selectPolicy": "Max",
                            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                        },
                        "scaleUp": {
                            "stabilizationWindowSeconds": 0,
                            "selectPolicy": "Max",
                            "policies": [
                                {"type": "Pods", "value": 10, "periodSeconds": 60},
                                {"type": "Percent", "value": 100, "periodSeconds": 60},
                            ],
                        },
                    }
                },
                "scalingModifiers": {
                    "formula": "max((total - ready), total / 5)",
                    "target": "1",
                    "activationTarget": "0",
                    "metricType": "AverageValue",
                },
            },
            "triggers": [
                {
                    "type": "rabbitmq",
                    "name": "total",
                    "metadata": {**trigger, "excludeUnacknowledged": "false"},
                    "authenticationRef": reference,
                },
                {
                    "type": "rabbitmq",
                    "name": "ready",
                    "metadata": {**trigger, "excludeUnacknowledged": "true"},
                    "authenticationRef": reference,
                },
            ],
        },
    }


def test_sqs_is_counted_with_and_without_what_is_in_flight():
    """Delayed retries are in both counts, so that their difference is the work in flight alone."""
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/asya-hello-actor"
    common = {"queueURL": url, "queueLength": "5", "awsRegion": "eu-west-1", "scaleOnDelayed": "false"}
    assert [(each["type"], each["name"], each["metadata"]) for each in scaled()["spec"]["triggers"]] == [
        ("aws-sqs-queue", "total", {**common, "scaleOnInFlight": "true"}),
        ("aws-sqs-queue", "ready", {**common, "scaleOnInFlight": "false"}),
    ]


def test_a_stand_in_for_aws_is_counted_at_its_own_address():
    """LocalStack and the like have one account."""
    meta = scaled(config={"endpoint": "http://local:4566", "accountId": ""})["spec"]["triggers"][0]["metadata"]
    assert meta["queueURL"] == "http://local:4566/000000000000/asya-hello-actor"
    assert meta["awsEndpoint"] == "http://local:4566"


def test_a_queue_of_an_unknown_account_cannot_be_scaled_by():
    """As Asya 0.1.1: region and accountId are required here."""
    with pytest.raises(TransportRefused, match="needs region and accountId"):
        scaled(config={"accountId": ""})


def test_busy_pods_are_never_fewer_than_wanted():
    """The plain rule makes 20 of a hundred busy pods with an empty queue."""
    formula = scaled()["spec"]["advanced"]["scalingModifiers"]["formula"]
    assert wanted(formula, total=100, ready=0) == 100
    assert wanted(formula, total=103, ready=3) == 100
    assert wanted(formula, total=500, ready=499) == 100
    assert (wanted(formula, total=1, ready=1), wanted(formula, total=0, ready=0)) == (1, 0)


def test_a_pod_that_works_on_several_at_once_counts_for_as_many():
    """Concurrency times the size of a batch."""
    spec = scaled(sidecar={"concurrency": 4}, batch={"size": 8}, scaling={**ON, "queueLength": 100})["spec"]
    assert spec["advanced"]["scalingModifiers"]["formula"] == "max((total - ready) / 32, total / 100)"


def test_a_formula_of_the_user_goes_before_ours():
    """Handed on as it is, over the one trigger that Asya 0.1.1 has."""
    own = {
        "formula": "queueLength * 2",
        "target": "3",
        "activationTarget": "1",
        "metricType": "Value",
        "restoreToOriginalReplicaCount": True,
    }
    spec = scaled(scaling={**ON, "advanced": own})["spec"]
    assert spec["advanced"]["restoreToOriginalReplicaCount"] is True
    assert spec["advanced"]["scalingModifiers"] == {
        "formula": "queueLength * 2",
        "target": "3",
        "activationTarget": "1",
        "metricType": "Value",
    }
    assert [(each["name"], each["metadata"]["scaleOnInFlight"]) for each in spec["triggers"]] == [
        ("queueLength", "true")
    ]


def test_advanced_settings_without_a_formula_keep_ours():
    """Restoring the replica count is no reason to end busy pods."""
    advanced = scaled(scaling={**ON, "advanced": {"restoreToOriginalReplicaCount": True}})["spec"]["advanced"]
    assert advanced["restoreToOriginalReplicaCount"] is True
    assert advanced["scalingModifiers"]["formula"] == "max((total - ready), total / 5)"


def test_limits_and_intervals_come_from_the_actor():
    """In whole seconds, of which KEDA polls at least one; a broker out of sight keeps the least number of replicas."""
    scaling = {**ON, "minReplicas": 2, "maxReplicas": 9, "pollingInterval": "200ms", "cooldownPeriod": "1m30s"}
    spec = scaled(scaling=scaling)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 9)
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (1, 90)
    assert spec["fallback"]["replicas"] == 2


def test_a_stateful_set_is_scaled_as_such():
    """KEDA takes a target without a kind for a Deployment."""
    spec = scaled(workload=with_pod({}, kind="StatefulSet"))["spec"]
    assert spec["scaleTargetRef"]["kind"] == "StatefulSet"


@pytest.mark.parametrize(("kind", "known"), [("rabbitmq", RABBITMQ_KEYS), ("sqs", SQS_KEYS)])
def test_triggers_speak_only_of_what_keda_reads(kind: str, known: set[str]):
    """All values are text."""
    for trigger in scaled(kind)["spec"]["triggers"]:
        assert set(trigger["metadata"]) <= known
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_keda_signs_in_to_rabbitmq_with_a_name_from_a_config_map_and_a_password_from_the_secret():
    """It takes a user name from nowhere in a trigger; Asya 0.1.1 asked for a key of the secret that nobody makes."""
    assert sign_in("rabbitmq") == {
        "configMapTargetRef": [{"parameter": "username", "name": "hello-actor-trigger-auth", "key": "username"}],
        "secretTargetRef": [{"parameter": "password", "name": "rabbit", "key": "password"}],
    }
    names = objects(actor(scaling=ON), context("rabbitmq"))["ConfigMap/hello-actor-trigger-auth"]
    assert names["data"] == {"username": "asya"}


def test_keda_signs_in_to_aws_with_the_configured_keys_or_with_its_own_identity():
    """Without either KEDA refuses the trigger."""
    keys = {
        "accessKeyIdSecretRef": {"name": "aws", "key": "id"},
        "secretAccessKeySecretRef": {"name": "aws", "key": "s"},
    }
    assert sign_in("sqs", credentials=keys) == {
        "secretTargetRef": [
            {"parameter": "awsAccessKeyID", "name": "aws", "key": "id"},
            {"parameter": "awsSecretAccessKey", "name": "aws", "key": "s"},
        ]
    }
    assert sign_in("sqs") == {"podIdentity": {"provider": "aws"}}


def test_rabbitmq_without_a_secret_is_counted_with_its_well_known_password():
    """As the sidecar connects then."""
    found = objects(actor(scaling=ON), context("rabbitmq", config={"passwordSecretRef": None}))
    assert "TriggerAuthentication/hello-actor-trigger-auth" not in found
    trigger = found["ScaledObject/hello-actor"]["spec"]["triggers"][0]
    assert trigger["metadata"]["host"] == "http://asya:guest@rabbit.asya:15672/%2F"
    assert "authenticationRef" not in trigger


def test_an_actor_that_does_not_scale_has_none_of_it():
    """Nothing of KEDA is asked for, so the cluster need not have it."""
    assert not [name for name in objects(actor()) if name.startswith(("ScaledObject", "Trigger"))]


def test_a_user_name_in_a_secret_reaches_keda_and_the_sidecar_by_reference():
    ref = {"name": "rabbit", "key": "username"}
    config = {"username": None, "usernameSecretRef": ref}
    found = objects(actor(scaling=ON), context("rabbitmq", config=config))
    assert "ConfigMap/hello-actor-trigger-auth" not in found
    assert found["TriggerAuthentication/hello-actor-trigger-auth"]["spec"] == {
        "secretTargetRef": [
            {"parameter": "username", "name": "rabbit", "key": "username"},
            {"parameter": "password", "name": "rabbit", "key": "password"},
        ]
    }
    env = container(pod_of(actor(), context("rabbitmq", config=config)), "asya-sidecar")["env"]
    assert {"name": "ASYA_RABBITMQ_USERNAME", "valueFrom": {"secretKeyRef": ref}} in env


def test_keda_and_the_operator_have_users_of_their_own():
    """What actors hold opens neither the management API nor another's queue."""
    own = {"username": "counts", "passwordSecretRef": {"name": "scaler", "key": "password"}}
    config = {"scaler": own, "operator": {**own, "username": "makes"}}
    found = objects(actor(scaling=ON), context("rabbitmq", config=config))
    assert found["ConfigMap/hello-actor-trigger-auth"]["data"] == {"username": "counts"}
    assert found["TriggerAuthentication/hello-actor-trigger-auth"]["spec"] == {
        "secretTargetRef": [{"parameter": "password", "name": "scaler", "key": "password"}],
        "configMapTargetRef": [{"parameter": "username", "name": "hello-actor-trigger-auth", "key": "username"}],
    }
    env = container(pod_of(actor(), context("rabbitmq", config=config)), "asya-sidecar")["env"]
    assert {"name": "ASYA_RABBITMQ_USERNAME", "value": "asya"} in env
    assert "makes" not in str(found)
