"""The injected sidecar container. Pure.

As a native sidecar (an init container that keeps running) it starts before the handler and ends after it, so a drain can
finish what the handler works on. It has no startup probe on readiness: it is ready only when the runtime is, and the
runtime's container starts only after init containers have started.
"""

from typing import Any, Final

from asya_manifest.actor import AsyncActor
from asya_manifest.environment import METRICS_PORT_NAME, SOCKET_DIR, build_sidecar_env, grace_period_s
from asya_manifest.pod import SIDECAR_CONTAINER
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import metrics_port
from asya_operator.specs.security import secure_container
from asya_operator.specs.stop import LIFECYCLE
from asya_operator.specs.transport_env import transport_env

DEFAULT_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "64Mi"},
    "limits": {"memory": "256Mi"},
}
"""Measured: 34 MiB on RabbitMQ, 49 on SQS; the limit leaves room for large payloads in flight."""
SOCKET_MOUNTS: Final = (
    {"name": "socket-dir", "mountPath": SOCKET_DIR},
    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside a pod
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
        grace_s=grace_period_s(actor),
    )
    container: dict[str, Any] = {
        "name": SIDECAR_CONTAINER,
        "image": sidecar.image or context.sidecar_image,
        "imagePullPolicy": sidecar.image_pull_policy,
        "env": [entry.model_dump(by_alias=True, exclude_unset=True) for entry in _last_of_each(entries)],
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


def _last_of_each(entries: list[Any]) -> list[Any]:
    """Keep the last entry of each name, in its place: server-side apply refuses two of one name."""
    last = {entry.name: entry for entry in entries}
    return [last[name] for name in dict.fromkeys(entry.name for entry in entries)]
