"""A cluster as the place for actors: each an object of its own, beside what its pods need."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from asya_infra.actor_wait import ActorReady
from asya_infra.kubernetes_object import SKIP_AWAIT, KubernetesObject, object_name
from asya_infra.pod_shapes import meta
from asya_infra.target import Identities
from asya_protocol import names

TOOLS_CONFIG: Final = "asya-gateway-tools"
"""The ConfigMap, in the system's namespace, whose keys are the gateway's tool files."""
PATCH_MANAGER: Final = "pulumi.com/patchFieldManager"
"""Annotation: who owns the fields of a patch; each tool has an owner, so that they do not undo one another."""


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
    queue_prefix: str = names.QUEUE_PREFIX
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


def with_service_account(manifest: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Name the pods' service account and keep its token from them; what the manifest says of either stays."""
    spec = manifest["spec"]
    workload = spec.get("workload") or {}
    template = workload.get("template") or {}
    pod = template.get("spec") or {}
    named = {"serviceAccountName": account, "automountServiceAccountToken": False, **pod}
    changed = {**workload, "template": {**template, "spec": named}}
    return {**manifest, "spec": {**spec, "workload": changed}}


def digest(manifest: Mapping[str, Any]) -> str:
    """Tell one version of a manifest from another."""
    text = json.dumps(manifest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
