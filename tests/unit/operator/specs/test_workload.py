"""The workload of an actor: Asya 0.1.1's Deployment, and what we add to it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_manifest.actor import parse_actor
from asya_manifest.errors import InvalidActor
from asya_operator.specs.pod_defaults import LIFECYCLE
from tests.support.rendered import UID, actor, container, context, objects, pod_of, with_pod

REPOSITORY = Path(__file__).parents[4]
READY = ["sh", "-c", "test -S /var/run/asya/asya-runtime.sock && test -f /var/run/asya/runtime-ready"]
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LABELS = {"app": "hello-actor", "asya.sh/asya": "hello-actor", "asya.sh/workload": "deployment"}
RUNTIME = {
    "name": "asya-runtime",
    "image": "python:3.13-slim",
    "command": ["python3", "/opt/asya/asya_runtime.py"],
    "env": [
        {"name": "ASYA_HANDLER", "value": "handler.process"},
        {"name": "PYTHONPATH", "value": "/app"},
        {"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"},
    ],
    "volumeMounts": [
        {"name": "handler", "mountPath": "/app/handler.py", "subPath": "handler.py"},
        {"name": "socket-dir", "mountPath": "/var/run/asya"},
        {"name": "tmp", "mountPath": "/tmp"},
        {
            "name": "asya-runtime",
            "mountPath": "/opt/asya/asya_runtime.py",
            "subPath": "asya_runtime.py",
            "readOnly": True,
        },
    ],
    "startupProbe": {
        "exec": {"command": READY},
        "initialDelaySeconds": 3,
        "periodSeconds": 2,
        "timeoutSeconds": 3,
        "failureThreshold": 150,
    },
    "livenessProbe": {"exec": {"command": READY}, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 3},
    "readinessProbe": {"exec": {"command": READY}, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 3},
    "lifecycle": LIFECYCLE,
    "securityContext": CONTAINER_SECURITY,
}
SIDECAR_ENV = {
    "ASYA_LOG_LEVEL": "info",
    "ASYA_GATEWAY_URL": "http://gateway",
    "ASYA_ACTOR_NAME": "hello-actor",
    "ASYA_ACTOR_HAPPY_END": "happy-end",
    "ASYA_ACTOR_ERROR_END": "error-end",
    "ASYA_RUNTIME_TIMEOUT": "300s",
    "ASYA_CONCURRENCY": "1",
    "ASYA_RETRY_MAX_ATTEMPTS": "3",
    "ASYA_RETRY_INITIAL_DELAY": "1s",
    "ASYA_RETRY_MAX_DELAY": "5m0s",
    "ASYA_RETRY_MULTIPLIER": "2",
    "ASYA_RETRY_JITTER": "0.2",
    "ASYA_RETRY_ON": "",
    "ASYA_RETRY_NON_RETRYABLE": "",
    "ASYA_MAX_DELIVERIES": "5",
    "ASYA_DRAIN_TIMEOUT": "4m57s",
    "ASYA_TRANSPORT": "sqs",
    "ASYA_AWS_REGION": "eu-west-1",
    "ASYA_SOCKET_DIR": "/var/run/asya",
}
SIDECAR = {
    "name": "asya-sidecar",
    "image": "asya-sidecar:latest",
    "imagePullPolicy": "IfNotPresent",
    "env": [{"name": name, "value": value} for name, value in SIDECAR_ENV.items()],
    "ports": [{"name": "asya-metrics", "containerPort": 8080, "protocol": "TCP"}],
    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "livenessProbe": {
        "httpGet": {"path": "/health", "port": "asya-metrics"},
        "periodSeconds": 30,
        "timeoutSeconds": 3,
        "failureThreshold": 3,
    },
    "readinessProbe": {
        "httpGet": {"path": "/ready", "port": "asya-metrics"},
        "periodSeconds": 5,
        "timeoutSeconds": 3,
        "failureThreshold": 2,
    },
    "volumeMounts": [
        {"name": "socket-dir", "mountPath": "/var/run/asya"},
        {"name": "tmp", "mountPath": "/tmp"},
    ],
    "restartPolicy": "Always",
    "lifecycle": LIFECYCLE,
    "securityContext": CONTAINER_SECURITY,
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
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
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS, "annotations": {"asya.sh/runtime-hash": "ada7d96b9245ec4d"}},
            "spec": {
                "containers": [RUNTIME],
                "initContainers": [SIDECAR],
                "volumes": [
                    {"name": "handler", "configMap": {"name": "hello-handler"}},
                    {"name": "socket-dir", "emptyDir": {}},
                    {"name": "tmp", "emptyDir": {}},
                    {"name": "asya-runtime", "configMap": {"name": "asya-runtime", "defaultMode": 0o755}},
                ],
                "securityContext": POD_SECURITY,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 330,
            },
        },
    },
}


def env_of(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(entry["name"], entry.get("value", entry.get("valueFrom"))) for entry in found["env"]]


def test_the_example_becomes_the_originals_deployment_and_our_additions():
    """Whole object, so that nothing slips in or out unseen."""
    documents = list(yaml.safe_load_all((REPOSITORY / "examples" / "hello" / "actors.yaml").read_text()))
    example = parse_actor(documents[1])
    assert objects(example, context(gateway_url="http://gateway"))["Deployment/hello-actor"] == DEPLOYMENT


def test_replicas_are_set_only_while_scaling_is_off():
    """With scaling on they are KEDA's, and an apply would fight it."""
    spec = objects(actor(workload=with_pod({}, replicas=3)))["Deployment/hello-actor"]["spec"]
    assert spec["replicas"] == 3
    scaled = objects(actor(workload=with_pod({}, replicas=3), scaling={"enabled": True}))
    assert "replicas" not in scaled["Deployment/hello-actor"]["spec"]


