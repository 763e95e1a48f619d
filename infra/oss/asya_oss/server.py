"""A server with a volume in a namespace of its own: the broker, the store or the database in the cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from asya_infra.installation import Manifest, default_deny, let_in, namespace_object, pull_secret, pulling, secret
from asya_infra.kubernetes_object import KubernetesObject, apply_all
from asya_infra.pod_shapes import claim, container_security, service, workload
from asya_infra.ports import Cluster


class Server(pulumi.ComponentResource):
    """A StatefulSet of one with a volume, its Service, its credentials, and the policies that let its callers in.

    Args:
        kind: Last part of the component's type.
        name: Of the resource, its namespace and everything in it.
        cluster: Where.
        image: Pinned.
        ports: By name.
        callers: NetworkPolicy peers by port; a port without any is open to the cluster.
        credentials: Environment, kept in a Secret of its name.
        container: The rest of the container.
        data: Where the volume is mounted.
        size: Of the volume.
        user: Who runs it.
        scratch: Folders that must be writable, emptied at a restart.
        extra: Other objects that belong to it, which must be there first.
        volumes: Other volumes, with ``mounts`` in the container.
        annotations: Of its pod: a changed one rolls it.
        auth: Docker's ``config.json``, by which its image is pulled.
        beside: Further containers of the pod, whole; the ports of theirs are among ``ports``.
    """

    address: pulumi.Output[str]
    """Its name inside the cluster."""

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        cluster: Cluster,
        image: str,
        ports: Mapping[str, int],
        callers: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
        credentials: Mapping[str, pulumi.Input[str]] | None = None,
        container: Mapping[str, Any],
        data: str,
        size: str,
        user: int,
        scratch: Sequence[str] = ("/tmp",),  # noqa: S108 - the pod's own
        extra: Sequence[Manifest] = (),
        volumes: Sequence[Mapping[str, Any]] = (),
        annotations: Mapping[str, pulumi.Input[str]] | None = None,
        auth: pulumi.Output[str] | None = None,
        beside: Sequence[Manifest] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"asya:oss:{kind}", name, {}, opts)
        namespace = name
        mounts = [
            {"name": "data", "mountPath": data},
            *({"name": f"scratch-{place}", "mountPath": path} for place, path in enumerate(scratch)),
            *container.get("volumeMounts", ()),
        ]
        pod_volumes = [
            *({"name": f"scratch-{place}", "emptyDir": {"sizeLimit": "256Mi"}} for place, _ in enumerate(scratch)),
            *volumes,
        ]
        elsewhere = {port["name"] for one in beside for port in one["ports"]}
        shaped = {
            "image": image,
            **({"envFrom": [{"secretRef": {"name": name}}]} if credentials else {}),
            "ports": [{"name": key, "containerPort": port} for key, port in ports.items() if key not in elsewhere],
            "securityContext": container_security(),
            **container,
            "volumeMounts": mounts,
        }
        made = workload(
            "StatefulSet",
            name,
            namespace,
            shaped,
            volumes=pod_volumes,
            annotations=annotations,
            user=user,
            claims=[claim("data", size)],
        )
        made["spec"]["template"]["spec"]["containers"] += list(beside)
        manifests = [
            namespace_object(namespace),
            *default_deny(namespace),
            *([secret(name, namespace, credentials)] if credentials else []),
            *extra,
            *([pull_secret(namespace, auth)] if auth is not None else []),
            pulling(made, {}, auth=auth is not None),
            service(name, namespace, ports),
            *_policies(name, namespace, ports, callers or {}),
        ]
        child = pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=list(cluster.ready))
        self.objects: Sequence[KubernetesObject] = apply_all("", map(cluster.ownership.marked, manifests), child)
        self.address = pulumi.Output.from_input(f"{name}.{namespace}.svc.cluster.local")
        self.register_outputs({"address": self.address})


def _policies(
    name: str, namespace: str, ports: Mapping[str, int], callers: Mapping[int, Sequence[Mapping[str, Any]]]
) -> list[Manifest]:
    """One NetworkPolicy for each port with callers of its own, one for all the others."""
    kept = [port for port in ports.values() if port not in callers]
    found = [let_in(name, namespace, kept)] if kept else []
    selector = {"app.kubernetes.io/name": name}
    for key, port in ports.items():
        if port in callers:
            found.append(let_in(f"{name}-{key}", namespace, [port], callers[port], selector))
    return found
