"""The injected sidecar container. Pure.

As a native sidecar (an init container that keeps running) it starts before the handler and ends after it, so a drain can
finish what the handler works on. It has no startup probe on readiness: it is ready only when the runtime is, and the
runtime's container starts only after init containers have started.
"""

from typing import Any, Final

from asya_manifest.actor import AsyncActor
from asya_manifest.env_order import in_order
from asya_manifest.environment import build_sidecar_env, grace_period_s
from asya_manifest.labels import METRICS_PORT_NAME, SOCKET_DIR, SOCKET_VOLUME, TMP_VOLUME
from asya_manifest.pod import SIDECAR_CONTAINER, EnvVar, KeyRef, ValueFrom
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import metrics_port
from asya_operator.specs.pod_defaults import LIFECYCLE, secure_container
from asya_operator.transport_config import RabbitMqConfig, SecretRef, SqsConfig, TransportConfig

DEFAULT_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "64Mi"},
    "limits": {"memory": "256Mi"},
}
"""Measured: 34 MiB on RabbitMQ, 49 on SQS; the limit leaves room for large payloads in flight."""
SOCKET_MOUNTS: Final = (
    {"name": SOCKET_VOLUME, "mountPath": SOCKET_DIR},
    {"name": TMP_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - a path inside a pod
)


def build_sidecar(actor: AsyncActor, context: RenderContext, *, native: bool) -> dict[str, Any]:
    """The sidecar's container.

    Args:
        actor: As declared.
        context: The operator's side.
        native: As an init container that keeps running.
    """
    sidecar = actor.spec.sidecar
    entries = build_sidecar_env(
        actor,
        transport=context.transport.type,
        transport_env=transport_env(context.transport),
        handed_on=context.handed_on,
        gateway_url=context.gateway_url,
        limits=context.limits,
        grace_s=grace_period_s(actor),
    )
    container: dict[str, Any] = {
        "name": SIDECAR_CONTAINER,
        "image": sidecar.image or context.sidecar_image,
        "imagePullPolicy": sidecar.image_pull_policy,
        "env": [entry.model_dump(by_alias=True, exclude_unset=True) for entry in in_order(entries)],
        "resources": dict(sidecar.resources if sidecar.resources is not None else DEFAULT_RESOURCES),
        "volumeMounts": [dict(mount) for mount in SOCKET_MOUNTS],
        "lifecycle": dict(LIFECYCLE),
    }
    port = metrics_port(actor)
    if port is not None:
        container |= {
            "ports": [{"name": METRICS_PORT_NAME, "containerPort": port, "protocol": "TCP"}],
            "livenessProbe": _probe("/health", period_s=30, failures=3),
            "readinessProbe": _probe("/ready", period_s=5, failures=2),
        }
    if native:
        container["restartPolicy"] = "Always"
    return secure_container(container)


def _probe(path: str, *, period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": METRICS_PORT_NAME},
        "periodSeconds": period_s,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def transport_env(transport: TransportConfig) -> list[EnvVar]:
    """List the variables that lead to the broker, in Asya 0.1.1's order; secrets are references, never values."""
    if isinstance(transport.config, RabbitMqConfig):
        return _rabbitmq(transport.config)
    return _sqs(transport.config)


def _rabbitmq(config: RabbitMqConfig) -> list[EnvVar]:
    found = [
        EnvVar(name="ASYA_RABBITMQ_HOST", value=config.host),
        EnvVar(name="ASYA_RABBITMQ_PORT", value=str(config.port)),
        _from_secret("ASYA_RABBITMQ_USERNAME", config.username_secret_ref)
        if config.username_secret_ref
        else EnvVar(name="ASYA_RABBITMQ_USERNAME", value=config.username),
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
