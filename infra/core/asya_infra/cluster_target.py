"""A cluster as the place for actors: each an object of its own, beside what its pods need."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from asya_infra.actor_wait import ActorReady
from asya_infra.errors import ConfigError
from asya_infra.installation import secret
from asya_infra.kubernetes_object import SKIP_AWAIT, KubernetesObject, object_name
from asya_infra.ownership import Ownership
from asya_infra.pod_shapes import meta, settings_digest
from asya_infra.target import Identities, Rights
from asya_infra.tool_names import file_name
from asya_manifest.labels import ANNOTATION_AWS_CREDENTIALS
from asya_manifest.pod import RUNTIME_CONTAINER
from asya_protocol import names

TOOLS_CONFIG: Final = "asya-gateway-tools"
"""The ConfigMap, in the system's namespace, whose keys are the gateway's tool files."""
SECRETS_VERSION: Final = "asya.sh/secrets"
"""Annotation of pods: which version of their Secret they read when they started."""
_NO_RIGHTS: Final = Rights()
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
        pull_secret: Secret of the namespace by which pods pull images.
        gateway: Whether there is one; ``None`` where nobody knows.
        ownership: Whose actors are; ``None`` leaves it to the provider.
    """

    provider: pulumi.ProviderResource | None
    kubeconfig: pulumi.Output[str]
    context: str | None
    namespace: pulumi.Input[str]
    system_namespace: str
    transport: pulumi.Input[str]
    url: pulumi.Output[str]
    queue_prefix: str = names.QUEUE_PREFIX
    wait_s: int = 300
    after: tuple[pulumi.Resource, ...] = ()
    tools: pulumi.Resource | None = None
    identities: Identities | None = None
    pull_secret: str = ""
    gateway: bool | None = None
    ownership: Ownership | None = None

    @property
    def gives_roles(self) -> bool:
        """Whether ``sends_to`` and ``policies`` hold here."""
        return self.identities is not None

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where a queue is."""
        return self.url.apply(lambda url: f"{url.rstrip('/')}/{queue}")

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, rights: Rights = _NO_RIGHTS
    ) -> pulumi.Output[str]:
        """Apply the manifest, then wait for the operator.

        Raises:
            ConfigError: It asks for rights that nothing here can give.
        """
        actor_name = str(manifest["metadata"]["name"])
        before: Sequence[pulumi.Resource] = ()
        notes: dict[str, str] = {}
        if self.identities is not None:
            account, roles = self.identities.of_actor(actor_name, self.namespace, rights, parent)
            own = [] if rights.service_account else [self._service_account(name, str(account), parent)]
            before = [*roles, *own]
            manifest = with_service_account(manifest, account)
            notes = {ANNOTATION_AWS_CREDENTIALS: "true"}
        else:
            refuse_rights(actor_name, rights)
        if rights.secrets:
            kept = secret(f"asya-{actor_name}-env", self.namespace, rights.secrets)
            opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(self.after))
            before = [*before, KubernetesObject(f"{name}-secrets", kept, opts)]
            manifest = with_secret(manifest, kept["metadata"]["name"], settings_digest(rights.secrets))
        if self.pull_secret:
            manifest = with_pod(manifest, {"imagePullSecrets": [{"name": self.pull_secret}]})
        meta = dict(manifest["metadata"])
        # The provider's own wait knows nothing of an actor's conditions.
        meta["annotations"] = {**meta.get("annotations", {}), **notes, SKIP_AWAIT: "true"}
        opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=[*self.after, *before])
        placed = {**manifest, "metadata": {**meta, "namespace": self.namespace}}
        made = KubernetesObject(name, self._marked(placed), opts)
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
        noted = {**meta(account, self.namespace), "annotations": {ANNOTATION_AWS_CREDENTIALS: "true"}}
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": noted}
        return KubernetesObject(f"{name}-account", manifest, opts)

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Apply it in the actors' namespace."""
        moved = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        opts = pulumi.ResourceOptions(provider=self.provider, depends_on=list(self.after))
        return KubernetesObject(object_name(moved), self._marked(moved), opts)

    def _marked(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        return manifest if self.ownership is None else self.ownership.marked(manifest)

    def tool(
        self, name: str, text: pulumi.Input[str], parent: pulumi.Resource, after: Sequence[pulumi.Resource]
    ) -> None:
        """Add a key to the ConfigMap of tools.

        Raises:
            ConfigError: Nobody would read it.
        """
        if self.gateway is False:
            raise ConfigError(
                f"McpTool {name}", "is served by a gateway, and this mesh has none: set asya:gatewayImage"
            )
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": TOOLS_CONFIG,
                "namespace": self.system_namespace,
                "annotations": {PATCH_MANAGER: f"asya-tool-{file_name(name)}"},
            },
            "data": {f"{file_name(name)}.yaml": text},
        }
        depends = [*after, *([self.tools] if self.tools is not None else [])]
        opts = pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=depends)
        KubernetesObject(name, manifest, opts, patch=True)


def refuse_rights(actor: str, rights: Rights) -> None:
    """Refuse what a mesh without roles cannot give: on RabbitMQ all actors are one user, and an emulator of SQS has none. Pure.

    Raises:
        ConfigError: The actor asks for a role's rights.
    """
    cure = "connect(stack='ORGANIZATION/PROJECT/STACK') of the stack that made the mesh knows how to make one"
    if rights.policies:
        raise ConfigError(f"AsyncActor {actor}", f"policies want a role, and this mesh gives pods none; {cure}")
    if rights.sends_to is not None:
        both = "a program for meshes of both kinds says: sends_to=[...] if mesh.target.gives_roles else None"
        raise ConfigError(
            f"AsyncActor {actor}", f"sends_to wants a role, and this mesh gives pods none; {cure}; {both}"
        )


def with_service_account(manifest: Mapping[str, Any], account: pulumi.Input[str]) -> dict[str, Any]:
    """Name the pods' service account and keep its token from them; what the manifest says of either stays."""
    return with_pod(manifest, {"serviceAccountName": account, "automountServiceAccountToken": False})


def with_secret(manifest: Mapping[str, Any], name: str, version: pulumi.Input[str]) -> dict[str, Any]:
    """Let the handler's container read its variables from a Secret too; another version of that starts new pods."""
    workload = with_pod(manifest, {"containers": [{"name": RUNTIME_CONTAINER}]})["spec"]["workload"]
    template, pod = workload["template"], workload["template"]["spec"]
    source = {"secretRef": {"name": name}}
    containers = [
        {**each, "envFrom": [*each.get("envFrom", ()), source]} if each["name"] == RUNTIME_CONTAINER else each
        for each in pod["containers"]
    ]
    noted = template.get("metadata") or {}
    notes = {**(noted.get("annotations") or {}), SECRETS_VERSION: version}
    changed = {**template, "metadata": {**noted, "annotations": notes}, "spec": {**pod, "containers": containers}}
    return {**manifest, "spec": {**manifest["spec"], "workload": {**workload, "template": changed}}}


def with_pod(manifest: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Say something of an actor's pods that its manifest does not."""
    spec = manifest["spec"]
    workload = spec.get("workload") or {}
    template = workload.get("template") or {}
    pod = template.get("spec") or {}
    changed = {**workload, "template": {**template, "spec": {**defaults, **pod}}}
    return {**manifest, "spec": {**spec, "workload": changed}}


def digest(manifest: Mapping[str, Any]) -> str:
    """Tell one version of a manifest from another."""
    text = json.dumps(manifest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
