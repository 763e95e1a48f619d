"""The dashboard asks for what sidecars tell, and Prometheus reads only what it may."""

import json
from typing import Any

import pytest
import yaml

from asya_infra import monitoring
from asya_infra.gateway_objects import METRICS_SECRET
from tests.support.pulumi_program import run_environment

pytestmark = pytest.mark.unit

ALL: dict[str, Any] = {"gatewayImage": "asya-gateway:0.2.0", "gatewayTokens": "caller", "monitoring": "true"}


def by_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in monitoring.objects("system", ["actors"]) if each["kind"] == kind]


def test_prometheus_sees_the_pods_of_two_namespaces() -> None:
    assert [each["metadata"]["namespace"] for each in by_kind("Role")] == ["system", "actors"]
    assert by_kind("ClusterRole") == []
    (config,) = [each for each in by_kind("ConfigMap") if each["metadata"]["name"] == monitoring.PROMETHEUS]
    job = yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"][0]
    assert job["relabel_configs"][0]["regex"] == "metrics|asya-metrics"  # the operator's port, and the sidecars'
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["system", "actors"]}}]


def test_one_namespace_is_not_listed_twice() -> None:
    objects = monitoring.objects("one", ["one"])
    keys = [(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in objects]
    assert len(keys) == len(set(keys))


def test_rules_and_dashboards_are_those_of_deploy_monitoring() -> None:
    data = {each["metadata"]["name"]: each["data"] for each in by_kind("ConfigMap")}
    groups = yaml.safe_load(data[monitoring.PROMETHEUS]["rules.yaml"])["groups"]
    assert [group["name"] for group in groups] == ["asya.records", "asya.alerts"]
    config = yaml.safe_load(data[monitoring.PROMETHEUS]["prometheus.yml"])
    assert config["rule_files"] == ["/etc/prometheus/rules.yaml"]
    boards = data[monitoring.DASHBOARDS]
    assert {json.loads(text)["uid"] for text in boards.values()} == {name.removesuffix(".json") for name in boards}
    assert "asya-mesh.json" in boards
    assert sum(map(len, boards.values())) < 1_000_000, "what a ConfigMap holds"


def test_neither_prometheus_nor_grafana_is_open_to_actors() -> None:
    """Whoever reaches Grafana reads all of Prometheus through it."""
    policies = {each["metadata"]["name"]: each["spec"]["ingress"] for each in by_kind("NetworkPolicy")}
    for name in (monitoring.PROMETHEUS, monitoring.GRAFANA):
        (rule,) = policies[name]
        (peer,) = rule["from"]
        assert "namespaceSelector" not in peer or peer["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": "system"
        }


def test_the_gateway_is_read_with_a_token_that_may_be_missing() -> None:
    (config,) = [each for each in by_kind("ConfigMap") if each["metadata"]["name"] == monitoring.PROMETHEUS]
    gateway = yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"][1]
    assert gateway["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["system"]}}]
    folder = gateway["authorization"]["credentials_file"].rpartition("/")[0]
    pod = by_kind("StatefulSet")[0]["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == folder]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume["secret"] == {"secretName": METRICS_SECRET, "optional": True}


@pytest.mark.parametrize("way", ["true", "operator"])
def test_a_stack_makes_the_token_with_which_prometheus_reads_the_gateway(way: str) -> None:
    seen = run_environment("oss", manifests=None, **{**ALL, "monitoring": way, "reportToken": "reports"})
    secrets = {
        each.inputs["metadata"]["name"]: each.inputs
        for each in seen.of_type("kubernetes:core/v1:Secret")
        if each.inputs["metadata"]["namespace"] == "asya-system"
    }
    token = secrets[METRICS_SECRET]["stringData"]["token"]
    assert len(token) == 64
    lines = secrets["asya-gateway-tokens"]["stringData"]["tokens"].splitlines()
    assert lines == ["caller", "reports|report", f"{token}|metrics"]


def test_a_stack_without_monitoring_lets_nobody_read_the_gateway_s_metrics() -> None:
    seen = run_environment("oss", manifests=None, **{**ALL, "monitoring": "false"})
    names = {each.inputs["metadata"]["name"] for each in seen.of_type("kubernetes:core/v1:Secret")}
    assert METRICS_SECRET not in names


def test_broker_store_and_database_tell_prometheus_of_themselves() -> None:
    seen = run_environment("oss", manifests=None, **ALL)
    (config,) = [
        each.inputs["data"]["prometheus.yml"]
        for each in seen.of_type("kubernetes:core/v1:ConfigMap")
        if each.inputs["metadata"]["name"] == monitoring.PROMETHEUS
    ]
    places = yaml.safe_load(config)["scrape_configs"][0]["kubernetes_sd_configs"][0]["namespaces"]["names"]
    assert places == ["asya-system", "asya", "asya-rabbitmq", "asya-store-server", "asya-postgres"]
    served = {
        each.inputs["metadata"]["namespace"]: port["containerPort"]
        for each in seen.of_type("kubernetes:apps/v1:StatefulSet")
        for container in each.inputs["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]
        if port["name"] == "metrics"
    }
    assert served == {"asya-rabbitmq": 15692, "asya-store-server": 9327, "asya-postgres": 9187}
    opened = {
        (each.inputs["metadata"]["namespace"], port["port"])
        for each in seen.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
        for rule in each.inputs["spec"].get("ingress", ())
        for port in rule["ports"]
    }
    assert set(served.items()) <= opened


def test_a_stack_without_monitoring_has_no_process_for_it() -> None:
    seen = run_environment("oss", manifests=None, **{**ALL, "monitoring": "false"})
    containers = [
        container["name"]
        for each in seen.of_type("kubernetes:apps/v1:StatefulSet")
        for container in each.inputs["spec"]["template"]["spec"]["containers"]
    ]
    assert sorted(containers) == ["asya-postgres", "asya-rabbitmq", "asya-store-server"]


def test_a_prometheus_operator_gets_monitors_of_the_servers_too() -> None:
    seen = run_environment("oss", manifests=None, **{**ALL, "monitoring": "operator"})
    monitors = {
        (each.inputs["metadata"]["namespace"], each.inputs["metadata"]["name"])
        for each in seen.of_type("kubernetes:monitoring.coreos.com/v1:PodMonitor")
    }
    assert monitors == {
        ("asya-system", "asya-operator"),
        ("asya-system", "asya-gateway"),
        *((place, place) for place in ("asya-rabbitmq", "asya-store-server", "asya-postgres")),
    }


def test_a_prometheus_operator_gets_objects_of_its_own_kinds() -> None:
    objects = monitoring.operator_objects("elsewhere")
    assert [each["kind"] for each in objects] == ["PrometheusRule", "PodMonitor", "PodMonitor", "ConfigMap"]
    assert {each["metadata"]["namespace"] for each in objects} == {"elsewhere"}
    assert objects[-1]["metadata"]["labels"]["grafana_dashboard"] == "1"
