"""The AsyncActor model: what is accepted, and what each broken rule says."""

import copy
from typing import Any

import pytest
import yaml

from asya_manifest.actor import parse_actor
from asya_manifest.errors import InvalidActor
from asya_protocol.names import QueueNames

FULL = """
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: ocr, namespace: default, uid: 5e6f}
spec:
  transport: sqs
  sidecar: {image: "asya-sidecar:1", imagePullPolicy: Always, concurrency: 4, env: [{name: A, value: "1"}]}
  timeout: {processing: 120, gracefulShutdown: 1m}
  scaling: {enabled: true, minReplicas: 1, maxReplicas: 7, pollingInterval: 2, cooldownPeriod: 1m30s, queueLength: 3}
  retry: {maxAttempts: 5, initialDelay: 250ms, maxDelay: 1m, multiplier: 3, jitter: 0,
          retryOn: [OSError], nonRetryable: [a.B]}
  delivery: {maxDeliveries: 9}
  workload:
    kind: Deployment
    template:
      metadata: {labels: {team: x}}
      spec:
        nodeSelector: {gpu: "true"}
        containers:
        - {name: asya-runtime, image: "ocr:1", env: [{name: ASYA_HANDLER, value: ocr.run}]}
        - {name: helper, image: "helper:1", command: [sleep, "1"]}
"""


def manifest(**spec: Any) -> dict[str, Any]:
    """A small valid manifest with parts of its spec replaced."""
    base = {"transport": "sqs", "handler": "ocr.run"}
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {**base, **spec},
    }


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidActor) as caught:
        parse_actor(document)
    return [str(problem) for problem in caught.value.problems]


def with_pod(**pod: Any) -> dict[str, Any]:
    document = manifest(workload={"template": {"spec": pod}})
    del document["spec"]["handler"]
    return document


def test_a_full_manifest_is_read_with_its_durations_in_seconds():
    """Every section of the compatible shape and of our additions arrives."""
    actor = parse_actor(yaml.safe_load(FULL))
    assert (actor.name, QueueNames().queue(actor.name), actor.is_end_actor) == ("ocr", "asya-ocr", False)
    assert (actor.spec.timeout.processing, actor.spec.timeout.graceful_shutdown) == (120, 60)
    assert (actor.spec.scaling.polling_interval, actor.spec.scaling.cooldown_period) == (2, 90)
    assert (actor.spec.retry.initial_delay, actor.spec.retry.non_retryable) == (0.25, ["a.B"])
    assert (actor.spec.delivery.max_deliveries, actor.spec.sidecar.concurrency) == (9, 4)
    assert actor.spec.workload.template.runtime.env[0].value == "ocr.run"


def test_unknown_pod_fields_survive_validation():
    """Kubernetes judges the pod spec, so what we do not read is kept."""
    template = parse_actor(yaml.safe_load(FULL)).spec.workload.template
    kept = template.spec.model_dump(by_alias=True, exclude_unset=True)
    assert kept["nodeSelector"] == {"gpu": "true"}


def test_defaults_are_those_of_the_original_and_the_design():
    """An actor that sets nothing retries three times and does not scale."""
    spec = parse_actor(manifest()).spec
    assert (spec.scaling.enabled, spec.scaling.max_replicas, spec.scaling.queue_length) == (False, 50, 5)
    assert (spec.timeout.processing, spec.timeout.graceful_shutdown, spec.workload.replicas) == (300, 30, 1)
    assert (spec.retry.max_attempts, spec.retry.initial_delay, spec.retry.max_delay) == (3, 1, 300)
    assert (spec.delivery.max_deliveries, spec.sidecar.concurrency) == (5, 1)
    assert spec.workload.python_executable == "python3"


def test_the_short_form_becomes_a_runtime_container():
    """Handler and image stand for a pod template."""
    container = parse_actor(manifest(image="ocr:2")).spec.workload.template.runtime
    assert container.image == "ocr:2"
    assert [(entry.name, entry.value) for entry in container.env] == [("ASYA_HANDLER", "ocr.run")]


def test_the_short_form_completes_a_given_runtime_container():
    """Environment and mounts of a template stay when only the handler is short."""
    pod = {"containers": [{"name": "asya-runtime", "env": [{"name": "A", "value": "1"}]}]}
    container = parse_actor(manifest(workload={"template": {"spec": pod}})).spec.workload.template.runtime
    assert [entry.name for entry in container.env] == ["A", "ASYA_HANDLER"]


