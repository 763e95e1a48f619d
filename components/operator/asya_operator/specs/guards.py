"""What protects an actor's pods and what reads their metrics: disruption budget, network policy, PodMonitor. Pure."""

from typing import Any

from asya_manifest.actor import AsyncActor
from asya_manifest.environment import METRICS_PORT_NAME
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import LABEL_ACTOR, metadata, metrics_port


def build_pod_disruption_budget(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """A node drain takes one pod of an actor at a time; never ``None``, or a single pod would block the drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(actor, uid, context.namespace),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {LABEL_ACTOR: actor.name}}},
    }


def build_network_policy(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Nobody calls an actor: only its metrics can be reached. What it calls is its handler's business, so egress is open."""
    port = metrics_port(actor)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(actor, uid, context.namespace),
        "spec": {
            "podSelector": {"matchLabels": {LABEL_ACTOR: actor.name}},
            "policyTypes": ["Ingress"],
            "ingress": [] if port is None else [{"ports": [{"protocol": "TCP", "port": port}]}],
        },
    }


def build_pod_monitor(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Has Prometheus read the sidecars, where its operator is installed."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(actor, uid, context.namespace),
        "spec": {
            "selector": {"matchLabels": {LABEL_ACTOR: actor.name}},
            "podMetricsEndpoints": [{"port": METRICS_PORT_NAME, "path": "/metrics"}],
        },
    }
