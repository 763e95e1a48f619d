"""Where actors and tools are declared: a cluster, or the mesh on this machine.

A component asks the target of its mesh, and knows neither.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pulumi
import yaml

from asya_infra.actor_wait import ActorReady
from asya_infra.kubernetes_object import SKIP_AWAIT, KubernetesObject, object_name
from asya_infra.local_resources import FOLDER, TOOLS_FOLDER, LocalActor, LocalObject
from asya_infra.pod_shapes import meta
from asya_manifest.labels import ANNOTATION_SOURCE

TOOLS_CONFIG: Final = "asya-gateway-tools"
"""The ConfigMap, in the system's namespace, whose keys are the gateway's tool files."""
PATCH_MANAGER: Final = "pulumi.com/patchFieldManager"
"""Annotation: who owns the fields of a patch; each tool has an owner, so that they do not undo one another."""


class Target(Protocol):
    """A place for actors."""

    @property
    def transport(self) -> str:
        """What actors write as ``spec.transport``."""

    @property
    def queue_prefix(self) -> str:
        """Begins every queue's name."""

    @property
    def namespace(self) -> str | None:
        """Of the actors; ``None`` without Kubernetes."""

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where a queue is."""

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, sends_to: Sequence[str] | None = None
    ) -> pulumi.Output[str]:
        """Declare an actor; its status once it can take envelopes."""

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Declare an object that actors refer to: a ConfigMap, a Secret."""

    def tool(self, name: str, text: str, parent: pulumi.Resource, after: Sequence[pulumi.Resource]) -> None:
        """Declare a tool file."""


class Identities(Protocol):
    """How pods get a role of their cloud, where they need one."""

    @property
    def ready(self) -> Sequence[pulumi.Resource]:
        """Roles of the operator, KEDA and the gateway: pods that start before theirs exists never get it."""

    def of_actor(
        self, actor: str, namespace: str, sends_to: Sequence[str] | None, parent: pulumi.Resource
    ) -> tuple[str, Sequence[pulumi.Resource]]:
        """Give an actor's pods a role.

        Args:
            actor: Its name.
            namespace: Where it lives.
            sends_to: Actors that it may send to; none: any.
            parent: Of what is made.

        Returns:
            The pods' service account, and what must exist before they start.
        """


class HasTarget(Protocol):
    """A mesh, or a way to one."""

    @property
    def target(self) -> Target:
        """Where its actors go."""