def test_one_variable_needs_one_line():
    """In the short form the environment is a mapping; it goes behind the container's own, in its order."""
    container = parse_actor(manifest(env={"MODEL": "large", "DPI": "300"})).spec.workload.template.runtime
    assert [(entry.name, entry.value) for entry in container.env] == [
        ("MODEL", "large"),
        ("DPI", "300"),
        ("ASYA_HANDLER", "ocr.run"),
    ]
    pod = {"containers": [{"name": "asya-runtime", "env": [{"name": "DPI", "value": "150"}]}]}
    twice = problems(manifest(env={"DPI": "300"}, workload={"template": {"spec": pod}}))
    assert twice == ["spec.env.DPI: the container sets it too; set one of them"]
    (number,) = problems(manifest(env={"DPI": 300}))
    assert number.startswith("spec.env.DPI: ")


def test_a_handler_given_twice_is_refused():
    """Two places for one setting would make one of them a lie."""
    pod = {"containers": [{"name": "asya-runtime", "env": [{"name": "ASYA_HANDLER", "value": "x.y"}]}]}
    found = problems(manifest(workload={"template": {"spec": pod}}))
    assert found == ["spec.handler: the container sets ASYA_HANDLER too; set one of them"]


def test_an_explicit_null_counts_as_absent():
    """The API server drops nulls before anyone reads them."""
    document = manifest(retry=None, sidecar={"env": None, "image": None})
    assert parse_actor(document).spec.retry.max_attempts == 3


def test_type_is_another_name_of_kind():
    """Asya 0.1.1's README says type where its CRD says kind."""
    document = yaml.safe_load(FULL)
    document["spec"]["workload"]["type"] = document["spec"]["workload"].pop("kind")
    assert parse_actor(document).spec.workload.kind == "Deployment"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"transport": ""}, "spec.transport: string should have at least 1 character"),
        ({"scaling": {"minReplica": 1}}, "spec.scaling.minReplica: unknown field; did you mean 'minReplicas'?"),
        ({"retri": {}}, "spec.retri: unknown field; did you mean 'retry'?"),
        (
            {"socket": {"zzz": 1}},
            "spec.socket: unknown field; known here: accepts, batch, compat, delivery, env, handler",
        ),
        (
            {"stream": True, "batch": {"size": 2}},
            "spec.stream: a handler that takes batches returns lists and streams nothing; set one of them",
        ),
        (
            {"scaling": {"minReplicas": 5, "maxReplicas": 3}},
            "spec.scaling.minReplicas: minReplicas (5) cannot be greater than maxReplicas (3)",
        ),
        ({"scaling": {"minReplicas": -1}}, "spec.scaling.minReplicas: input should be greater than or equal to 0"),
        ({"scaling": {"minReplicas": "3"}}, "spec.scaling.minReplicas: input should be a valid integer"),
        ({"scaling": {"enabled": "yes"}}, "spec.scaling.enabled: input should be a valid boolean"),
        ({"timeout": {"processing": "soon"}}, "spec.timeout.processing: 'soon' is not a duration; write it like 30s"),
        ({"timeout": {"processing": -1}}, "spec.timeout.processing: input should be greater than or equal to 0"),
        ({"timeout": {"processing": float("nan")}}, "spec.timeout.processing: input should be"),
        ({"retry": {"retryOn": ["Value Error"]}}, "spec.retry.retryOn[0]: 'Value Error' is not a class name"),
        ({"retry": {"jitter": 2}}, "spec.retry.jitter: input should be less than or equal to 1"),
        (
            {"workload": {"kind": "Job", "template": {"spec": {}}}},
            "spec.workload.kind: unsupported workload kind: Job (only Deployment and StatefulSet are supported)",
        ),
        ({"sidecar": {"env": [{"name": "A", "value": 1}]}}, "spec.sidecar.env[0].value: must be a string, not 1"),
        ({"scaling": []}, "spec.scaling: input should be"),
        ({"workload": "x"}, "spec.workload: input should be"),
    ],
)
def test_a_broken_field_is_named_with_its_path_and_rule(change: dict[str, Any], expected: str):
    """One message per problem, in the manifest's own words."""
    found = problems(manifest(**change))
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (
            {"containers": [{"name": "asya-runtime"}, {"name": "asya-sidecar"}]},
            "container name 'asya-sidecar' is reserved for the injected sidecar and cannot be defined "
            "in the AsyncActor spec",
        ),
        (
            {"containers": [{"name": "asya-runtime"}], "initContainers": [{"name": "asya-sidecar"}]},
            "init container name 'asya-sidecar' is reserved for operator use and cannot be defined "
            "in the AsyncActor spec",
        ),
        (
            {"containers": [{"name": "asya-runtime", "command": ["python"]}]},
            "container 'asya-runtime' cannot override command (command is managed by operator)",
        ),
        ({"containers": []}, "workload must contain exactly one container named 'asya-runtime', but found 0"),
        (
            {"containers": [{"name": "asya-runtime"}, {"name": "asya-runtime"}]},
            "workload must contain exactly one container named 'asya-runtime', but found 2",
        ),
        (
            {"containers": [{"name": "asya-runtime"}], "volumes": [{"name": "tmp"}]},
            "volume name 'tmp' is reserved for the injected volumes",
        ),
        (
            {
                "containers": [{"name": "asya-runtime", "volumeMounts": [{"name": "a", "mountPath": "/tmp"}]}],
                "volumes": [{"name": "a"}],
            },
            "'/tmp' is reserved for the injected volumes",
        ),
        (
            {"containers": [{"name": "asya-runtime", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}]},
            "there is no volume named 'a'",
        ),
    ],
)
def test_a_pod_that_breaks_a_rule_of_the_mesh_gets_the_known_text(pod: dict[str, Any], expected: str):
    """The texts are those that Asya 0.1.1's users know."""
    with pytest.raises(InvalidActor) as caught:
        parse_actor(with_pod(**pod))
    assert [problem.text for problem in caught.value.problems] == [expected]
    assert caught.value.problems[0].path.startswith("spec.workload.template.spec.")


