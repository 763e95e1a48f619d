"""The small objects beside a workload: what its pods mount, run as and are reached, protected and measured by. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from asya_kube import resources
from asya_manifest.actor import AsyncActor
from asya_manifest.labels import LABEL_ACTOR, METRICS_PORT_NAME, RUNTIME_CONFIG_MAP, service_account_name
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import metrics_port, owned, selector_labels
from asya_operator.transport_config import SqsConfig

NATIVE_HISTOGRAMS: Final = ("convertClassicHistogramsToNHCB", "scrapeClassicHistograms")
"""Fields of a PodMonitor, of Prometheus' operator 0.82 and newer: native histograms are made, and classic ones kept, which
rules and dashboards read. Source: https://github.com/prometheus-operator/prometheus-operator/pull/7448"""


def build_runtime_config_map(context: RenderContext) -> dict[str, Any]:
    """The runtime's file for every actor of the namespace; it has no owner, for it outlives each of them."""
    labels = {f"app.kubernetes.io/{label}": RUNTIME_CONFIG_MAP for label in ("name", "component")}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": RUNTIME_CONFIG_MAP,
            "namespace": context.namespace,
            "labels": {**labels, "app.kubernetes.io/part-of": "asya"},
        },
        "data": {"asya_runtime.py": context.runtime_source},
    }


def build_service_account(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """The account whose pods AWS gives the actors' role, by IRSA's annotation; a Pod Identity association needs none."""
    config = context.transport.config
    arn = config.actor_role_arn if isinstance(config, SqsConfig) else ""
    account = owned(resources.SERVICE_ACCOUNT, actor, uid, context.namespace, service_account_name(actor.name))
    account["metadata"]["annotations"] = {"eks.amazonaws.com/role-arn": arn}
    return account


def build_headless_service(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Gives a StatefulSet's pods names of their own; it serves no requests."""
    port = metrics_port(actor)
    # Not by the template's `app`, which may be edited while the pods keep theirs.
    selector = {name: value for name, value in selector_labels(actor).items() if name != "app"}
    spec: dict[str, Any] = {"clusterIP": "None", "selector": selector}
    if port is not None:
        spec["ports"] = [{"name": METRICS_PORT_NAME, "port": port, "protocol": "TCP"}]
    return {**owned(resources.SERVICE, actor, uid, context.namespace), "spec": spec}


def build_pod_disruption_budget(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """A node drain takes one pod of an actor at a time; never zero, or a single pod would block the drain."""
    spec = {"maxUnavailable": 1, "selector": _pods(actor)}
    return {**owned(resources.POD_DISRUPTION_BUDGET, actor, uid, context.namespace), "spec": spec}


def build_network_policy(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Nobody calls an actor: only its metrics can be reached. What it calls is its handler's business, so egress is open."""
    port = metrics_port(actor)
    ingress = [] if port is None else [{"ports": [{"protocol": "TCP", "port": port}]}]
    spec = {"podSelector": _pods(actor), "policyTypes": ["Ingress"], "ingress": ingress}
    return {**owned(resources.NETWORK_POLICY, actor, uid, context.namespace), "spec": spec}


def build_pod_monitor(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """Has Prometheus read the sidecars, where its operator is installed."""
    spec: dict[str, Any] = {
        "selector": _pods(actor),
        "podMetricsEndpoints": [{"port": METRICS_PORT_NAME, "path": "/metrics"}],
    }
    if context.native_histograms:
        spec |= dict.fromkeys(NATIVE_HISTOGRAMS, True)
    monitor = owned(resources.POD_MONITOR, actor, uid, context.namespace)
    monitor["metadata"]["labels"] = {**context.monitor_labels, **monitor["metadata"]["labels"]}
    return {**monitor, "spec": spec}


def knows_native_histograms(definition: Mapping[str, Any]) -> bool:
    """Whether a definition of PodMonitor has those fields; a field that it lacks would be refused."""
    return any(
        set(NATIVE_HISTOGRAMS)
        <= version["schema"]["openAPIV3Schema"]["properties"]["spec"].get("properties", {}).keys()
        for version in definition["spec"]["versions"]
        if version.get("served")
    )


def _pods(actor: AsyncActor) -> dict[str, Any]:
    return {"matchLabels": {LABEL_ACTOR: actor.name}}
