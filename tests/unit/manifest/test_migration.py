"""What becomes of the manifests of Asya 1.x, field by field, and what is said of the rest."""

from typing import Any

import pytest
import yaml

from asya_manifest.actor import parse_actor
from asya_manifest.errors import InvalidActor
from asya_manifest.migration import is_theirs, migrate, migrate_all

WHOLE = """
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: ocr-dev, namespace: team, labels: {team: vision}}
spec:
  actor: ocr
  image: ocr:1
  imagePullPolicy: Always
  handler: ocr.Model.process
  env:
  - {name: MODEL, value: small}
  - {name: KEY, valueFrom: {secretKeyRef: {name: more, key: k}}}
  envFrom: [{secretRef: {name: all}}]
  secretRefs:
  - secretName: api-keys
    keys: [{key: openai-key, envVar: OPENAI_API_KEY}]
  resources: {limits: {nvidia.com/gpu: "1"}}
  tolerations: [{key: nvidia.com/gpu, operator: Exists}]
  nodeSelector: {gpu-type: a100}
  volumes: [{name: models, emptyDir: {}}]
  volumeMounts: [{name: models, mountPath: /models}]
  replicas: 2
  scaling:
    enabled: true
    minReplicaCount: 0
    maxReplicaCount: 10
    queueLength: 5
    additionalTriggers: [{type: cpu}]
  resiliency:
    actorTimeout: 300s
    policies:
      default: {maxAttempts: 4, backoff: exponential, initialInterval: 1s, maxInterval: 60s, onExhausted: [help]}
      rate-limited: {maxAttempts: 9}
  flavors: [gpu-a100]
  stateProxy: [{name: memory}]
"""


def read(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text))


def test_every_field_that_has_a_place_is_there_and_the_mesh_takes_it() -> None:
    made = migrate(read(WHOLE), "rabbitmq")
    actor = parse_actor(made.document)
    assert (actor.name, actor.spec.transport) == ("ocr", "rabbitmq")
    assert made.document["metadata"]["labels"] == {"team": "vision"}
    assert actor.spec.compat == "asya-1", "whose handlers return lists as one payload"
    scaling, retry = actor.spec.scaling, actor.spec.retry
    assert (scaling.enabled, scaling.min_replicas, scaling.max_replicas, scaling.queue_length) == (True, 0, 10, 5)
    assert (retry.max_attempts, retry.initial_delay, retry.max_delay) == (4, 1.0, 60.0)
    assert actor.spec.timeout.processing == 300
    assert actor.spec.workload.replicas == 2
    pod = made.document["spec"]["workload"]["template"]["spec"]
    assert (pod["nodeSelector"], pod["tolerations"][0]["key"]) == ({"gpu-type": "a100"}, "nvidia.com/gpu")
    (runtime,) = pod["containers"]
    assert (runtime["image"], runtime["imagePullPolicy"], runtime["envFrom"]) == (
        "ocr:1",
        "Always",
        [{"secretRef": {"name": "all"}}],
    )
    assert runtime["volumeMounts"] == [{"name": "models", "mountPath": "/models"}]
    assert [entry["name"] for entry in runtime["env"]] == ["ASYA_HANDLER", "MODEL", "KEY", "OPENAI_API_KEY"]
    assert runtime["env"][-1]["valueFrom"] == {"secretKeyRef": {"name": "api-keys", "key": "openai-key"}}


def test_what_has_no_place_is_told_with_its_path() -> None:
    told = [note.partition(":")[0] for note in migrate(read(WHOLE), "sqs").notes]
    assert told == [
        "metadata.name",
        "spec.scaling.additionalTriggers",
        "spec.resiliency.policies.rate-limited",
        "spec.resiliency.retry.onExhausted",
        "spec.flavors",
        "spec.stateProxy",
    ]


def test_ours_and_objects_of_other_kinds_stay_as_they_are() -> None:
    ours = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {"transport": "sqs", "image": "ocr:1", "handler": "ocr.run", "env": {"MODEL": "small"}},
    }
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "spec": {"env": []}}
    for document in (ours, other):
        assert not is_theirs(document)
        made = migrate(document, "sqs")
        assert (made.document, made.changed, made.notes) == (document, False, [])
    assert migrate(migrate(read(WHOLE), "sqs").document, "rabbitmq").changed is False


def test_the_ends_of_their_mesh_are_those_of_our_crew() -> None:
    spec = {"actor": "x-sink", "image": "crew:1", "handler": "sink.run"}
    made = migrate(
        {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": "x-sink"}, "spec": spec}, "sqs"
    )
    assert made.notes == [
        "metadata.name: happy-end of our crew does what x-sink does; install that, and leave this out"
    ]


def test_what_a_mesh_would_refuse_does_not_come_out() -> None:
    broken = read(WHOLE)
    broken["spec"]["scaling"]["minReplicaCount"] = 20
    with pytest.raises(InvalidActor, match="minReplicas"):
        migrate_all([broken], "sqs", parse_actor)