@pytest.mark.parametrize("name", ["Ocr", "-a", "a-", "a" * 64, "a.b", "a_b", "ocr-dlq", ""])
def test_a_name_that_cannot_become_a_queue_is_refused(name: str):
    """Names become Deployments, label values and queue names."""
    document = manifest()
    document["metadata"]["name"] = name
    assert problems(document)[0].startswith("metadata.name: ")


def test_a_manifest_without_spec_or_transport_says_so():
    """Absent sections are named, not read as empty."""
    document = manifest()
    del document["spec"]
    assert problems(document) == ["spec: required field is missing"]
    document = manifest()
    del document["spec"]["transport"]
    assert problems(document) == ["spec.transport: required field is missing"]


def test_every_problem_is_listed_at_once():
    """Whoever mends a manifest should need one round."""
    found = problems(manifest(scaling={"queueLength": 0}, delivery={"maxDeliveries": 0}))
    assert [text.split(":")[0] for text in found] == ["spec.scaling.queueLength", "spec.delivery.maxDeliveries"]


def test_parsing_leaves_the_document_as_it_was():
    """The short form is expanded in a copy."""
    document = manifest(image="x")
    before = copy.deepcopy(document)
    parse_actor(document)
    assert document == before


def test_a_stateful_set_brings_claims_that_its_containers_mount():
    """By the claim's name, as in Kubernetes; what else the claim says is kept."""
    claim = {"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}
    runtime = {"name": "asya-runtime", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    workload = {
        "kind": "StatefulSet",
        "volumeClaimTemplates": [claim],
        "template": {"spec": {"containers": [runtime]}},
    }
    assert parse_actor(manifest(workload=workload)).spec.workload.volume_claim_templates == [claim]
    assert problems(manifest(workload={**workload, "volumeClaimTemplates": []})) == [
        "spec.workload.template.spec.containers[0].volumeMounts[0].name: there is no volume named 'data'"
    ]


def test_claims_need_a_stateful_set_and_a_name_that_is_free():
    """A Deployment's replicas share their volumes; the mesh has names of its own."""
    at = "spec.workload.volumeClaimTemplates"
    claims = [{"metadata": {"name": "data"}}, {"spec": {}}, {"metadata": {"name": "tmp"}}]
    assert problems(manifest(workload={"volumeClaimTemplates": claims})) == [
        f"{at}: only a StatefulSet has claims of its own: set kind to it",
        f"{at}[1].metadata.name: required field is missing",
        f"{at}[2].metadata.name: volume name 'tmp' is reserved for the injected volumes",
    ]


def test_the_kind_may_stand_there_under_both_names_when_they_agree():
    """As Kubernetes makes it of the older name: the default of the newer one is added."""
    document = with_pod(containers=[{"name": "asya-runtime", "image": "x"}])
    document["spec"]["workload"] |= {"type": "Deployment", "kind": "Deployment"}
    assert parse_actor(document).spec.workload.kind == "Deployment"
