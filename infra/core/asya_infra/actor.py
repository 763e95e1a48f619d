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
from asya_infra.target import Mesh

TYPE = "asya:index:AsyncActor"


class AsyncActor(pulumi.ComponentResource):
    """One actor: its manifest, and the wait until the operator says that it runs or naps.

    Example:
        ``ocr = AsyncActor("ocr", mesh=mesh, image="ocr:1", handler="ocr.Model.process", scaling=Scaling(max_replicas=50))``

    Args:
        name: The actor's, as routes spell it; also the resource's.
        mesh: An ``AsyaMesh``, or what ``connect()`` gave.
        image: Of the container with the handler.
        handler: ``module.func`` or ``module.Class.method``.
        scaling: Without one, one replica runs; ``Scaling()`` scales from zero by the operator's defaults.
        env: Variables of the handler's container.
        source: Folder of the handler's code, for the local mesh, which runs no images.
        retry: What happens when it raises.
        timeout: Its time limits.
        batch: Let it take lists of payloads.
        delivery: What happens when its replica dies.
        sidecar: The injected container.
        resources: Requests and limits of the handler's container.
        service_account: Of its pods, in place of the one that the mesh gives.
        workload: ``spec.workload`` whole, in place of env, resources and service_account.
        labels: Of the AsyncActor.
        sends_to: Where the cloud gives pods a role: the only actors that this one may send to, besides the end actors. None
            allows every actor of the mesh, since a route is data.
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
        handler: str | None = None,
        scaling: Scaling | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
        batch: Batch | None = None,
        delivery: Delivery | None = None,
        sidecar: Sidecar | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        resources: Mapping[str, Any] | None = None,
        service_account: str | None = None,
        source: str | None = None,
        workload: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        sends_to: Sequence["AsyncActor | str"] | None = None,
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
            env=env or {},
            resources=resources,
            service_account=service_account,
            source=source,
            workload=workload,
            labels=labels or {},
        )
        self._declare(name, mesh, actor_manifest(name, mesh.target.transport, args), opts, sends_to)

    @classmethod
    def from_manifest(
        cls, manifest: Mapping[str, Any], *, mesh: Mesh, opts: pulumi.ResourceOptions | None = None
    ) -> "AsyncActor":
        """Declare an actor from a manifest, as ``kubectl apply`` would take it; its transport becomes the mesh's.

        Raises:
            ConfigError: The operator would refuse it.
        """
        document = {**manifest, "spec": {**manifest["spec"], "transport": mesh.target.transport}}
        check_manifest(document)
        self = cls.__new__(cls)
        self._declare(str(manifest["metadata"]["name"]), mesh, document, opts)
        return self

    def _declare(
        self,
        name: str,
        mesh: Mesh,
        manifest: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None,
        sends_to: Sequence["AsyncActor | str"] | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        target = mesh.target
        names = None if sends_to is None else [to if isinstance(to, str) else to.name for to in sends_to]
        queue = f"{target.queue_prefix}{name}"
        self.name = name
        self.queue_name = pulumi.Output.from_input(queue)
        self.queue_url = target.queue_url(queue)
        self.status = target.actor(name, manifest, self, names)
        self.register_outputs(
            {"name": name, "queueName": self.queue_name, "queueUrl": self.queue_url, "status": self.status}
        )
