"""The operator against a real API server: refusals, drift, its own death, and the end of actors."""

from typing import Any

import pytest
import yaml

from tests.support.actors import FAST_SCALING, actor, handler
from tests.support.cluster import Cluster, eventually
from tests.support.installed import OPERATOR_NAMESPACE, Brokers, prepare_namespace, wait_for_status
from tests.support.wire import Wire, envelope

ECHO = "def process(payload):\n    return payload\n"
DRIFT_S = 120
"""Four times what the operator promises, as this machine also runs the cluster; by itself it looks only every ten minutes."""


def test_every_kind_of_drift_is_put_right(cluster: Cluster, wire: Wire, rabbit: str) -> None:
    cluster.apply(handler("drifting", ECHO), actor("drifting", "rabbitmq"), namespace=rabbit)
    wait_for_status(cluster, "drifting", rabbit, "Napping")
    for kind, name in (
        ("deployment", "drifting"),
        ("scaledobject", "drifting"),
        ("triggerauthentication", "drifting-trigger-auth"),
        ("configmap", "drifting-trigger-auth"),
        ("configmap", "asya-runtime"),
        ("networkpolicy", "drifting"),
        ("poddisruptionbudget", "drifting"),
    ):
        _delete_and_wait(cluster, kind, name, rabbit)
    wire.delete_queue("rabbitmq", "asya-drifting")
    eventually(
        lambda: wire.queues("rabbitmq"), lambda queues: "asya-drifting" in queues, DRIFT_S, "the queue to come back"
    )


def _delete_and_wait(cluster: Cluster, kind: str, name: str, namespace: str) -> None:
    before = cluster.get(kind, name, namespace)
    assert before is not None
    uid = before["metadata"]["uid"]
    cluster.kubectl("-n", namespace, "delete", kind, name, "--wait=false")
    eventually(
        lambda: cluster.get(kind, name, namespace),
        lambda found: found is not None and found["metadata"]["uid"] != uid,
        DRIFT_S,
        f"{kind} {name} to come back",
    )