def test_what_the_user_wrote_is_kept_whole():
    """Known and unknown fields, other containers, in Kubernetes' own spelling."""
    pod: dict[str, Any] = {
        "nodeSelector": {"gpu": "true"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        "initContainers": [{"name": "fetch", "image": "fetch:1", "env": [{"name": "A", "value": ""}]}],
        "containers": [{"name": "helper", "image": "helper:1", "command": ["sleep", "1"], "stdinOnce": True}],
        "volumes": [
            {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "pvc", "persistentVolumeClaim": {"claimName": "c"}},
        ],
    }
    runtime: dict[str, Any] = {
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "imagePullPolicy": "Always",
        "envFrom": [{"secretRef": {"name": "keys", "optional": True}}],
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
        "volumeMounts": [{"name": "cache", "mountPath": "/cache", "mountPropagation": "None"}],
    }
    found = pod_of(actor(workload=with_pod(pod, runtime)), context(native_sidecar=False))
    for name in ("nodeSelector", "tolerations", "hostAliases"):
        assert found[name] == pod[name]
    assert found["volumes"][:2] == pod["volumes"]
    assert found["initContainers"] == [{**pod["initContainers"][0], "securityContext": CONTAINER_SECURITY}]
    assert container(found, "helper") == {**pod["containers"][0], "securityContext": CONTAINER_SECURITY}
    kept = container(found, "asya-runtime")
    for name in ("resources", "imagePullPolicy", "envFrom"):
        assert kept[name] == runtime[name]
    assert kept["env"][0] == runtime["env"][0]
    assert kept["volumeMounts"][0] == runtime["volumeMounts"][0]


def test_the_sidecar_is_appended_last_as_a_plain_container_where_that_is_wanted():
    """By the operator's setting, or by the actor's annotation, which has the last word."""
    helper = {"containers": [{"name": "helper", "image": "helper:1"}]}
    plain = {key: value for key, value in SIDECAR.items() if key not in ("restartPolicy", "env")}
    by_setting = pod_of(actor(workload=with_pod(helper)), context(native_sidecar=False))
    by_annotation = pod_of(actor(annotations={"asya.sh/native-sidecar": "false"}, workload=with_pod(helper)))
    for pod in (by_setting, by_annotation):
        assert "initContainers" not in pod
        assert [each["name"] for each in pod["containers"]] == ["asya-runtime", "helper", "asya-sidecar"]
        assert {key: value for key, value in pod["containers"][-1].items() if key != "env"} == plain
    native = pod_of(actor(annotations={"asya.sh/native-sidecar": "true"}), context(native_sidecar=False))
    assert native["initContainers"][-1]["restartPolicy"] == "Always"


def test_a_native_sidecar_runs_after_the_users_init_containers_and_waits_for_no_probe():
    """A startup probe on readiness would never pass: the handler's container starts only afterwards."""
    pod = pod_of(actor(workload=with_pod({"initContainers": [{"name": "fetch", "image": "fetch:1"}]})))
    assert [each["name"] for each in pod["initContainers"]] == ["fetch", "asya-sidecar"]
    assert "startupProbe" not in pod["initContainers"][-1]


def test_an_annotation_that_is_neither_true_nor_false_is_refused():
    """A typo would otherwise choose in silence."""
    with pytest.raises(InvalidActor, match=r"asya\.sh/native-sidecar.*must be"):
        objects(actor(annotations={"asya.sh/native-sidecar": "yes"}))


def test_probes_that_the_user_set_are_left_alone():
    """Only those that are missing come from us."""
    probe = {"exec": {"command": ["true"]}}
    found = container(pod_of(actor(workload=with_pod({}, {"livenessProbe": probe}))), "asya-runtime")
    assert found["livenessProbe"] == probe
    assert found["readinessProbe"] == RUNTIME["readinessProbe"]


def test_the_python_of_the_workload_runs_the_runtime():
    """For images whose Python is elsewhere."""
    found = container(pod_of(actor(workload=with_pod({}, pythonExecutable="/opt/venv/bin/python"))), "asya-runtime")
    assert found["command"] == ["/opt/venv/bin/python", "/opt/asya/asya_runtime.py"]


def test_of_two_environment_entries_with_one_name_only_the_last_is_applied():
    """Server-side apply refuses two; the socket's folder is ours."""
    env = [
        {"name": "A", "value": "1"},
        {"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"},
        {"name": "A", "value": "2"},
    ]
    declared = actor(
        workload=with_pod({}, {"env": env}), sidecar={"env": [{"name": "ASYA_LOG_LEVEL", "value": "debug"}]}
    )
    pod = pod_of(declared)
    assert env_of(container(pod, "asya-runtime")) == [
        ("A", "2"),
        ("ASYA_HANDLER", "handler.process"),
        ("ASYA_SOCKET_DIR", "/var/run/asya"),
    ]
    assert [entry for entry in env_of(container(pod, "asya-sidecar")) if entry[0] == "ASYA_LOG_LEVEL"] == [
        ("ASYA_LOG_LEVEL", "debug")
    ]


def test_the_crew_is_not_validated_unless_it_asks_for_it():
    """As Asya 0.1.1; the user's own value wins."""
    found = container(pod_of(actor(name="happy-end")), "asya-runtime")
    assert ("ASYA_ENABLE_VALIDATION", "false") in env_of(found)
    own = {"env": [{"name": "ASYA_ENABLE_VALIDATION", "value": "true"}]}
    found = container(pod_of(actor(name="happy-end", workload=with_pod({}, own))), "asya-runtime")
    assert [value for name, value in env_of(found) if name == "ASYA_ENABLE_VALIDATION"] == ["true"]


def test_rabbitmqs_password_reaches_the_sidecar_by_reference_alone():
    """In Asya 0.1.1's order; what is not configured is not set."""
    pod = pod_of(actor(), context("rabbitmq", config={"exchange": "asya", "vhost": "team", "tls": True}))
    env = env_of(container(pod, "asya-sidecar"))
    at = env.index(("ASYA_TRANSPORT", "rabbitmq"))
    assert env[at + 1 :] == [
        ("ASYA_RABBITMQ_HOST", "rabbit.asya"),
        ("ASYA_RABBITMQ_PORT", "5672"),
        ("ASYA_RABBITMQ_USERNAME", "asya"),
        ("ASYA_RABBITMQ_PASSWORD", {"secretKeyRef": {"name": "rabbit", "key": "password"}}),
        ("ASYA_RABBITMQ_EXCHANGE", "asya"),
        ("ASYA_RABBITMQ_VHOST", "team"),
        ("ASYA_RABBITMQ_TLS", "true"),
        ("ASYA_QUEUE_AUTO_CREATE", "true"),
        ("ASYA_SOCKET_DIR", "/var/run/asya"),
    ]
    bare = [name for name, _ in env_of(container(pod_of(actor(), context("rabbitmq")), "asya-sidecar"))]
    assert {"ASYA_RABBITMQ_EXCHANGE", "ASYA_RABBITMQ_VHOST", "ASYA_RABBITMQ_TLS"}.isdisjoint(bare)


def test_sqs_settings_reach_the_sidecar_in_the_originals_order():
    """Credentials by reference."""
    ref = {
        "accessKeyIdSecretRef": {"name": "aws", "key": "id"},
        "secretAccessKeySecretRef": {"name": "aws", "key": "key"},
    }
    config = {"endpoint": "http://local:4566", "visibilityTimeout": 90, "waitTimeSeconds": 5, "credentials": ref}
    env = env_of(container(pod_of(actor(), context(config=config)), "asya-sidecar"))
    assert env[env.index(("ASYA_TRANSPORT", "sqs")) + 1 :] == [
        ("ASYA_AWS_REGION", "eu-west-1"),
        ("ASYA_SQS_ENDPOINT", "http://local:4566"),
        ("ASYA_SQS_VISIBILITY_TIMEOUT", "90"),
        ("ASYA_SQS_WAIT_TIME_SECONDS", "5"),
        ("AWS_ACCESS_KEY_ID", {"secretKeyRef": {"name": "aws", "key": "id"}}),
        ("AWS_SECRET_ACCESS_KEY", {"secretKeyRef": {"name": "aws", "key": "key"}}),
        ("ASYA_SOCKET_DIR", "/var/run/asya"),
    ]


@pytest.mark.parametrize(
    ("timeout", "grace_s", "drain"),
    [
        ({}, 330, "4m57s"),
        ({"processing": "10m"}, 630, "9m27s"),
        ({"processing": 0}, 330, "4m57s"),
        ({"gracefulShutdown": 20}, 20, "18s"),
        ({"gracefulShutdown": 0}, 30, "27s"),
    ],
)
def test_a_pod_may_finish_its_handler_before_it_is_killed(timeout: dict[str, Any], grace_s: int, drain: str):
    """Unless the user says for how long; the sidecar's drain ends a tenth earlier."""
    pod = pod_of(actor(timeout=timeout))
    assert pod["terminationGracePeriodSeconds"] == grace_s
    assert ("ASYA_DRAIN_TIMEOUT", drain) in env_of(container(pod, "asya-sidecar"))


def test_the_users_security_context_wins_field_by_field():
    """The rest stays hardened; who asks for root is not stopped by our default."""
    pod = {
        "securityContext": {"runAsUser": 5, "fsGroup": 6},
        "containers": [{"name": "root", "image": "x", "securityContext": {"runAsUser": 0}}],
    }
    found = pod_of(actor(workload=with_pod(pod, {"securityContext": {"readOnlyRootFilesystem": False}})))
    assert found["securityContext"] == {**POD_SECURITY, "runAsUser": 5, "fsGroup": 6}
    runtime, root = container(found, "asya-runtime"), container(found, "root")
    assert runtime["securityContext"] == {**CONTAINER_SECURITY, "readOnlyRootFilesystem": False}
    assert root["securityContext"] == {**CONTAINER_SECURITY, "runAsNonRoot": False, "runAsUser": 0}


def test_a_service_account_token_is_mounted_only_where_an_account_is_named():
    """A handler does not talk to the cluster unless its author says so."""
    named = pod_of(actor(workload=with_pod({"serviceAccountName": "mine"})))
    assert (named["serviceAccountName"], "automountServiceAccountToken" in named) == ("mine", False)
    assert pod_of(actor(workload=with_pod({"automountServiceAccountToken": True})))["automountServiceAccountToken"]


def test_labels_of_the_template_are_kept_and_the_selector_follows_them():
    """A selector that differed from the template would be refused; the mesh adds its own labels."""
    workload = with_pod({})
    workload["template"]["metadata"] = {
        "labels": {"app": "mine", "asya.sh/asya": "hello-actor", "team": "x"},
        "annotations": {"a": "b"},
    }
    spec = objects(actor(workload=workload))["Deployment/hello-actor"]["spec"]
    labels = {**LABELS, "app": "mine"}
    assert spec["selector"] == {"matchLabels": labels}
    assert spec["template"]["metadata"] == {
        "labels": {**labels, "team": "x"},
        "annotations": {"a": "b", "asya.sh/runtime-hash": "ada7d96b9245ec4d"},
    }


def test_another_runtime_rolls_the_pods():
    """A file that is mounted by its name is never seen to change."""
    first, second = (
        objects(actor(), context(runtime_source=text))["Deployment/hello-actor"]["spec"]["template"]["metadata"]
        for text in ("a", "b")
    )
    assert first["annotations"] != second["annotations"]


def test_a_sidecar_that_serves_no_metrics_is_not_probed():
    """A probe of a port that nobody serves would restart it for ever."""
    off = actor(sidecar={"env": [{"name": "ASYA_METRICS_ENABLED", "value": "false"}]})
    found = container(pod_of(off), "asya-sidecar")
    assert {"ports", "livenessProbe", "readinessProbe"}.isdisjoint(found)
    moved = actor(sidecar={"env": [{"name": "ASYA_METRICS_ADDR", "value": ":9999"}]})
    assert container(pod_of(moved), "asya-sidecar")["ports"] == [
        {"name": "asya-metrics", "containerPort": 9999, "protocol": "TCP"}
    ]


def test_the_actors_own_sidecar_image_and_resources_win():
    """An empty resources object asks for none."""
    found = container(pod_of(actor(sidecar={"image": "mine:1", "resources": {}})), "asya-sidecar")
    assert (found["image"], found["resources"]) == ("mine:1", {})


def test_a_stateful_set_has_its_claims_and_a_service_without_an_address():
    """Asya 0.1.1 refused StatefulSets."""
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    runtime = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    declared = actor(workload=with_pod({}, runtime, kind="StatefulSet", replicas=2, volumeClaimTemplates=[claim]))
    found = objects(declared)
    assert "Deployment/hello-actor" not in found
    spec = found["StatefulSet/hello-actor"]["spec"]
    labels = {**LABELS, "asya.sh/workload": "statefulset"}
    assert {key: value for key, value in spec.items() if key != "template"} == {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "serviceName": "hello-actor",
        "podManagementPolicy": "Parallel",
        "volumeClaimTemplates": [claim],
    }
    assert found["Service/hello-actor"]["spec"] == {
        "clusterIP": "None",
        "selector": {name: value for name, value in labels.items() if name != "app"},
        "ports": [{"name": "asya-metrics", "port": 8080, "protocol": "TCP"}],
    }


def test_hooks_of_the_users_own_stay():
    runtime = {
        "lifecycle": {"preStop": {"exec": {"command": ["/flush"]}}, "postStart": {"exec": {"command": ["/warm"]}}}
    }
    [made] = pod_of(actor(workload=with_pod({}, runtime=runtime)))["containers"]
    assert made["lifecycle"] == runtime["lifecycle"]
    runtime["lifecycle"].pop("preStop")
    [made] = pod_of(actor(workload=with_pod({}, runtime=runtime)))["containers"]
    assert made["lifecycle"] == {**LIFECYCLE, **runtime["lifecycle"]}


def test_environment_entries_keep_their_order_and_find_what_is_ours():
    """A later entry wins in its own place, where what it refers to is known."""
    env = [
        {"name": "MODEL_DIR", "value": "/models"},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MODEL_DIR", "value": "$(MODEL_DIR)/$(POD_NAME)"},
        {"name": "OURS", "value": "$(ASYA_SOCKET_DIR)/x"},
    ]
    helper = {"name": "helper", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]}
    pod = pod_of(actor(workload=with_pod({"containers": [helper]}, {"env": env})))
    assert env_of(container(pod, "asya-runtime")) == [
        ("ASYA_SOCKET_DIR", "/var/run/asya"),
        ("POD_NAME", {"fieldRef": {"fieldPath": "metadata.name"}}),
        ("MODEL_DIR", "/models/$(POD_NAME)"),
        ("OURS", "$(ASYA_SOCKET_DIR)/x"),
        ("ASYA_HANDLER", "handler.process"),
    ]
    assert env_of(container(pod, "helper")) == [("A", "12")]


