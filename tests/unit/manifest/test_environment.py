"""The sidecar's environment, shared by the operator and the local mesh."""

from typing import Any

from asya_manifest.actor import parse_actor
from asya_manifest.environment import (
    asked_grace_s,
    build_runtime_env,
    build_sidecar_env,
    drain_timeout_s,
    grace_period_s,
)
from asya_manifest.pod import EnvVar


def actor(name: str = "ocr", **spec: Any):
    return parse_actor(
        {
            "apiVersion": "asya.sh/v1alpha1",
            "kind": "AsyncActor",
            "metadata": {"name": name},
            "spec": {"transport": "sqs", "handler": "m.f", **spec},
        }
    )


def test_the_environment_has_the_originals_names_in_its_order_and_then_ours():
    """Whole list, so that nothing slips in or out unseen."""
    entries = build_sidecar_env(
        actor(timeout={"processing": "90s", "gracefulShutdown": 20}),
        transport="sqs",
        transport_env=[EnvVar(name="ASYA_AWS_REGION", value="eu-west-1")],
    )
    assert [(entry.name, entry.value) for entry in entries] == [
        ("ASYA_LOG_LEVEL", "info"),
        ("ASYA_GATEWAY_URL", ""),
        ("ASYA_ACTOR_NAME", "ocr"),
        ("ASYA_ACTOR_HAPPY_END", "happy-end"),
        ("ASYA_ACTOR_ERROR_END", "error-end"),
        ("ASYA_RUNTIME_TIMEOUT", "90s"),
        ("ASYA_CONCURRENCY", "1"),
        ("ASYA_RETRY_MAX_ATTEMPTS", "3"),
        ("ASYA_RETRY_INITIAL_DELAY", "1s"),
        ("ASYA_RETRY_MAX_DELAY", "5m0s"),
        ("ASYA_RETRY_MULTIPLIER", "2"),
        ("ASYA_RETRY_JITTER", "0.2"),
        ("ASYA_RETRY_ON", ""),
        ("ASYA_RETRY_NON_RETRYABLE", ""),
        ("ASYA_MAX_DELIVERIES", "5"),
        ("ASYA_DRAIN_TIMEOUT", "18s"),
        ("ASYA_TRANSPORT", "sqs"),
        ("ASYA_AWS_REGION", "eu-west-1"),
        ("ASYA_SOCKET_DIR", "/var/run/asya"),
    ]


def test_a_stream_and_whose_rules_count_are_told_to_the_runtime():
    assert [(entry.name, entry.value) for entry in build_runtime_env(actor(stream=True))] == [("ASYA_STREAM", "true")]
    assert [(entry.name, entry.value) for entry in build_runtime_env(actor(compat="asya-1"))] == [
        ("ASYA_COMPAT", "asya-1")
    ]
    assert build_runtime_env(actor()) == []


def test_the_crew_is_told_that_it_ends_routes():
    """Only the two names that sidecars send to by themselves."""
    for name in ("happy-end", "error-end"):
        assert EnvVar(name="ASYA_IS_END_ACTOR", value="true") in build_sidecar_env(actor(name), transport="sqs")


def test_retry_rules_travel_as_class_names():
    """Lists become comma separated text."""
    retry = {"retryOn": ["OSError", "a.B"], "nonRetryable": ["ValueError"], "maxAttempts": 1}
    values = {entry.name: entry.value for entry in build_sidecar_env(actor(retry=retry), transport="sqs")}
    assert (values["ASYA_RETRY_ON"], values["ASYA_RETRY_NON_RETRYABLE"]) == ("OSError,a.B", "ValueError")
    assert values["ASYA_RETRY_MAX_ATTEMPTS"] == "1"


def test_a_processing_timeout_of_zero_leaves_the_sidecars_default():
    """As Asya 0.1.1: the variable is set only above zero."""
    names = [entry.name for entry in build_sidecar_env(actor(timeout={"processing": 0}), transport="sqs")]
    assert "ASYA_RUNTIME_TIMEOUT" not in names


def test_the_gateway_of_the_runtime_container_is_used_when_the_operator_has_none():
    """As Asya 0.1.1 falls back to the container's literal value."""
    pod = {"containers": [{"name": "asya-runtime", "env": [{"name": "ASYA_GATEWAY_URL", "value": "http://g"}]}]}
    with_own = actor(workload={"template": {"spec": pod}})
    assert EnvVar(name="ASYA_GATEWAY_URL", value="http://g") in build_sidecar_env(with_own, transport="sqs")
    given = build_sidecar_env(with_own, transport="sqs", gateway_url="http://operator")
    assert EnvVar(name="ASYA_GATEWAY_URL", value="http://operator") in given


def test_the_users_sidecar_environment_has_the_last_word():
    """Kubernetes lets the last entry of a name win."""
    sidecar = {"env": [{"name": "ASYA_LOG_LEVEL", "value": "debug"}]}
    assert build_sidecar_env(actor(sidecar=sidecar), transport="sqs")[-1].value == "debug"


def test_a_pod_gets_as_long_as_the_user_says_or_as_its_handler_may_take():
    """0 stands for the defaults: 30 s of grace, 5 min of processing."""
    assert grace_period_s(actor(timeout={"gracefulShutdown": 20, "processing": "1h"})) == 20
    assert grace_period_s(actor(timeout={"gracefulShutdown": 0})) == 30
    assert grace_period_s(actor(timeout={"processing": "1h"})) == 3630
    assert grace_period_s(actor()) == grace_period_s(actor(timeout={"processing": 0})) == 330


def test_the_drain_ends_before_the_kill_of_whoever_runs_the_sidecar():
    """The local mesh kills after spec.timeout.gracefulShutdown, Kubernetes after what it is told."""
    assert drain_timeout_s(actor()) == 27
    assert drain_timeout_s(actor(), 330) == 297
    entries = build_sidecar_env(actor(), transport="sqs", grace_s=330)
    assert EnvVar(name="ASYA_DRAIN_TIMEOUT", value="4m57s") in entries


def test_a_grace_period_of_the_pod_template_is_the_actors_also_without_a_cluster():
    """An actor that names it there and not in its timeouts means the same on a laptop."""
    own = actor(workload={"template": {"spec": {"terminationGracePeriodSeconds": 100}}})
    assert (asked_grace_s(own), grace_period_s(own), drain_timeout_s(own)) == (100, 100, 90)
    assert asked_grace_s(actor()) == 30
