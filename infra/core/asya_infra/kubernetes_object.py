"""Any Kubernetes manifest as a Pulumi resource.

The provider takes the object as it stands and its type from ``apiVersion`` and ``kind``; the classes of
``pulumi_kubernetes`` build the very same request, one keyword at a time. So what is installed here is what ``kubectl apply``
would be given, from the same files and builders.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pulumi

SKIP_AWAIT: Final = "pulumi.com/skipAwait"
"""Annotation: the provider does not wait until the object is ready."""
CLUSTER_SCOPED: Final = frozenset(
    {
        "Namespace",
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "StorageClass",
        "APIService",
        "IngressClass",
    }
    | {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "PriorityClass", "PersistentVolume"}
)
FIRST: Final = ("Namespace", "CustomResourceDefinition")
"""Kinds that others need to be there."""


class KubernetesObject(pulumi.CustomResource):
    """One object.

    Args:
        name: Of the resource; the object's own name is in its metadata.
        manifest: As YAML or JSON has it; values may be outputs.
        opts: With a parent that has a kubernetes provider, or with the provider.
    """

    metadata: pulumi.Output[Any]
    """As the API server answers it."""

    def __init__(
        self, name: str, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None, *, patch: bool = False
    ) -> None:
        super().__init__(token(manifest, patch=patch), name, with_secrets(manifest), opts)


def with_secrets(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest for Pulumi's state, where what a Secret holds is encrypted, whoever wrote it."""
    hidden = ("data", "stringData") if manifest["kind"] == "Secret" else ()
    return {key: _hidden(value) if key in hidden else value for key, value in manifest.items()}


def _hidden(values: Any) -> Any:  # noqa: ANN401 - as YAML has it
    """Each by itself, so that a preview that does not know one of them still knows the others."""
    if isinstance(values, Mapping):
        return {key: pulumi.Output.secret(value) for key, value in values.items()}
    return pulumi.Output.secret(values)


def token(manifest: Mapping[str, Any], *, patch: bool = False) -> str:
    """Pulumi's type of an object, e.g. ``kubernetes:apps/v1:Deployment``, ``kubernetes:core/v1:Secret``."""
    version = str(manifest["apiVersion"])
    group = version if "/" in version else f"core/{version}"
    return f"kubernetes:{group}:{manifest['kind']}{'Patch' if patch else ''}"


def object_name(manifest: Mapping[str, Any]) -> str:
    """A name for the resource that no other object of the stack has."""
    meta = manifest["metadata"]
    parts = [str(manifest["kind"]).lower(), meta.get("namespace") or "", meta["name"]]
    return "-".join(part for part in parts if part)


def apply_all(
    prefix: str, manifests: Iterable[Mapping[str, Any]], opts: pulumi.ResourceOptions
) -> Sequence[KubernetesObject]:
    """Make many objects: namespaces and definitions first, the others once those are there.

    Args:
        prefix: Begins every resource's name; may be empty.
        manifests: Objects with plain metadata.
        opts: With the parent.
    """

    def make(manifest: Mapping[str, Any], options: pulumi.ResourceOptions) -> KubernetesObject:
        return KubernetesObject("-".join(filter(None, (prefix, object_name(manifest)))), manifest, options)

    listed = list(manifests)
    first = [make(manifest, opts) for manifest in listed if manifest["kind"] in FIRST]
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=first))
    rest = [make(manifest, after) for manifest in listed if manifest["kind"] not in FIRST]
    return [*first, *rest]


def labels(name: str, component: str | None = None) -> dict[str, str]:
    """Kubernetes' recommended labels of a part of the mesh."""
    found = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "asya"}
    return {**found, "app.kubernetes.io/component": component} if component else found