def test_an_entry_of_the_sidecars_own_environment_may_refer_to_ours_unless_it_replaces_a_secret():
    entries = [
        {"name": "ASYA_LOG_LEVEL", "value": "debug"},
        {"name": "WHERE", "value": "$(ASYA_ACTOR_NAME)/$(ASYA_LOG_LEVEL)"},
    ]
    found = env_of(container(pod_of(actor(sidecar={"env": entries})), "asya-sidecar"))
    assert found[-2:] == [("ASYA_LOG_LEVEL", "debug"), ("WHERE", "$(ASYA_ACTOR_NAME)/$(ASYA_LOG_LEVEL)")]
    secret = {"name": "ASYA_RABBITMQ_PASSWORD", "value": "$(ASYA_RABBITMQ_PASSWORD)x"}
    with pytest.raises(InvalidActor, match="'ASYA_RABBITMQ_PASSWORD', which is no plain value"):
        objects(actor(sidecar={"env": [secret]}), context("rabbitmq"))


def test_a_null_leaves_a_field_to_the_cluster():
    """OpenShift gives a pod a user of its namespace's range, where the template names none."""
    users = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    own = {"livenessProbe": None, "ports": None, "volumeMounts": None, "lifecycle": {"preStop": None}}
    helper = {"name": "helper", "securityContext": None, "env": None}
    pod = pod_of(actor(workload=with_pod({"securityContext": users, "containers": [helper]}, own)))
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    runtime = container(pod, "asya-runtime")
    assert ("livenessProbe" in runtime, "startupProbe" in runtime, runtime["lifecycle"]) == (False, True, {})
    assert container(pod, "helper") == {"name": "helper"}
    unset = {"securityContext": None, "automountServiceAccountToken": None, "terminationGracePeriodSeconds": None}
    pod = pod_of(actor(workload=with_pod({**unset, "volumes": None}, {"lifecycle": None})))
    assert {"securityContext", "automountServiceAccountToken"}.isdisjoint(pod)
    assert "lifecycle" not in container(pod, "asya-runtime")
    assert pod["terminationGracePeriodSeconds"] == 330


def test_a_grace_period_of_the_template_is_the_pods():
    pod = pod_of(actor(workload=with_pod({"terminationGracePeriodSeconds": 1800})))
    assert pod["terminationGracePeriodSeconds"] == 1800
    assert ("ASYA_DRAIN_TIMEOUT", "27m0s") in env_of(container(pod, "asya-sidecar"))
