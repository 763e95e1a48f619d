"""The Deployment or StatefulSet of an actor, and the headless Service that a StatefulSet needs. Pure."""

from typing import Any

from asya_operator.actor import AsyncActor
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import METRICS_PORT_NAME, metadata, metrics_port, selector_labels
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
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": metadata(actor, uid, context.namespace),
        "spec": spec,
    }


def build_headless_service(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Gives a StatefulSet's pods names of their own; nobody calls an actor."""
    port = metrics_port(actor)
    spec: dict[str, Any] = {"clusterIP": "None", "selector": selector_labels(actor)}
    if port is not None:
        spec["ports"] = [{"name": METRICS_PORT_NAME, "port": port, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(actor, uid, context.namespace),
        "spec": spec,
    }
