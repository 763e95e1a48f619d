"""The CustomResourceDefinition: names, columns, a schema that the API server takes, and what it refuses by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from asya_manifest import actor
from asya_operator.crd import CRD_NAME, build_crd, dump_crd
from asya_operator.status.compute import compute_status
from asya_operator.status.conditions import LONGEST_MESSAGE
from asya_operator.status.observation import Observed, format_time

CRD = build_crd()
VERSION = CRD["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
SPEC = ROOT["properties"]["spec"]


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a schema, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


def at(path: str) -> dict[str, Any]:
    return dict(nodes(ROOT))[path]


def rules() -> dict[str, list[str]]:
    """Messages of the rules by path."""
    return {
        path: [rule["message"] for rule in node["x-kubernetes-validations"]]
        for path, node in nodes(ROOT)
        if "x-kubernetes-validations" in node
    }


def test_its_names_are_the_originals():
    """`kubectl get asya` and `asyas` work; the singular needs no short name of its own."""
    assert CRD["metadata"]["name"] == CRD_NAME == "asyncactors.asya.sh"
    assert CRD["spec"]["group"] == "asya.sh"
    assert CRD["spec"]["scope"] == "Namespaced"
    assert CRD["spec"]["names"] == {
        "kind": "AsyncActor",
        "listKind": "AsyncActorList",
        "plural": "asyncactors",
        "singular": "asyncactor",
        "shortNames": ["asya", "asyas"],
    }
    assert (VERSION["name"], VERSION["served"], VERSION["storage"]) == ("v1alpha1", True, True)
    assert VERSION["subresources"] == {"status": {}}


def test_a_newer_field_has_no_default_which_an_older_operator_would_meet_in_every_actor():
    """It refuses what it does not know, so that going back to it would stop all actors."""
    schema = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]["properties"]
    newer = {"stream", "compat", "limits", "accepts"}
    assert newer <= spec.keys()
    assert [name for name in newer if "default" in spec[name]] == []


def test_the_printer_columns_are_the_originals_in_its_order():
    """The last five appear with `-o wide` only. The kind of workload is that of the one made: the short form names none."""
    columns = [(c["name"], c["jsonPath"], c.get("priority", 0)) for c in VERSION["additionalPrinterColumns"]]
    assert columns == [
        ("Status", ".status.status", 0),
        ("Running", ".status.replicas", 0),
        ("Failing", ".status.failingPods", 0),
        ("Total", ".status.totalReplicas", 0),
        ("Desired", ".status.desiredReplicas", 0),
        ("Min", ".spec.scaling.minReplicas", 0),
        ("Max", ".spec.scaling.maxReplicas", 0),
        ("Last-Scale", ".status.lastScaleFormatted", 0),
        ("Age", ".metadata.creationTimestamp", 0),
        ("Workload", ".status.workloadRef.kind", 1),
        ("Transport", ".status.transportStatus", 1),
        ("Scaling", ".status.scalingMode", 1),
        ("Queued", ".status.queuedMessages", 1),
        ("Processing", ".status.processingMessages", 1),
    ]
    known = {path for path, _ in nodes(ROOT)} | {".metadata.creationTimestamp"}
    assert {path for _, path, _ in columns} <= known


@pytest.mark.parametrize(("path", "node"), list(nodes(ROOT)), ids=lambda value: value if isinstance(value, str) else "")
def test_every_part_of_the_schema_is_structural(path: str, node: dict[str, Any]):
    """The API server refuses a definition with a part that is not."""
    assert not {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "title", "const", "definitions"} & set(node), path
    assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string"))
    assert not ("properties" in node and "additionalProperties" in node)
    assert set(node.get("required", ())) <= set(node.get("properties", {}))
    if node.get("type") == "array":
        assert "items" in node
    if node.get("type") == "object":
        assert "properties" in node or "additionalProperties" in node or path in {".metadata"} or is_open(node)
    if "default" in node:
        assert node["default"] is not None
        # Defaults stand at the leaves; that of a status is one whole condition.
        assert path == ".status" or not isinstance(node["default"], dict | list)


def is_open(node: dict[str, Any]) -> bool:
    return bool(node.get("x-kubernetes-preserve-unknown-fields"))


def models(model: type[BaseModel], path: str) -> Iterator[str]:
    """The paths of all fields of a model, down to where the pod template begins."""
    for name, field in model.model_fields.items():
        below = f"{path}.{field.alias or name}"
        yield below
        choices = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for choice in choices:
            if isinstance(choice, type) and issubclass(choice, BaseModel) and choice.__name__ != "PodTemplate":
                suffix = "[]" if getattr(field.annotation, "__origin__", None) is list else ""
                yield from models(choice, below + suffix)


def test_every_field_of_the_model_is_in_the_schema():
    """A field that is missing here would be dropped by the API server without a word."""
    paths = set(models(actor.ActorSpec, ".spec"))
    assert ".spec.retry.maxDelay" in paths
    assert paths <= {path for path, _ in nodes(ROOT)}


def fields(value: Any, path: str) -> Iterator[str]:
    """The paths of everything in an object."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield f"{path}.{name}"
            yield from fields(child, f"{path}.{name}")
    elif isinstance(value, list):
        for child in value:
            yield from fields(child, f"{path}[]")


