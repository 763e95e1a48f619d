"""The Deployment or StatefulSet of an actor, and what may change of one that exists. Pure."""

from collections.abc import Mapping
from typing import Any

from asya_kube.resources import KINDS
from asya_manifest.actor import AsyncActor
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import owned, selector_labels
from asya_operator.specs.pod_template import build_pod_template


def build_workload(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """The workload; without ``replicas`` where KEDA decides them."""
    workload = actor.spec.workload
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector_labels(actor)},
        "template": build_pod_template(actor, context),
    }
    if not actor.spec.scaling.enabled:
        spec["replicas"] = workload.replicas
    if workload.kind == "StatefulSet":
        # Replicas of an actor do not know one another: they may start and end all at once.
        spec |= {"serviceName": actor.name, "podManagementPolicy": "Parallel"}
        if workload.volume_claim_templates:
            spec["volumeClaimTemplates"] = [dict(claim) for claim in workload.volume_claim_templates]
    return {**owned(KINDS["apps/v1", workload.kind], actor, uid, context.namespace), "spec": spec}


def at_first(manifest: Mapping[str, Any], actor: AsyncActor) -> dict[str, Any]:
    """The same workload with the replicas that it starts with where KEDA decides: the least it may have.

    Kubernetes would start one pod where no number is named, only for KEDA to end it again.
    """
    return {**manifest, "spec": {**manifest["spec"], "replicas": actor.spec.scaling.min_replicas}}


def replicas_alone(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A workload's replicas and nothing else, for a second field manager: the first may then leave them to KEDA.

    A field that its last manager leaves out goes back to its default, which is one replica.
    """
    meta = {name: manifest["metadata"][name] for name in ("name", "namespace")}
    head = {name: manifest[name] for name in ("apiVersion", "kind")}
    return {**head, "metadata": meta, "spec": {"replicas": manifest["spec"]["replicas"]}}


def with_selector_of(manifest: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """The same workload with the selector that it has in the cluster, which cannot be changed, and with pods that it finds.

    The template's ``app`` may have been edited since: pods keep the one that the workload was made with.
    """
    selector = present["spec"].get("selector") or manifest["spec"]["selector"]
    if selector == manifest["spec"]["selector"]:
        return dict(manifest)
    template = manifest["spec"]["template"]
    meta = template["metadata"]
    kept = {**template, "metadata": {**meta, "labels": {**meta["labels"], **(selector.get("matchLabels") or {})}}}
    return {**manifest, "spec": {**manifest["spec"], "selector": selector, "template": kept}}


def holds_replicas(present: Mapping[str, Any], manager: str) -> bool:
    """Whether a field manager owns a workload's replicas."""
    return any(
        entry.get("manager") == manager and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in present["metadata"].get("managedFields") or []
    )
