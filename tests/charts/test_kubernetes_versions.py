"""All that we install fits every maintained version of Kubernetes and the next one, by their own OpenAPI documents."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from asya_operator.specs.companions import knows_native_histograms
from lab.checkout import ROOT
from lab.installs.prometheus_definitions import prometheus_definitions
from tests.charts.conftest import Helm, Kubernetes, Objects
from tests.support.chart_values import GOOD
from tests.support.rendered import actor, context, objects, with_pod

NOT_OBJECTS = {"Kustomization", "Component"}
OF_OTHERS = {"PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
"""Kinds whose definitions KEDA and the Prometheus operator bring."""


def in_deploy() -> Objects:
    """What stands in ``deploy``, beside the charts."""
    files = sorted(path for path in (ROOT / "deploy").rglob("*.yaml") if "helm-charts" not in path.parts)
    found = [each for path in files for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return [each for each in found if each and "apiVersion" in each and each["kind"] not in NOT_OBJECTS]


@pytest.mark.parametrize(("chart", "case", "values"), GOOD, ids=[f"{each[0]}-{each[1]}" for each in GOOD])
def test_what_a_chart_renders(
    newest_helm: Helm, kubernetes: Kubernetes, chart: str, case: str, values: dict[str, Any]
) -> None:
    rendered = replace(newest_helm, kubernetes=kubernetes.version).render(chart, **values)
    assert rendered
    assert kubernetes.problems(rendered) == []


def test_what_deploy_holds(kubernetes: Kubernetes) -> None:
    found = in_deploy()
    assert {each["kind"] for each in found if not kubernetes.schemas.knows(each)} <= OF_OTHERS
    known = [each for each in found if kubernetes.schemas.knows(each)]
    assert {"CustomResourceDefinition", "Deployment", "AsyncActor"} <= {each["kind"] for each in known}
    assert kubernetes.problems(known) == []


@pytest.mark.parametrize("transport", ["sqs", "rabbitmq"])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_what_the_operator_makes_of_an_actor(kubernetes: Kubernetes, transport: str, kind: str) -> None:
    declared = actor(scaling={"enabled": True, "maxReplicas": 5}, workload=with_pod({}, kind=kind))
    made = list(objects(declared, context(transport, pod_monitor=True, native_histograms=True)).values())
    assert {each["kind"] for each in made if not kubernetes.schemas.knows(each)} <= OF_OTHERS
    known = [each for each in made if kubernetes.schemas.knows(each)]
    assert kind in {each["kind"] for each in known}
    assert kubernetes.problems(known) == []


def test_the_monitors_of_today_may_ask_for_native_histograms() -> None:
    (monitor, _) = prometheus_definitions()
    assert knows_native_histograms(monitor)


def test_an_object_that_does_not_fit_is_named(kubernetes: Kubernetes) -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"prot": 80}]}}
    assert kubernetes.problems([wrong]) == [
        "Service a: spec.ports[0].port: required",
        "Service a: spec.ports[0].prot: unknown field",
    ]