def test_every_field_that_the_operator_writes_into_the_status_is_in_the_schema():
    """One that is missing here would be dropped, and the operator would write it again and again."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    before = format_time(now - timedelta(minutes=3))
    seen = Observed(
        name="ocr",
        namespace="team",
        generation=1,
        now=now,
        scaling_enabled=True,
        workload={"metadata": {"generation": 1}, "status": {"observedGeneration": 1}},
        scaled_object={},
        ready=3,
        in_flight=1,
        previous={"replicas": 4, "lastScaleTime": before, "lastScaleDirection": "up"},
    )
    written = set(fields(compute_status(seen), ".status"))
    known = {path for path, _ in nodes(ROOT)}
    assert written <= known
    assert {
        path for path in known if path.count(".") == 2 and path.startswith(".status.") and "[" not in path
    } <= written
    assert at(".status.conditions[].message")["maxLength"] >= LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sidecar.imagePullPolicy", "IfNotPresent"),
        ("timeout.processing", 300),
        ("timeout.gracefulShutdown", 30),
        ("scaling.enabled", False),
        ("scaling.minReplicas", 0),
        ("scaling.maxReplicas", 50),
        ("scaling.pollingInterval", 10),
        ("scaling.cooldownPeriod", 60),
        ("scaling.queueLength", 5),
        ("workload.kind", "Deployment"),
        ("workload.replicas", 1),
        ("workload.pythonExecutable", "python3"),
    ],
)
def test_defaults_are_the_originals_and_stand_at_the_leaves(path: str, value: object):
    """So they apply only where the section is there: an actor without scaling gets no section of it."""
    assert at(f".spec.{path}")["default"] == value
    assert "default" not in at(f".spec.{path.split('.', maxsplit=1)[0]}")


def test_a_pod_template_gets_no_defaults():
    """What its author left out is Kubernetes' to fill in."""
    for path, node in nodes(ROOT):
        if path.startswith((".spec.workload.template", ".spec.sidecar.env")):
            assert "default" not in node, path


@pytest.mark.parametrize(
    "path", ["timeout.processing", "scaling.cooldownPeriod", "retry.initialDelay", "delivery.dedup.window"]
)
def test_durations_are_seconds_or_words(path: str):
    """`300` and `5m` alike."""
    node = at(f".spec.{path}")
    assert node["x-kubernetes-int-or-string"] is True
    assert node["minimum"] == 0


def test_shares_and_factors_are_numbers():
    """They may have a fraction."""
    assert at(".spec.retry.jitter") == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.2,
        "description": "Share of the delay by which it varies at random.",
    }
    assert at(".spec.retry.multiplier")["type"] == "number"


def test_only_the_transport_is_required():
    """The short form brings the workload along; a rule asks for it otherwise."""
    assert SPEC["required"] == ["transport"]
    assert "required" not in ROOT
    assert at(".spec.transport")["minLength"] == 1
    assert at(".spec.workload.type")["enum"] == at(".spec.workload.kind")["enum"] == ["Deployment", "StatefulSet"]


def test_a_pod_template_is_open():
    """It may use what only a newer cluster knows."""
    template = ".spec.workload.template"
    for path in ("metadata", "spec", "spec.containers[]", "spec.initContainers[]", "spec.volumes[]"):
        assert is_open(at(f"{template}.{path}")), path


def test_the_rules_say_what_the_operator_says():
    """The texts of Asya 0.1.1 where it has one."""
    pod = ".spec.workload.template.spec"
    found = rules()
    assert found[f"{pod}.containers[].name"] == [
        "container name 'asya-sidecar' is reserved for the injected sidecar and cannot be defined in the AsyncActor spec"
    ]
    assert found[f"{pod}.initContainers[].name"] == [
        "init container name 'asya-sidecar' is reserved for operator use and cannot be defined in the AsyncActor spec"
    ]
    assert found[f"{pod}.containers[]"] == [
        "container 'asya-runtime' cannot override command (command is managed by operator)"
    ]
    assert found[".spec.scaling"][0] == "minReplicas cannot be greater than maxReplicas"
    assert [text for text in found[".spec"] if "exactly one" in text] == [
        "workload must contain exactly one container named 'asya-runtime', but found 0",
        "workload must contain exactly one container named 'asya-runtime', but found 2",
        "workload must contain exactly one container named 'asya-runtime', but found more than 2",
    ]
    assert "cannot end with '-dlq'" in found[""][1]
    assert "at most 63" in found[""][0]
    assert found[".spec.transport"][0].startswith("transport cannot be changed")
    assert "only a StatefulSet has claims of its own: set kind to it" in found[".spec.workload"]


def test_a_rule_looks_only_at_what_is_bounded():
    """Else its cost is over the API server's budget."""
    pod = ".spec.workload.template.spec"
    for path in ("containers", "initContainers", "volumes"):
        assert at(f"{pod}.{path}")["maxItems"] > 0
        assert at(f"{pod}.{path}[].name")["maxLength"] == 63


def test_the_text_is_the_same_every_time_and_reads_back():
    """A drift check compares texts."""
    assert dump_crd() == dump_crd()
    assert yaml.safe_load(dump_crd()) == CRD
    assert len(dump_crd()) < 200_000


def test_an_actor_that_no_operator_looked_at_says_what_it_waits_for() -> None:
    """The API server writes it; an operator's first status takes its place."""
    status = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]
    (pending,) = status["default"]["conditions"]
    assert (pending["type"], pending["status"], pending["reason"]) == ("Ready", "Unknown", "Pending")
    assert set(pending) >= set(status["properties"]["conditions"]["items"]["required"])
    now = datetime(2025, 1, 1, tzinfo=UTC)
    seen = Observed(
        name="ocr", namespace="team", generation=1, now=now, scaling_enabled=True, previous=status["default"]
    )
    assert all(condition["reason"] != "Pending" for condition in compute_status(seen)["conditions"])
