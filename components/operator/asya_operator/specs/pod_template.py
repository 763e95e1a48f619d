"""The pod of an actor: what the user wrote, kept whole, and what the mesh puts into it. Pure."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

from asya_manifest.actor import AsyncActor
from asya_manifest.env_order import in_order, refers_to
from asya_manifest.environment import build_runtime_env, grace_period_s
from asya_manifest.errors import InvalidActor, Problem
from asya_manifest.labels import (
    ANNOTATION_NATIVE,
    ANNOTATION_RUNTIME,
    RUNTIME_CONFIG_MAP,
    SOCKET_DIR,
    SOCKET_VOLUME,
    TMP_VOLUME,
    service_account_name,
)
from asya_manifest.pod import RUNTIME_CONTAINER, Container, EnvVar
from asya_manifest.problems import without_nulls
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import selector_labels
from asya_operator.specs.pod_defaults import LIFECYCLE, secure_container, secure_pod
from asya_operator.specs.sidecar_container import SOCKET_MOUNTS, build_sidecar
from asya_operator.transport_config import SqsConfig
from asya_protocol import names

RUNTIME_PATH: Final = "/opt/asya/asya_runtime.py"
_READY: Final = f"test -S {SOCKET_DIR}/{names.SOCKET_NAME} && test -f {SOCKET_DIR}/{names.READY_NAME}"
_PROBES: Final = {
    "startupProbe": {"initialDelaySeconds": 3, "periodSeconds": 2, "timeoutSeconds": 3, "failureThreshold": 150},
    "livenessProbe": {"periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 3},
    "readinessProbe": {"periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 3},
}
"""Asya 0.1.1's, so that a model may load for five minutes."""


def build_pod_template(actor: AsyncActor, context: RenderContext) -> dict[str, Any]:
    """The pod template of an actor's workload."""
    dumped = actor.spec.workload.template.model_dump(by_alias=True, exclude_unset=True)
    meta, spec = dict(dumped.get("metadata") or {}), dict(dumped.get("spec") or {})
    native = _is_native(actor, context)
    sidecar = build_sidecar(actor, context, native=native)
    pod = actor.spec.workload.template.spec
    containers = [secure_container(_dumped(actor, container)) for container in pod.containers]
    init_containers = [secure_container(_with_env(container, container.env)) for container in pod.init_containers]
    if native:
        init_containers.append(sidecar)
    else:
        containers.append(sidecar)
    template = {
        "metadata": {
            **meta,
            "labels": {**(meta.get("labels") or {}), **selector_labels(actor)},
            "annotations": {
                **(meta.get("annotations") or {}),
                ANNOTATION_RUNTIME: runtime_hash(context.runtime_source),
            },
        },
        "spec": {
            **spec,
            **secure_pod(spec, context.actor_user),
            **_service_account(actor, spec, context),
            **({"initContainers": init_containers} if init_containers else {}),
            "containers": containers,
            "volumes": [*(spec.get("volumes") or []), *_volumes()],
            "terminationGracePeriodSeconds": math.ceil(grace_period_s(actor)),
        },
    }
    return dict(without_nulls(template))  # what the author unset by a null


def runtime_hash(source: str) -> str:
    """A short hash of the runtime's text."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def needs_role(context: RenderContext) -> bool:
    """Whether actors get a service account of their own, bound to a role of AWS."""
    return isinstance(context.transport.config, SqsConfig) and bool(context.transport.config.actor_role_arn)


def _is_native(actor: AsyncActor, context: RenderContext) -> bool:
    chosen = actor.metadata.annotations.get(ANNOTATION_NATIVE)
    if chosen not in (None, "true", "false"):
        where = f"metadata.annotations[{ANNOTATION_NATIVE}]"
        raise InvalidActor(actor.name, [Problem(where, f'must be "true" or "false", not {chosen!r}')])
    return context.native_sidecar if chosen is None else chosen == "true"


def _dumped(actor: AsyncActor, given: Container) -> dict[str, Any]:
    """A container of the template as its author wrote it; the runtime's with what the mesh injects."""
    if given.name != RUNTIME_CONTAINER:
        return _with_env(given, given.env)
    own = [entry for entry in given.env if entry.name != "ASYA_SOCKET_DIR"]
    ours = [EnvVar(name="ASYA_SOCKET_DIR", value=SOCKET_DIR), *build_runtime_env(actor)]
    ours = [entry for entry in ours if entry.name not in {entry.name for entry in own}]
    # Kubernetes resolves references to what stands before. Asya 0.1.1 appends its own, so only those referred to move.
    first = [entry for entry in ours if refers_to(own, entry.name)]
    container = _with_env(given, [*first, *own, *(entry for entry in ours if entry not in first)])
    mounts = [*SOCKET_MOUNTS, _runtime_mount()]
    probes = {
        name: {"exec": {"command": ["sh", "-c", _READY]}, **timing}
        for name, timing in _PROBES.items()
        if name not in container
    }
    return {
        **container,
        "command": [actor.spec.workload.python_executable, RUNTIME_PATH],
        "volumeMounts": [*(container.get("volumeMounts") or []), *(dict(mount) for mount in mounts)],
        **probes,
        "lifecycle": _lifecycle(container),
    }


def _with_env(container: Container, env: list[EnvVar]) -> dict[str, Any]:
    dumped = container.model_dump(by_alias=True, exclude_unset=True)
    entries = [entry.model_dump(by_alias=True, exclude_unset=True) for entry in in_order(env)]
    return {**dumped, "env": entries} if entries else dumped


def _lifecycle(container: Mapping[str, Any]) -> dict[str, Any] | None:
    own = container.get("lifecycle", {})
    return None if own is None else {**LIFECYCLE, **own}


def _runtime_mount() -> dict[str, Any]:
    return {"name": RUNTIME_CONFIG_MAP, "mountPath": RUNTIME_PATH, "subPath": "asya_runtime.py", "readOnly": True}


def _volumes() -> list[dict[str, Any]]:
    return [
        {"name": SOCKET_VOLUME, "emptyDir": {}},
        {"name": TMP_VOLUME, "emptyDir": {}},
        {"name": RUNTIME_CONFIG_MAP, "configMap": {"name": RUNTIME_CONFIG_MAP, "defaultMode": 0o755}},
    ]


def _service_account(actor: AsyncActor, spec: Mapping[str, Any], context: RenderContext) -> dict[str, Any]:
    """With a role of AWS the pod runs as the actor's own account, whose token is what the role is given for."""
    if not needs_role(context):
        return {}
    mount = spec.get("automountServiceAccountToken", True)
    return {"serviceAccountName": service_account_name(actor.name), "automountServiceAccountToken": mount}