@dataclass(frozen=True, kw_only=True)
class KubernetesTarget:
    """A namespace of a cluster that an operator watches.

    Attributes:
        provider: Reaches the cluster; ``None`` is whichever the parent has.
        kubeconfig: The same way, for waiting.
        context: Of the kubeconfig.
        namespace: Of the actors.
        system_namespace: Of the gateway.
        transport: What actors write as ``spec.transport``.
        url: Where queues are.
        queue_prefix: Begins every queue's name.
        wait_s: How long an actor may take; 0 does not wait.
        after: What must exist before the first actor.
        tools: The ConfigMap of tools, where this program makes it.
        identities: Roles of the cloud for the pods of actors.
    """

    provider: pulumi.ProviderResource | None
    kubeconfig: pulumi.Output[str]
    context: str | None
    namespace: str
    system_namespace: str
    transport: str
    url: pulumi.Output[str]
    queue_prefix: str = "asya-"
    wait_s: int = 300
    after: tuple[pulumi.Resource, ...] = ()
    tools: pulumi.Resource | None = None
    identities: Identities | None = None

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where a queue is."""
        return self.url.apply(lambda url: f"{url.rstrip('/')}/{queue}")

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, sends_to: Sequence[str] | None = None
    ) -> pulumi.Output[str]:
        """Apply the manifest, then wait for the operator."""
        actor_name = str(manifest["metadata"]["name"])
        before: Sequence[pulumi.Resource] = ()
        if self.identities is not None:
            account, roles = self.identities.of_actor(actor_name, self.namespace, sends_to, parent)
            before = [*roles, self._service_account(name, account, parent)]
            manifest = with_service_account(manifest, account)
        meta = dict(manifest["metadata"])
        # The provider's own wait knows nothing of an actor's conditions.
        meta["annotations"] = {**meta.get("annotations", {}), SKIP_AWAIT: "true"}
        opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=[*self.after, *before])
        made = KubernetesObject(name, {**manifest, "metadata": {**meta, "namespace": self.namespace}}, opts)
        if self.wait_s <= 0:
            return pulumi.Output.from_input("")
        ready = ActorReady(
            f"{name}-ready",
            kubeconfig=self.kubeconfig,
            context=self.context or "",
            namespace=self.namespace,
            actor=actor_name,
            generation=pulumi.Output.from_input(dict(manifest)).apply(digest),
            wait_s=self.wait_s,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[made], deleted_with=made),
        )
        return ready.status

    def _service_account(self, name: str, account: str, parent: pulumi.Resource) -> pulumi.Resource:
        opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(self.after))
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(account, self.namespace)}
        return KubernetesObject(f"{name}-account", manifest, opts)

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Apply it in the actors' namespace."""
        moved = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        opts = pulumi.ResourceOptions(provider=self.provider, depends_on=list(self.after))
        return KubernetesObject(object_name(moved), moved, opts)

    def tool(self, name: str, text: str, parent: pulumi.Resource, after: Sequence[pulumi.Resource]) -> None:
        """Add a key to the ConfigMap of tools."""
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": TOOLS_CONFIG,
                "namespace": self.system_namespace,
                "annotations": {PATCH_MANAGER: f"asya-tool-{name}"},
            },
            "data": {f"{name}.yaml": text},
        }
        depends = [*after, *([self.tools] if self.tools is not None else [])]
        opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=depends)
        KubernetesObject(name, manifest, opts, patch=True)


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """The mesh on this machine.

    Attributes:
        mesh: The resource that stands for it.
        home: Its folder, absolute.
        transport: Its broker's kind.
        endpoint: SQS and S3 endpoint that already runs.
        root: Where relative folders of code start: that of Pulumi.yaml, since manifests are kept elsewhere.
        wait_s: How long an actor may take.
    """

    mesh: pulumi.Resource
    home: str
    transport: str
    endpoint: str = ""
    root: Path = Path()
    wait_s: int = 300
    queue_prefix: str = "asya-"
    namespace: str | None = None

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """The queue's name alone: the broker's port is another one each time."""
        return pulumi.Output.from_input(queue)

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, sends_to: Sequence[str] | None = None
    ) -> pulumi.Output[str]:
        """Put the manifest where the mesh finds it, and wait for the mesh."""
        del sends_to
        manifest = with_absolute_source(manifest, self.root)
        made = LocalActor(
            name,
            mesh={"home": self.home, "transport": self.transport, "endpoint": self.endpoint},
            actor=str(manifest["metadata"]["name"]),
            manifest=manifest,
            wait_s=self.wait_s,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[self.mesh]),
        )
        return made.status

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Put it beside the actors' manifests."""
        name = object_name(manifest)
        opts = pulumi.ResourceOptions(depends_on=[self.mesh])
        text = pulumi.Output.from_input(dict(manifest)).apply(lambda known: yaml.safe_dump(known, sort_keys=True))
        return LocalObject(name, home=self.home, folder=FOLDER, object_name=name, text=text, opts=opts)

    def tool(self, name: str, text: str, parent: pulumi.Resource, after: Sequence[pulumi.Resource]) -> None:
        """Put it where the local mesh's gateway finds it."""
        LocalObject(
            name,
            home=self.home,
            folder=TOOLS_FOLDER,
            object_name=name,
            text=text,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[self.mesh, *after]),
        )


def with_service_account(manifest: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Name the pods' service account and keep its token from them; what the manifest says of either stays."""
    spec = manifest["spec"]
    workload = spec.get("workload") or {}
    template = workload.get("template") or {}
    pod = template.get("spec") or {}
    named = {"serviceAccountName": account, "automountServiceAccountToken": False, **pod}
    changed = {**workload, "template": {**template, "spec": named}}
    return {**manifest, "spec": {**spec, "workload": changed}}


def with_absolute_source(manifest: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Say where the code is from wherever the manifest lies."""
    meta = manifest["metadata"]
    notes = meta.get("annotations") or {}
    if ANNOTATION_SOURCE not in notes:
        return dict(manifest)
    placed = {**notes, ANNOTATION_SOURCE: str(root / notes[ANNOTATION_SOURCE])}
    return {**manifest, "metadata": {**meta, "annotations": placed}}


def digest(manifest: Mapping[str, Any]) -> str:
    """Tell one version of a manifest from another."""
    text = json.dumps(manifest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
