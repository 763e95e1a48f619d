"""The collector of a stack: everybody is told of it, and what it sends with is nowhere but in its own secret."""

import json
from typing import Any

import pytest
import yaml

from asya_infra import collector
from asya_infra.errors import ConfigError
from tests.support.pulumi_program import Run, run_environment

pytestmark = pytest.mark.unit

HEADERS = '{"Authorization": "Basic c2VjcmV0JA=="}'
ALL: dict[str, Any] = {
    "gatewayImage": "asya-gateway:0.2.0",
    "gatewayTokens": "caller",
    "collector": "https://tempo.example",
    "collectorHeaders": HEADERS,
    "tracePercent": "5",
    "traceUrl": "https://grafana.example/{trace_id}",
}
TOLD = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://asya-collector.asya-system.svc.cluster.local:4318",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.05",
    "ASYA_TRACE_URL": "https://grafana.example/{trace_id}",
}


def config(seen: Run) -> dict[str, Any]:
    (made,) = [
        each for each in seen.of_type("kubernetes:core/v1:Secret") if each.inputs["metadata"]["name"] == collector.NAME
    ]
    assert "stringData" in made.secrets
    return dict(yaml.safe_load(made.inputs["stringData"]["config.yaml"]))


def test_operator_and_gateway_are_told_of_the_collector() -> None:
    seen = run_environment("oss", manifests=None, **ALL)
    deployments = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]["template"]["spec"]["containers"][0]
        for each in seen.of_type("kubernetes:apps/v1:Deployment")
    }
    operator = {entry["name"]: entry.get("value") for entry in deployments["asya-operator"]["env"]}
    assert operator.items() >= TOLD.items()
    (gateway,) = [
        each.inputs["data"]
        for each in seen.of_type("kubernetes:core/v1:ConfigMap")
        if each.inputs["metadata"]["name"] == "asya-gateway-config"
    ]
    assert gateway.items() >= TOLD.items()
    assert deployments[collector.NAME]["image"] == collector.IMAGE


def test_credentials_stay_in_the_collector_s_secret() -> None:
    seen = run_environment("oss", manifests=None, **ALL)
    exporter = config(seen)["exporters"]["otlp_http"]
    assert exporter["endpoint"] == "https://tempo.example"
    assert exporter["headers"] == json.loads(HEADERS)
    elsewhere = [
        each.inputs for each in seen.resources if each.inputs.get("metadata", {}).get("name") != collector.NAME
    ]
    assert "c2VjcmV0" not in json.dumps(elsewhere, default=str)


def test_a_dollar_sign_of_a_header_is_no_variable() -> None:
    made = yaml.safe_load(collector.config("http://tempo:4318", {"a": "x$y"}))
    assert made["exporters"]["otlp_http"]["headers"] == {"a": "x$$y"}


def test_a_stack_that_names_no_collector_records_nothing() -> None:
    seen = run_environment("oss", manifests=None)
    assert "OTEL_" not in json.dumps([each.inputs for each in seen.resources], default=str)


@pytest.mark.parametrize(
    ("environment", "changes", "why"),
    [
        ("oss", {"collector": "tempo:4318"}, "asya:collector: 'tempo:4318' must start with http"),
        ("oss", {"collectorHeaders": "Authorization=x"}, "asya:collectorHeaders: is no JSON object of texts"),
        ("oss", {"tracePercent": "101"}, "asya:tracePercent"),
        ("local", {"collector": "http://tempo:4318"}, "asya:collector: wants a cluster"),
    ],
)
def test_what_cannot_be_meant_is_refused(environment: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        run_environment(environment, manifests=None, **changes)
