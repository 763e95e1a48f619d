"""A sidecar refuses to start on a value that it cannot use, and says which."""

import pytest

from asya_protocol.errors import SettingsError
from asya_sidecar.settings import read_settings


def test_defaults_are_the_originals() -> None:
    """Only the actor's name is required."""
    settings = read_settings({"ASYA_ACTOR_NAME": "ocr", "ASYA_RUNTIME_TIMEOUT": ""})
    assert (settings.hop.actor, settings.hop.timeout_s, settings.hop.error_end) == ("ocr", 300.0, "error-end")
    assert (settings.metrics_addr, settings.metrics_namespace, str(settings.socket_dir)) == (
        ":8080",
        "asya_actor",
        "/var/run/asya",
    )
    assert settings.transport.name == "rabbitmq"


def test_the_originals_environment_is_read() -> None:
    """As its operator writes it."""
    settings = read_settings(
        {
            "ASYA_ACTOR_NAME": "happy-end",
            "ASYA_IS_END_ACTOR": "true",
            "ASYA_LOG_LEVEL": "info",
            "ASYA_GATEWAY_URL": "http://gateway:80/",
            "ASYA_RUNTIME_TIMEOUT": "600s",
            "ASYA_TRANSPORT": "sqs",
            "ASYA_SQS_VISIBILITY_TIMEOUT": "300",
            "ASYA_SQS_WAIT_TIME_SECONDS": "0",
            "ASYA_QUEUE_AUTO_CREATE": "true",
        }
    )
    assert settings.hop.is_end_actor
    assert settings.hop.timeout_s == 600.0
    assert settings.gateway_url == "http://gateway:80"
    assert (settings.transport.sqs_visibility_timeout_s, settings.transport.sqs_wait_time_s) == (300, 20.0)


def test_credentials_are_escaped_in_the_url() -> None:
    """Asya 0.1.1 joined them as they were."""
    env = {"ASYA_ACTOR_NAME": "a", "ASYA_RABBITMQ_USERNAME": "u@x", "ASYA_RABBITMQ_PASSWORD": "p/:#"}
    assert read_settings(env).transport.rabbitmq_url == "amqp://u%40x:p%2F%3A%23@localhost:5672/%2F"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ASYA_ACTOR_NAME", ""),
        ("ASYA_TRANSPORT", "kafka"),
        ("ASYA_RUNTIME_TIMEOUT", "soon"),
        ("ASYA_RUNTIME_TIMEOUT", "-5s"),
        ("ASYA_IS_END_ACTOR", "maybe"),
        ("ASYA_CONCURRENCY", "0"),
        ("ASYA_CONCURRENCY", "many"),
        ("ASYA_LOG_LEVEL", "LOUD"),
        ("ASYA_GATEWAY_URL", "gateway:80"),
        ("ASYA_RETRY_MAX_DELAY", "1h"),
        ("ASYA_RETRY_JITTER", "2"),
        ("ASYA_RABBITMQ_PORT", "99999"),
        ("ASYA_RABBITMQ_URL", "http://x"),
        ("ASYA_QUEUE_RETRY_MAX_ATTEMPTS", "0"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, value: str) -> None:
    """Asya 0.1.1 fell back to a default in silence."""
    with pytest.raises(SettingsError, match=variable):
        read_settings({"ASYA_ACTOR_NAME": "ocr", variable: value})