def test_what_somebody_changed_by_hand_is_changed_back(cluster: Cluster, rabbit: str) -> None:
    cluster.apply(handler("edited", ECHO), actor("edited", "rabbitmq"), namespace=rabbit)
    wait_for_status(cluster, "edited", rabbit, "Napping")
    patch = '[{"op": "replace", "path": "/spec/maxReplicaCount", "value": 77}]'
    cluster.kubectl("-n", rabbit, "patch", "scaledobject", "edited", "--type=json", "-p", patch)
    eventually(
        lambda: cluster.get("scaledobject", "edited", rabbit),
        lambda found: found is not None and found["spec"]["maxReplicaCount"] == FAST_SCALING["maxReplicas"],
        DRIFT_S,
        "maxReplicaCount to be as declared",
    )


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("min over max", {"scaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 2}}, "minReplicas"),
    ("two kinds of nonsense", {"workload": {"kind": "Job", "template": {"spec": {}}}}, "Unsupported value"),
    (
        "a reserved container",
        {
            "workload": {
                "template": {"spec": {"containers": [{"name": "asya-runtime", "image": "x"}, {"name": "asya-sidecar"}]}}
            }
        },
        "container name 'asya-sidecar' is reserved for the injected sidecar and cannot be defined in the AsyncActor spec",
    ),
    (
        "an own command",
        {
            "workload": {
                "template": {"spec": {"containers": [{"name": "asya-runtime", "image": "x", "command": ["sh"]}]}}
            }
        },
        "container 'asya-runtime' cannot override command (command is managed by operator)",
    ),
    (
        "no runtime",
        {"workload": {"template": {"spec": {"containers": [{"name": "other", "image": "x"}]}}}},
        "workload must contain exactly one container named 'asya-runtime'",
    ),
    (
        "the sidecar's port",
        {
            "workload": {
                "template": {
                    "spec": {"containers": [{"name": "asya-runtime", "image": "x", "ports": [{"containerPort": 8080}]}]}
                }
            }
        },
        "port 8080 serves the injected sidecar's metrics and health",
    ),
    (
        "a target without a formula",
        {"scaling": {"enabled": True, "advanced": {"target": "20"}}},
        "target, activationTarget and metricType are about a formula",
    ),
    (
        "a formula that counts nothing",
        {"scaling": {"enabled": True, "advanced": {"formula": "5"}}},
        "a formula counts by queueLength, total and ready",
    ),
    (
        "a queue's utilization",
        {"scaling": {"enabled": True, "advanced": {"formula": "total", "metricType": "Utilization"}}},
        "a queue has no utilization",
    ),
]


@pytest.mark.parametrize(("what", "spec", "text"), BAD, ids=[each[0] for each in BAD])
def test_a_bad_manifest_is_refused_with_its_reason(
    cluster: Cluster, rabbit: str, what: str, spec: dict[str, Any], text: str
) -> None:
    manifest = actor("bad", "rabbitmq")
    manifest["spec"] |= spec
    said = cluster.kubectl("-n", rabbit, "apply", "-f", "-", stdin=yaml.safe_dump(manifest), check=False)
    assert text in said, what
    assert cluster.get("asyncactor", "bad", rabbit) is None


def test_a_transport_cannot_change(cluster: Cluster, rabbit: str) -> None:
    cluster.apply(handler("fixed", ECHO), actor("fixed", "rabbitmq"), namespace=rabbit)
    patch = '{"spec": {"transport": "sqs"}}'
    said = cluster.kubectl("-n", rabbit, "patch", "asyncactor", "fixed", "--type=merge", "-p", patch, check=False)
    assert "transport" in said
    assert "Invalid value" in said


def test_an_unknown_transport_is_a_condition_that_names_it(cluster: Cluster, rabbit: str) -> None:
    cluster.apply(handler("lost", ECHO), actor("lost", "kafka"), namespace=rabbit)
    status = wait_for_status(cluster, "lost", rabbit, "TransportError")
    [condition] = [each for each in status["conditions"] if each["type"] == "TransportReady"]
    assert condition["message"] == "transport 'kafka' not found in operator configuration"
    eventually(  # The operator tells it after it has written the status.
        lambda: cluster.items("events", rabbit),
        lambda events: any(each["involvedObject"]["name"] == "lost" and each["type"] == "Warning" for each in events),
        60,
        "a warning about it",
    )


def test_a_new_actor_without_envelopes_starts_no_pod(cluster: Cluster, rabbit: str) -> None:
    cluster.apply(handler("quiet", ECHO), actor("quiet", "rabbitmq"), namespace=rabbit)
    wait_for_status(cluster, "quiet", rabbit, "Napping")
    events = cluster.items("events", rabbit)
    made = [each["message"] for each in events if each["reason"] == "SuccessfulCreate"]
    assert not [message for message in made if "quiet-" in message]
    # KEDA's count stays when something else of the actor changes.
    cluster.kubectl("-n", rabbit, "scale", "deployment/quiet", "--replicas=0")
    cluster.apply(actor("quiet", "rabbitmq", env={"RELEASE": "2"}), namespace=rabbit)
    eventually(
        lambda: cluster.get("deployment", "quiet", rabbit),
        lambda found: found is not None and "RELEASE" in str(found["spec"]["template"]),
        DRIFT_S,
        "the new environment to reach the workload",
    )
    deployment = cluster.get("deployment", "quiet", rabbit)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 0


def test_two_actors_of_one_name_do_not_share_a_queue(cluster: Cluster, brokers: Brokers, rabbit: str) -> None:
    other = "e2e-second"  # of two that were made in one second the first by namespace keeps the queue
    prepare_namespace(cluster, other, brokers)
    try:
        cluster.apply(handler("twin", ECHO), actor("twin", "rabbitmq"), namespace=rabbit)
        wait_for_status(cluster, "twin", rabbit, "Napping")
        cluster.apply(handler("twin", ECHO), actor("twin", "rabbitmq"), namespace=other)
        status = wait_for_status(cluster, "twin", other, "TransportError")
        assert f"belongs to AsyncActor {rabbit}/twin" in str(status["conditions"])
        cluster.kubectl("-n", rabbit, "delete", "asyncactor", "twin", "--timeout=240s")
        wait_for_status(cluster, "twin", other, "Napping")
    finally:
        cluster.kubectl("-n", other, "delete", "asyncactor", "--all", "--timeout=240s")
        cluster.kubectl("delete", "namespace", other, "--wait=false")


def test_an_operator_killed_in_the_middle_leaves_nothing_half_done(
    cluster: Cluster, rabbit: str, record_property: Any
) -> None:
    names = [f"many-{number}" for number in range(20)]
    objects = [each for name in names for each in (handler(name, ECHO), actor(name, "rabbitmq"))]
    cluster.apply(*objects, namespace=rabbit)
    cluster.kubectl("-n", OPERATOR_NAMESPACE, "delete", "pods", "--all", "--grace-period=0", "--force")
    for name in names:
        wait_for_status(cluster, name, rabbit, "Napping")
        for kind in ("deployment", "scaledobject", "networkpolicy", "poddisruptionbudget"):
            assert cluster.get(kind, name, rabbit) is not None, f"{kind} {name}"
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", *names, "--timeout=240s")
    record_property("table", f"operator killed while {len(names)} actors were made: {len(names)} whole, 0 half done")


def test_a_queue_that_holds_something_outlives_its_actor_and_an_empty_one_does_not(
    cluster: Cluster, wire: Wire, rabbit: str
) -> None:
    idle = {"enabled": False}
    kept = actor("kept", "rabbitmq", scaling=idle)
    kept["spec"]["workload"]["replicas"] = 0
    cluster.apply(handler("kept", ECHO), kept, handler("empty", ECHO), actor("empty", "rabbitmq"), namespace=rabbit)
    wait_for_status(cluster, "kept", rabbit, "Running")
    wait_for_status(cluster, "empty", rabbit, "Napping")
    wire.send("rabbitmq", [envelope("kept-1", "kept", n=1)])
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", "kept", "empty", "--timeout=240s")
    assert "asya-kept" in wire.queues("rabbitmq")
    _wait_without(wire, "asya-empty")
    kept["spec"]["workload"]["replicas"] = 1
    cluster.apply(kept, namespace=rabbit)
    assert wire.result("kept-1")["payload"] == {"n": 1}


def test_an_annotated_actor_takes_its_full_queue_along(cluster: Cluster, wire: Wire, rabbit: str) -> None:
    doomed = actor("doomed", "rabbitmq", scaling={"enabled": False}, annotations={"asya.sh/delete-queue": "true"})
    doomed["spec"]["workload"]["replicas"] = 0
    cluster.apply(handler("doomed", ECHO), doomed, namespace=rabbit)
    wait_for_status(cluster, "doomed", rabbit, "Running")
    wire.send("rabbitmq", [envelope("doomed-1", "doomed")])
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", "doomed", "--timeout=240s")
    _wait_without(wire, "asya-doomed")


def _wait_without(wire: Wire, queue: str) -> None:
    """RabbitMQ's list of queues may be older than the deletion."""
    eventually(lambda: wire.queues("rabbitmq"), lambda queues: queue not in queues, 30, f"{queue} to be gone")


def test_a_handler_that_cannot_be_imported_is_a_runtime_error_and_mends_itself(cluster: Cluster, rabbit: str) -> None:
    scaling = {"enabled": False}
    cluster.apply(
        handler("broken", ECHO),
        actor("broken", "rabbitmq", scaling=scaling, env={"ASYA_HANDLER": "nowhere.process"}),
        namespace=rabbit,
    )
    status = wait_for_status(cluster, "broken", rabbit, "RuntimeError")
    assert "asya-runtime" in str(status["conditions"])
    cluster.apply(actor("broken", "rabbitmq", scaling=scaling), namespace=rabbit)
    wait_for_status(cluster, "broken", rabbit, "Running")


def test_a_stateful_set_runs_too(cluster: Cluster, wire: Wire, rabbit: str) -> None:
    stateful = actor("stateful", "rabbitmq", scaling={"enabled": False})
    stateful["spec"]["workload"] |= {"kind": "StatefulSet", "replicas": 2}
    cluster.apply(handler("stateful", ECHO), stateful, namespace=rabbit)
    wait_for_status(cluster, "stateful", rabbit, "Running")
    assert [pod["metadata"]["name"] for pod in cluster.items("pods", rabbit, "asya.sh/asya=stateful")] == [
        "stateful-0",
        "stateful-1",
    ]
    wire.send("rabbitmq", [envelope("stateful-1", "stateful", n=1)])
    assert wire.result("stateful-1")["payload"] == {"n": 1}


def test_an_actor_that_is_deleted_while_its_pods_start_is_gone_long_before_their_grace(
    cluster: Cluster, rabbit: str
) -> None:
    brief = actor("brief", "rabbitmq", scaling={"enabled": False})
    brief["spec"]["workload"]["replicas"] = 4
    cluster.apply(handler("brief", ECHO), brief, namespace=rabbit)
    pods = eventually(
        lambda: cluster.items("pods", rabbit, "asya.sh/asya=brief"),
        lambda found: any("startedAt" in str(pod.get("status")) for pod in found),
        180,
        "a container to start",
    )
    assert pods[0]["spec"]["terminationGracePeriodSeconds"] == 330
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", "brief", "--timeout=150s")


def test_a_leader_that_is_told_to_stop_ends_in_order_and_the_other_replica_takes_over(
    cluster: Cluster, operator: None
) -> None:
    def leading() -> list[str]:
        pods = [each["metadata"] for each in cluster.items("pods", OPERATOR_NAMESPACE)]
        holder = _holder(cluster)
        return [meta["name"] for meta in pods if holder.startswith(meta["name"]) and "deletionTimestamp" not in meta]

    [pod] = eventually(leading, bool, 180, "an operator that stays to hold the lease")
    with cluster.watching("pod", pod, OPERATOR_NAMESPACE) as seen:
        # After the grace SIGKILL: exit code 137 instead of 0. The deployment's ten seconds may not do on a busy machine.
        cluster.kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", pod, "--grace-period=60")
        states = [each["status"]["containerStatuses"][0]["state"] for each in seen()]
    assert [state["terminated"]["exitCode"] for state in states if "terminated" in state][-1:] == [0]
    eventually(
        lambda: _holder(cluster),
        lambda holder: holder != "" and not holder.startswith(pod),
        180,
        "the other replica to lead",
    )


def _holder(cluster: Cluster) -> str:
    lease = cluster.get("lease", "asya-operator.asya.sh", OPERATOR_NAMESPACE)
    return str((lease or {"spec": {}})["spec"].get("holderIdentity") or "")
