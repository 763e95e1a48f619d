"""The dashboard asks for what sidecars tell, and Prometheus reads only what it may."""

import re
from typing import Any

import pytest
import yaml

from asya_infra import monitoring
from asya_sidecar.metrics import Metrics

pytestmark = pytest.mark.unit


def test_every_query_asks_for_a_metric_and_a_label_that_sidecars_have() -> None:
    metrics = Metrics("asya_actor", "ocr", "sqs")
    told = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in metrics.registry.collect()
    }
    for title, query in monitoring.PANELS:
        for name in re.findall(r"asya_actor_\w+", query):
            assert name.removesuffix("_bucket") in families or name in told, title


def by_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in monitoring.objects("system", "actors") if each["kind"] == kind]


def test_prometheus_sees_the_pods_of_two_namespaces() -> None:
    assert [each["metadata"]["namespace"] for each in by_kind("Role")] == ["system", "actors"]
    assert by_kind("ClusterRole") == []
    (config,) = [each for each in by_kind("ConfigMap") if each["metadata"]["name"] == monitoring.PROMETHEUS]
    job = yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"][0]
    assert job["relabel_configs"][0]["regex"] == "metrics|asya-metrics"  # the operator's port, and the sidecars'
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["system", "actors"]}}]


def test_one_namespace_is_not_listed_twice() -> None:
    objects = monitoring.objects("one", "one")
    keys = [(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in objects]
    assert len(keys) == len(set(keys))


def test_the_dashboard_is_grafana_s() -> None:
    made = monitoring.dashboard()
    assert [panel["gridPos"]["x"] for panel in made["panels"]] == [0, 12, 0, 12]
    assert len({panel["id"] for panel in made["panels"]}) == len(monitoring.PANELS)
