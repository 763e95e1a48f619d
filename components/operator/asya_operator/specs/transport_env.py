"""The sidecar's environment that leads to the broker, in Asya 0.1.1's order. Pure."""

from asya_manifest.pod import EnvVar, KeyRef, ValueFrom
from asya_operator.transport_config import RabbitMqConfig, SecretRef, SqsConfig, TransportConfig


def transport_env(transport: TransportConfig) -> list[EnvVar]:
    """List the variables of a transport; secrets are references, never values."""
    if isinstance(transport.config, RabbitMqConfig):
        return _rabbitmq(transport.config)
    return _sqs(transport.config)


def _rabbitmq(config: RabbitMqConfig) -> list[EnvVar]:
    found = [
        EnvVar(name="ASYA_RABBITMQ_HOST", value=config.host),
        EnvVar(name="ASYA_RABBITMQ_PORT", value=str(config.port)),
        EnvVar(name="ASYA_RABBITMQ_USERNAME", value=config.username),
    ]
    if config.password_secret_ref:
        found.append(_from_secret("ASYA_RABBITMQ_PASSWORD", config.password_secret_ref))
    if config.exchange:
        found.append(EnvVar(name="ASYA_RABBITMQ_EXCHANGE", value=config.exchange))
    if config.vhost != "/":
        found.append(EnvVar(name="ASYA_RABBITMQ_VHOST", value=config.vhost))
    if config.tls:
        found.append(EnvVar(name="ASYA_RABBITMQ_TLS", value="true"))
    found.append(EnvVar(name="ASYA_QUEUE_AUTO_CREATE", value=str(config.queues.auto_create).lower()))
    return found


def _sqs(config: SqsConfig) -> list[EnvVar]:
    pairs = [
        ("ASYA_AWS_REGION", config.region),
        ("ASYA_SQS_ENDPOINT", config.endpoint),
        ("ASYA_SQS_VISIBILITY_TIMEOUT", str(config.visibility_timeout or "")),
        ("ASYA_SQS_WAIT_TIME_SECONDS", str(config.wait_time_seconds or "")),
    ]
    found = [EnvVar(name=name, value=value) for name, value in pairs if value]
    if config.credentials:
        found.append(_from_secret("AWS_ACCESS_KEY_ID", config.credentials.access_key_id_secret_ref))
        found.append(_from_secret("AWS_SECRET_ACCESS_KEY", config.credentials.secret_access_key_secret_ref))
    return found


def _from_secret(name: str, ref: SecretRef) -> EnvVar:
    key = KeyRef(name=ref.name, key=ref.key, optional=True) if ref.optional else KeyRef(name=ref.name, key=ref.key)
    return EnvVar(name=name, value_from=ValueFrom(secret_key_ref=key))
