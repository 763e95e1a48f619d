"""What all workloads of the mesh share: Pod Security `restricted`, a read-only root, limits. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi

from asya_infra.installation import Manifest

USER: Final = 65532


def pod_security(user: int = USER) -> Manifest:
    """Of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def meta(name: str, namespace: pulumi.Input[str] | None = None) -> Manifest:
    """Metadata with the labels that a part of the mesh has."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "asya"}
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}


def workload(
    kind: str,
    name: str,
    namespace: str,
    container: Mapping[str, Any],
    *,
    volumes: Sequence[Mapping[str, Any]] = (),
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
    service_account: str = "",
    user: int = USER,
    replicas: int = 1,
    claims: Sequence[Mapping[str, Any]] = (),
    init: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """A Deployment or a StatefulSet of one container.

    Args:
        kind: Which.
        name: Of it, its container and its label.
        namespace: Where.
        container: Without name and security context.
        volumes: Of the pod.
        annotations: Of the pod: a changed one rolls it.
        service_account: Whose token is mounted; empty mounts none.
        user: Who runs it.
        replicas: How many.
        claims: Of a StatefulSet.
        init: Init containers, without security context.
    """
    labels = meta(name)["labels"]
    pod: Manifest = {
        "automountServiceAccountToken": bool(service_account),
        "securityContext": pod_security(user),
        "containers": [{"name": name, "securityContext": container_security(), **container}],
        "volumes": [dict(volume) for volume in volumes],
    }
    if service_account:
        pod["serviceAccountName"] = service_account
    if init:
        pod["initContainers"] = [{"securityContext": container_security(), **one} for one in init]
    spec: Manifest = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": {
            "metadata": {"labels": labels, **({"annotations": dict(annotations)} if annotations else {})},
            "spec": pod,
        },
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
        spec["volumeClaimTemplates"] = [dict(claim) for claim in claims]
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta(name, namespace), "spec": spec}


def service(name: str, namespace: str, ports: Mapping[str, int], *, headless: bool = False) -> Manifest:
    """A Service in front of a workload's pods."""
    spec: Manifest = {
        "selector": {"app.kubernetes.io/name": name},
        "ports": [{"name": key, "port": port, "targetPort": port, "protocol": "TCP"} for key, port in ports.items()],
    }
    if headless:
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, namespace), "spec": spec}


def claim(name: str, size: str) -> Manifest:
    """A StatefulSet's PersistentVolumeClaim."""
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def resources(cpu: str, memory: str, limit: str) -> Manifest:
    """Requests, and a limit of memory: a limit of CPU only makes slow what could be fast."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def settings_digest(env: Mapping[str, pulumi.Input[Any]] | pulumi.Output[Any]) -> pulumi.Output[str]:
    """Tell one version of settings from another without telling them: pods read them at their start, so a change rolls them."""

    def shorten(known: Mapping[str, object]) -> str:
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

    known: pulumi.Output[Any] = pulumi.Output.from_input(env)
    return pulumi.Output.unsecret(known.apply(shorten))
