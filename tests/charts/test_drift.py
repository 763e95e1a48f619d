"""One truth: what a chart renders without values is what ``deploy`` holds, beside what only Helm has."""

import importlib.metadata
from typing import Any

import pytest
import yaml

from asya_infra import Retry, Scaling, installation
from asya_infra.actor_args import ActorArgs, actor_manifest
from asya_infra.settings import Images
from asya_oss import images
from lab.checkout import ROOT
from tests.charts.conftest import NAMESPACE, Helm
from tests.support.chart_values import WAY_IN

RELEASE_LABELS = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "checksum/config",
}
DATABASE = {"externalDatabase": {"host": "postgres.example", "password": "change-me"}}
"""With which a gateway has replicas, as deploy's has."""
SAME: list[tuple[str, list[str], dict[str, Any], set[tuple[str, str]]]] = [
    (
        "asya-operator",
        [f"operator/{name}.yaml" for name in ("crd", "crd-limits", "rbac", "roles", "deployment")],
        {},
        {("ConfigMap", "asya-operator-config")},
    ),
    (
        "asya-operator",
        ["operator/deployment.yaml", "monitoring/operator-pod-monitor.yaml", "monitoring/prometheus-rule.yaml"],
        {"monitoring": {"enabled": True}, "rbac": {"create": False, "roles": False}},
        {
            ("ConfigMap", "asya-operator-config"),
            ("ConfigMap", "asya-operator-dashboards"),
            ("ServiceAccount", "asya-operator"),
            ("CustomResourceDefinition", "asyncactors.asya.sh"),
            ("CustomResourceDefinition", "limits.asya.sh"),
        },
    ),
    (
        "asya-gateway",
        ["gateway/deployment.yaml", "gateway/service.yaml", "gateway/actors.example.yaml"],
        DATABASE,
        {
            ("ConfigMap", "asya-gateway-config"),
            ("ConfigMap", "asya-gateway-tools"),
            ("Secret", "asya-gateway-connections"),
            ("Secret", "asya-gateway-report"),
            ("Secret", "asya-gateway-tokens"),
        },
    ),
    (
        "asya-gateway",
        ["gateway/ingress.example.yaml"],
        {"ingress": WAY_IN, "routes": {"createConfigMap": False}, "rbac": {"create": False}},
        {
            ("ConfigMap", "asya-gateway-config"),
            ("Deployment", "asya-gateway"),
            ("PodDisruptionBudget", "asya-gateway"),
            ("Secret", "asya-gateway-connections"),
            ("Secret", "asya-gateway-report"),
            ("Secret", "asya-gateway-tokens"),
            ("Service", "asya-gateway"),
            ("ServiceAccount", "asya-gateway"),
        },
    ),
    ("asya-crew", ["crew/happy-end.yaml", "crew/error-end.yaml", "crew/fan-in.yaml"], {}, set()),
]


def without_release(value: Any) -> Any:
    """The object as somebody writes it who has no Helm."""
    if isinstance(value, list):
        return [without_release(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: without_release(inner) for key, inner in value.items() if key not in RELEASE_LABELS}
    return {key: inner for key, inner in kept.items() if key != "annotations" or inner}


def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): without_release(each) for each in objects}


@pytest.mark.parametrize(("chart", "files", "values", "beside"), SAME, ids=[each[0] for each in SAME])
def test_a_chart_renders_what_deploy_holds(
    each_helm: Helm, chart: str, files: list[str], values: dict[str, Any], beside: set[tuple[str, str]]
) -> None:
    texts = [(ROOT / "deploy" / file).read_text(encoding="utf-8") for file in files]
    plain = by_name([thing for text in texts for thing in yaml.safe_load_all(text)])
    rendered = by_name(each_helm.render(chart, **values))
    assert {key: rendered.get(key) for key in plain} == plain
    assert rendered.keys() - plain.keys() == beside


@pytest.mark.parametrize(
    ("chart", "made"),
    [
        ("asya-operator", installation.operator_objects(Images(), NAMESPACE)),
        ("asya-crew", installation.crew_actors("sqs", Images(), NAMESPACE)),
    ],
    ids=["asya-operator", "asya-crew"],
)
def test_a_chart_renders_what_the_pulumi_program_applies(
    each_helm: Helm, chart: str, made: list[dict[str, Any]]
) -> None:
    rendered, applied = by_name(each_helm.render(chart)), by_name(made)
    for key, thing in rendered.items():
        if thing["kind"] == "AsyncActor":  # which is made in the release's namespace where it names none
            thing["metadata"]["namespace"] = NAMESPACE
        assert thing == applied.get(key, thing)
    assert applied.keys() <= rendered.keys()


def test_an_actor_s_chart_renders_what_the_pulumi_program_declares(each_helm: Helm) -> None:
    said = ActorArgs(
        image="ocr:1",
        handler="ocr.process",
        scaling=Scaling(min_replicas=0, max_replicas=50, polling_interval=10, cooldown_period="5m", queue_length=1),
        retry=Retry(max_attempts=5),
        env={"LANGUAGE": "de"},
        resources={"limits": {"nvidia.com/gpu": "1"}},
        labels={"team": "a"},
    )
    declared = actor_manifest("ocr", "sqs", said)
    (rendered,) = each_helm.render("asya-actor", name="ocr", labels=declared["metadata"]["labels"], **declared["spec"])
    assert (rendered["apiVersion"], rendered["kind"]) == (declared["apiVersion"], declared["kind"])
    assert rendered["spec"] == declared["spec"]
    assert rendered["metadata"]["labels"].items() >= declared["metadata"]["labels"].items()


def test_the_dashboards_of_a_chart_are_deploy_s(each_helm: Helm) -> None:
    (made,) = [
        each
        for each in each_helm.render("asya-operator", monitoring={"enabled": True})
        if each["metadata"]["name"] == "asya-operator-dashboards"
    ]
    files = (ROOT / "deploy" / "monitoring" / "dashboards").glob("*.json")
    assert made["data"] == {file.name: file.read_text(encoding="utf-8") for file in files}
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_definition_as_a_chart_of_its_own_stays_when_that_is_removed(each_helm: Helm) -> None:
    rendered = by_name(each_helm.render("asya-crds"))
    texts = [(ROOT / f"deploy/operator/{name}.yaml").read_text(encoding="utf-8") for name in ("crd", "crd-limits")]
    for definition in rendered.values():
        assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == by_name([yaml.safe_load(text) for text in texts])


def test_every_chart_has_the_version_of_the_rooms() -> None:
    version = importlib.metadata.version("asya-operator")
    charts = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in ROOT.glob("deploy/helm-charts/*/Chart.yaml")]
    assert len(charts) == 5
    assert {(each["version"], each["appVersion"]) for each in charts} == {(version, version)}


def test_the_chart_s_postgresql_is_the_one_that_the_pulumi_program_runs() -> None:
    values = yaml.safe_load((ROOT / "deploy/helm-charts/asya-gateway/values.yaml").read_text(encoding="utf-8"))
    assert values["postgresql"]["image"] == images.POSTGRES
