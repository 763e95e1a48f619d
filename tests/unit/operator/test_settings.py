"""What an operator is told, by flags and environment."""

import json

import pytest

from asya_operator.settings import read_settings
from asya_protocol.errors import SettingsError

RABBITMQ = {"transports": {"rabbitmq": {"type": "rabbitmq", "enabled": True, "config": {"host": "r"}}}}


def test_defaults_are_the_original_s() -> None:
    settings = read_settings([], {})
    assert (settings.metrics_addr, settings.probe_addr, settings.leader_elect) == (":8080", ":8081", False)
    assert (settings.sidecar_image, settings.workers, settings.manage_queues) == ("asya-sidecar:latest", 10, True)
    assert settings.transports.by_name == {}


def test_a_flag_wins_over_its_variable() -> None:
    env = {"ASYA_RUNTIME_NAMESPACE": "a", "ASYA_MAX_CONCURRENT_RECONCILES": "3"}
    settings = read_settings(["--runtime-namespace", "b", "--max-concurrent-reconciles=7"], env)
    assert (settings.runtime_namespace, settings.workers) == ("b", 7)
    assert read_settings([], env).workers == 3


def test_transports_come_from_json() -> None:
    settings = read_settings([], {"ASYA_TRANSPORT_CONFIG": json.dumps(RABBITMQ)})
    assert settings.transports.get("rabbitmq").type == "rabbitmq"


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("ASYA_TRANSPORT_CONFIG", "{", "not JSON"),
        ("ASYA_TRANSPORT_CONFIG", '{"transports": {"x": {"type": "kafka"}}}', "unsupported transport type: kafka"),
        ("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", "soon", "soon"),
        ("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", "0s", "more than 0s"),
        ("ASYA_MAX_CONCURRENT_RECONCILES", "0", "1 to 1000"),
        ("ASYA_LOG_LEVEL", "loud", "DEBUG, INFO"),
    ],
)
def test_what_cannot_be_used_names_its_variable(variable: str, value: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        read_settings([], {variable: value})
    assert caught.value.variable == variable


@pytest.mark.parametrize(("value", "level"), [("info", "INFO"), ("warn", "WARNING"), ("WARNING", "WARNING")])
def test_levels_are_read_as_the_sidecar_reads_them(value: str, level: str) -> None:
    assert read_settings([], {"ASYA_LOG_LEVEL": value}).log_level == level


def test_the_store_s_keys_reach_sidecars_by_reference_only() -> None:
    env = {"ASYA_S3_BUCKET": "b", "ASYA_S3_ACCESS_KEY": "k", "ASYA_S3_SECRET_KEY": "s", "ASYA_CLAIM_OVER_BYTES": "9"}
    found = [entry.model_dump(by_alias=True, exclude_unset=True) for entry in read_settings([], env).handed_on]
    by_reference = [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": "asya-store-credentials", "key": name, "optional": True}},
        }
        for name in ("ASYA_S3_ACCESS_KEY", "ASYA_S3_SECRET_KEY")
    ]
    plain = [{"name": "ASYA_CLAIM_OVER_BYTES", "value": "9"}, {"name": "ASYA_S3_BUCKET", "value": "b"}]
    assert found == [*plain, *by_reference]


def test_the_gateway_s_token_reaches_sidecars_by_reference_only() -> None:
    (entry,) = read_settings([], {"ASYA_GATEWAY_TOKEN_SECRET": "reports"}).handed_on
    assert entry.model_dump(by_alias=True, exclude_unset=True) == {
        "name": "ASYA_GATEWAY_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "reports", "key": "token", "optional": True}},
    }


def test_class_and_namespaces_are_read_and_checked() -> None:
    found = read_settings([], {"ASYA_OPERATOR_CLASS": "blue", "ASYA_WATCH_NAMESPACES": "team-a, team-b"})
    assert (found.operator_class, found.namespaces) == ("blue", frozenset({"team-a", "team-b"}))
    assert (read_settings([], {}).operator_class, read_settings([], {}).namespaces) == ("", frozenset())
    assert read_settings([], {"ASYA_POD_MONITOR_LABELS": "release=prometheus, a=,"}).monitor_labels == (
        ("release", "prometheus"),
        ("a", ""),
    )
    with pytest.raises(SettingsError, match=r"ASYA_POD_MONITOR_LABELS.*is no label"):
        read_settings([], {"ASYA_POD_MONITOR_LABELS": "release"})
    with pytest.raises(SettingsError, match=r"ASYA_OPERATOR_CLASS.*is no class"):
        read_settings([], {"ASYA_OPERATOR_CLASS": "Blue"})
