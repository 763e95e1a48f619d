"""AsyncActor: an actor as a component of a Pulumi program, the same on a cluster and on a laptop."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from asya_infra.actor_args import (
    ActorArgs,
    Batch,
    Delivery,
    Retry,
    Scaling,
    Sidecar,
    Timeout,
    actor_manifest,
    check_manifest,
)
from asya_infra.errors import ConfigError
from asya_infra.target import Mesh, Policy, Rights

TYPE = "asya:index:AsyncActor"


class AsyncActor(pulumi.ComponentResource):
    """One actor: its manifest, and the wait until the operator says that it runs or naps.

    Example:
        ``ocr = AsyncActor("ocr", mesh=mesh, image="ocr:1", handler="ocr.Model.process", scaling=Scaling(max_replicas=50))``

    Args:
        name: The actor's, as routes spell it; also the resource's, unless that has one of its own.
        resource_name: Of the resource, where a program has actors of one name in two meshes.
        mesh: An ``AsyaMesh``, or what ``connect()`` gave.
        image: Of the container with the handler.
        handler: ``module.func`` or ``module.Class.method``.
        scaling: Without one, one replica runs; ``Scaling()`` scales from zero by the operator's defaults.
        env: Variables of the handler's container.
        secrets: The same, kept in a Secret: the AsyncActor and its pods' definition only name it.
        source: Folder of the handler's code, for the local mesh, which runs no images.
        retry: What happens when it raises.
        timeout: Its time limits.
        batch: Let it take lists of payloads.
        delivery: What happens when its replica dies.
        sidecar: The injected container.
        resources: Requests and limits of the handler's container.
        service_account: Of its pods, in place of the one that the mesh makes; where the cloud gives pods a role, that role
            becomes this account's.
        policies: What its role allows besides queues, store and key: ARNs of policies, or IAM statements as AWS writes
            them, e.g. ``{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]}``.
        node_selector: Labels of the nodes that its pods run on, e.g. ``{"accelerator": "nvidia-gpu"}``.
        tolerations: Of those nodes' taints, as Kubernetes has them.
        workload: ``spec.workload`` whole, in place of env, resources, service_account, node_selector and tolerations.
        labels: Of the AsyncActor.
        sends_to: Where the cloud gives pods a role (``mesh.target.gives_roles``): the only actors that this one may send to,
            besides the end actors. None allows every actor of the mesh, since a route is data. Refused in other clusters.
        opts: Options of the resource.

    Raises:
        ConfigError: The operator would refuse the manifest; names every problem.
    """

    name: str
    """As routes spell it."""
    queue_name: pulumi.Output[str]
    queue_url: pulumi.Output[str]
    status: pulumi.Output[str]
    """``Running`` or ``Napping`` as of the last update that concerned it; empty when nobody waited."""

    def __init__(
        self,
        name: str,
        *,
        mesh: Mesh,
        image: pulumi.Input[str] | None = None,
        handler: pulumi.Input[str] | None = None,
        scaling: Scaling | Mapping[str, Any] | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        timeout: Timeout | Mapping[str, Any] | None = None,
        batch: Batch | Mapping[str, Any] | None = None,
        delivery: Delivery | Mapping[str, Any] | None = None,
        sidecar: Sidecar | Mapping[str, Any] | None = None,
        env: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, Any]] | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        resources: Mapping[str, Any] | None = None,
        service_account: pulumi.Input[str] | None = None,
        policies: Sequence[Policy] = (),
        source: str | None = None,
        node_selector: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]] | None = None,
        tolerations: Sequence[Mapping[str, Any]] | pulumi.Output[Sequence[Mapping[str, Any]]] = (),
        workload: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        sends_to: Sequence["AsyncActor | pulumi.Input[str]"] | None = None,
        resource_name: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        args = ActorArgs(
            image=image,
            handler=handler,
            scaling=scaling,
            retry=retry,
            timeout=timeout,
            batch=batch,
            delivery=delivery,
            sidecar=sidecar,
            env={} if env is None else env,
            resources=resources,
            service_account=service_account,
            source=source,
            node_selector={} if node_selector is None else node_selector,
            tolerations=tolerations,
            workload=workload,
            labels=labels or {},
        )
        names = None if sends_to is None else tuple(to.name if isinstance(to, AsyncActor) else to for to in sends_to)
        rights = Rights(
            sends_to=names, policies=tuple(policies), service_account=service_account, secrets=secrets or {}
        )
        self._declare(
            name,
            mesh,
            actor_manifest(name, mesh.target.transport, args),
            opts=opts,
            rights=rights,
            resource_name=resource_name,
        )

    @classmethod
    def from_manifest(
        cls,
        manifest: Mapping[str, Any],
        *,
        mesh: Mesh,
        resource_name: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> "AsyncActor":
        """Declare an actor from a manifest, as ``kubectl apply`` would take it; its transport becomes the mesh's.

        Raises:
            ConfigError: The operator would refuse it.
        """
        document = {**manifest, "spec": {**manifest["spec"], "transport": mesh.target.transport}}
        check_manifest(document)
        self = cls.__new__(cls)
        pod = ((document["spec"].get("workload") or {}).get("template") or {}).get("spec") or {}
        rights = Rights(service_account=pod.get("serviceAccountName"))
        self._declare(
            str(manifest["metadata"]["name"]), mesh, document, opts=opts, rights=rights, resource_name=resource_name
        )
        return self

    def _declare(
        self,
        name: str,
        mesh: Mesh,
        manifest: Mapping[str, Any],
        *,
        opts: pulumi.ResourceOptions | None,
        rights: Rights,
        resource_name: str = "",
    ) -> None:
        if opts is not None and (opts.provider is not None or opts.providers):
            raise ConfigError(f"AsyncActor {name}", "goes where its mesh is: a provider in opts would not be used")
        super().__init__(TYPE, resource_name or name, {}, opts)
        target = mesh.target
        queue = f"{target.queue_prefix}{name}"
        self.name = name
        self.queue_name = pulumi.Output.from_input(queue)
        self.queue_url = target.queue_url(queue)
        self.status = target.actor(resource_name or name, manifest, self, rights)
        self.register_outputs(
            {"name": name, "queueName": self.queue_name, "queueUrl": self.queue_url, "status": self.status}
        )
