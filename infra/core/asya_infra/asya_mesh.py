"""AsyaMesh: the operator, the crew and what they stand on, as one component."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi

from asya_infra import collector, installation, monitoring
from asya_infra import gateway_objects as gateway
from asya_infra.actor import AsyncActor
from asya_infra.cluster_target import KubernetesTarget
from asya_infra.errors import ConfigError
from asya_infra.installation import Manifest
from asya_infra.kubernetes_object import KubernetesObject, apply_all, object_name
from asya_infra.pod_shapes import settings_digest
from asya_infra.ports import Cluster, Database, Ingress, Queue, Secrets, Store
from asya_infra.removal_guard import RemovalGuard
from asya_infra.settings import KEDA_IMAGES, Images, Monitoring
from asya_infra.target import Identities
from asya_protocol import names

TYPE: Final = "asya:index:AsyaMesh"


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """What a mesh is besides its ports.

    Attributes:
        namespace: Of the actors and the crew.
        system_namespace: Of the operator and the gateway.
        images: Of the mesh's processes; with one for the gateway there is a gateway.
        keda: KEDA's objects; empty where somebody else installed it.
        scaling: Whether the crew scales by KEDA.
        tracing: Where a collector sends the mesh's traces; without one there is no collector.
        monitoring: Whether Prometheus and Grafana are installed; ``operator`` leaves both to what the cluster has.
        gateway_tokens: Who may call the gateway.
        report_token: What sidecars show the gateway.
        ingress: How the gateway is reached from outside; ``None`` leaves it inside.
        queue_prefix: Begins every queue's name.
        third_party: Images of other projects in place of the pinned ones.
        registry_auth: Docker's ``config.json``, by which all pods pull images.
        wait_s: How long an actor may take to run or nap; 0 does not wait.
    """

    namespace: str = "asya"
    system_namespace: str = installation.SYSTEM_NAMESPACE
    images: Images = field(default_factory=Images)
    keda: Sequence[Manifest] = ()
    scaling: bool = True
    monitoring: Monitoring = False
    tracing: collector.Tracing | None = None
    gateway_tokens: pulumi.Output[str] | None = None
    report_token: pulumi.Output[str] | None = None
    ingress: Ingress | None = None
    queue_prefix: str = names.QUEUE_PREFIX
    third_party: Mapping[str, str] = field(default_factory=dict)
    registry_auth: pulumi.Output[str] | None = None
    wait_s: int = 300


class AsyaMesh(pulumi.ComponentResource):
    """Everything between a cluster and its actors.

    Args:
        name: Of the resource; begins the names of its children.
        cluster: Where.
        queue: The broker.
        store: Where results and large payloads go; without one, results are only reported.
        database: Of the gateway.
        options: The rest.
        identities: Roles of the cloud for the pods of actors.
        opts: Options of the resource.
    """

    target: KubernetesTarget
    """Where actors and tools are declared."""
    namespace: pulumi.Output[str]
    """Of the actors."""
    transport: pulumi.Output[str]
    """What actors write as ``spec.transport``."""
    queue_url: pulumi.Output[str]
    """Where queues are."""
    gateway_url: pulumi.Output[str]
    """Inside the cluster; empty without a gateway."""
    outputs: dict[str, pulumi.Output[str]]
    """All of them, for a stack to export."""

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        queue: Queue,
        store: Store | None = None,
        database: Database | None = None,
        options: MeshOptions | None = None,
        identities: Identities | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        self._name, self._options = name, options or MeshOptions()
        self._cluster, self._queue, self._store, self._database = cluster, queue, store, database
        self._identities = identities
        o = self._options
        for key in ("namespace", "system_namespace", "queue_prefix"):
            if not isinstance(getattr(o, key), str):
                raise ConfigError(f"MeshOptions.{key}", "begins the names of resources: a plain text, and no output")
        if o.images.gateway and o.gateway_tokens is None:
            raise ConfigError("asya:gatewayTokens", "is not set; a gateway needs to know who may call")
        url = gateway.gateway_url(o.system_namespace) if o.images.gateway else ""
        namespaces = self._namespaces()
        shared = self._shared(url, namespaces)
        keda = self._keda(namespaces)
        operator = self._operator(shared, url)
        tools = self._gateway(shared, o) if url else None
        if o.monitoring:
            self._monitoring(namespaces)
        if o.tracing is not None:
            image = o.third_party.get("opentelemetry-collector", collector.IMAGE)
            made = collector.objects(o.system_namespace, o.tracing, image)
            self._apply("collector", made, (*namespaces, *self._platform()))
        self.target = KubernetesTarget(
            provider=cluster.provider,
            kubeconfig=cluster.kubeconfig,
            context=cluster.context,
            namespace=o.namespace,
            system_namespace=o.system_namespace,
            transport=queue.transport,
            url=queue.url,
            queue_prefix=o.queue_prefix,
            wait_s=o.wait_s,
            after=(*operator, *keda),
            tools=tools,
            identities=identities,
            gateway=bool(url),
            ownership=cluster.ownership,
            pull_secret=installation.PULL_SECRET if o.registry_auth is not None else "",
        )
        self._crew()
        self.namespace = pulumi.Output.from_input(o.namespace)
        self.transport = pulumi.Output.from_input(queue.transport)
        self.queue_url, self.gateway_url = queue.url, pulumi.Output.from_input(url)
        self.outputs = {
            "namespace": self.namespace,
            "transport": self.transport,
            "queueUrl": self.queue_url,
            "gatewayUrl": self.gateway_url,
            "gatewayPublicUrl": pulumi.Output.from_input(gateway.public_url(o.ingress)),
            "platform": self._platform_facts(),
        }
        self.register_outputs(self.outputs)

    def _child(self, after: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._cluster.provider, depends_on=list(after))

    def _apply(
        self, part: str, manifests: Sequence[Mapping[str, Any]], after: Sequence[pulumi.Resource]
    ) -> list[KubernetesObject]:
        o = self._options
        images = {name: o.third_party[name] for name in KEDA_IMAGES if name in o.third_party}
        # KEDA's namespace is its own manifest's; whoever mirrors its images lets nodes pull them.
        auth = o.registry_auth is not None and part != "keda"
        marked = map(self._cluster.ownership.marked, manifests)
        ready = [installation.pulling(m, images if part == "keda" else {}, auth=auth) for m in marked]
        return list(apply_all(f"{self._name}-{part}" if part else self._name, ready, self._child(after)))

    def _traced(self) -> dict[str, str]:
        """What the operator and the gateway are told of traces."""
        o = self._options
        return o.tracing.environment(o.system_namespace) if o.tracing is not None else {}

    def _monitoring(self, namespaces: Sequence[KubernetesObject]) -> None:
        o = self._options
        servers = [each for each in (self._queue, self._store, self._database) if each is not None and each.metrics]
        places = [each.metrics for each in servers]
        if o.monitoring == "operator":
            collectors = [collector.NAME] if o.tracing is not None else []
            watching = monitoring.operator_objects(o.system_namespace, places, collectors)
        else:
            watching = monitoring.objects(o.system_namespace, (o.namespace, *places), o.third_party)
        there = [resource for each in servers for resource in each.ready]
        self._apply("monitoring", watching, (*namespaces, *there, *self._platform()))

    def _platform(self) -> tuple[pulumi.Resource, ...]:
        """What every pod needs: nodes, add-ons, and its role where it has one."""
        return (*self._cluster.ready, *(self._identities.ready if self._identities else ()))

    def _namespaces(self) -> list[KubernetesObject]:
        o = self._options
        actors = installation.namespace_object(o.namespace)
        # Users' images may still run as root: those are warned about, and only what is dangerous is refused.
        actors["metadata"]["labels"] |= {
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
        }
        listed = [installation.namespace_object(o.system_namespace)]
        if o.namespace != o.system_namespace:
            listed.append(actors)
        marked = self._cluster.ownership.marked
        return [KubernetesObject(f"{self._name}-{object_name(m)}", marked(m), self._child(())) for m in listed]

    def _shared(self, url: str, namespaces: Sequence[KubernetesObject]) -> list[KubernetesObject]:
        """Settings and credentials, beside the operator and beside the actors."""
        o, queue, store = self._options, self._queue, self._store
        both = dict.fromkeys((o.system_namespace, o.namespace))
        found = [installation.operator_config(o.system_namespace, queue.transport, queue.config, url)]
        found += [
            installation.secret(name, namespace, data)
            for namespace in both
            for name, data in _secrets(queue.secrets, store).items()
        ]
        found += [installation.secret(name, o.system_namespace, data) for name, data in queue.operator_secrets.items()]
        if store is not None:
            found += [installation.store_config(store, namespace) for namespace in both]
        if url and o.report_token is not None:
            found.append(gateway.report_secret(o.namespace, o.report_token))
        if o.registry_auth is not None:
            found += [installation.pull_secret(namespace, o.registry_auth) for namespace in both]
        found += installation.default_deny(o.system_namespace)
        found.append(installation.let_in(installation.OPERATOR, o.system_namespace, [8080, 8081]))
        return self._apply("", found, namespaces)

    def _keda(self, namespaces: Sequence[KubernetesObject]) -> list[KubernetesObject]:
        return self._apply("keda", self._options.keda, (*namespaces, *self._platform()))

    def _operator(self, shared: Sequence[KubernetesObject], url: str) -> list[KubernetesObject]:
        o, queue = self._options, self._queue
        report = gateway.REPORT_SECRET if url and o.report_token is not None else ""
        more = {**self._traced(), "ASYA_CREW_NAMESPACE": o.namespace}
        manifests = installation.operator_objects(o.images, o.system_namespace, o.queue_prefix, report, more)
        settings: dict[str, pulumi.Input[Any]] = {"config": dict(queue.config), "gateway": url}
        if self._store is not None:
            settings |= {"bucket": self._store.bucket, "endpoint": self._store.endpoint}
        for manifest in manifests:
            if manifest["kind"] == "Deployment":
                pod = manifest["spec"]["template"]["metadata"]
                pod["annotations"] = {"asya.sh/settings": settings_digest(settings)}
        ready = (*shared, *self._platform(), *queue.ready, *(self._store.ready if self._store else ()))
        return self._apply("operator", manifests, ready)

    def _gateway(self, shared: Sequence[KubernetesObject], o: MeshOptions) -> KubernetesObject:
        tokens = o.gateway_tokens if o.gateway_tokens is not None else ""
        (tools,) = self._apply("gateway", [gateway.tools_config(o.system_namespace)], shared)
        manifests = gateway.gateway_objects(
            o.system_namespace,
            o.images,
            self._queue,
            actors_namespace=o.namespace,
            database=self._database,
            tokens=tokens,
            report_token=o.report_token,
            watched=bool(o.monitoring),
            queue_prefix=o.queue_prefix,
            more={
                **self._traced(),
                **({"ASYA_GATEWAY_PUBLIC_URL": gateway.public_url(o.ingress)} if o.ingress is not None else {}),
            },
        )
        if o.ingress is not None:
            manifests.append(gateway.ingress(o.system_namespace, o.ingress))
        ready = self._database.ready if self._database else ()
        self._apply("gateway", manifests, (*shared, tools, *ready, *self._queue.ready, *self._platform()))
        return tools

    def _platform_facts(self) -> pulumi.Output[str]:
        """What ``connect(stack=...)`` of other programs wants to know, as one secret: the kubeconfig is among it."""
        o, target = self._options, self.target
        told = {
            "kubeconfig": target.kubeconfig,
            "context": target.context,
            "namespace": o.namespace,
            "systemNamespace": o.system_namespace,
            "transport": target.transport,
            "queueUrl": target.url,
            "queuePrefix": o.queue_prefix,
            "pullSecret": target.pull_secret,
            "gateway": target.gateway,
            **({"cloud": self._identities.facts} if self._identities is not None else {}),
        }
        return pulumi.Output.secret(pulumi.Output.json_dumps(told))

    def stay_while_used(self, actors: Sequence[AsyncActor]) -> None:
        """Let nothing of the mesh be removed while the cluster has actors besides these and the crew; call it last.

        Args:
            actors: Of the same program.
        """
        target = self.target
        RemovalGuard(
            f"{self._name}-guard",
            kubeconfig=target.kubeconfig,
            context=target.context or "",
            own=[
                f"{self._options.namespace}/{name}" for name in (*installation.CREW, *(actor.name for actor in actors))
            ],
            keda=bool(self._options.keda),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*self._crew_made, *self.target.after, *actors]),
        )

    def _of_crew(self, manifest: Manifest) -> str:
        """A second mesh of one program has a crew of its own; the first's keeps the names that stacks know."""
        name = str(manifest["metadata"]["name"])
        return name if self._name == "mesh" else f"{self._name}-{name}"

    def _crew(self) -> None:
        o = self._options
        self._crew_made: list[AsyncActor] = []
        for manifest in installation.crew_actors(self._queue.transport, o.images, o.namespace):
            if not o.scaling:
                manifest["spec"]["scaling"] = {"enabled": False}
            self._crew_made.append(
                AsyncActor.from_manifest(
                    manifest, mesh=self, resource_name=self._of_crew(manifest), opts=pulumi.ResourceOptions(parent=self)
                )
            )


def _secrets(queue: Secrets, store: Store | None) -> dict[str, Mapping[str, pulumi.Input[str]]]:
    found = dict(queue)
    if store is not None and store.access_key is not None and store.secret_key is not None:
        found[installation.STORE_SECRET] = {
            "ASYA_S3_ACCESS_KEY": store.access_key,
            "ASYA_S3_SECRET_KEY": store.secret_key,
        }
    return found
