"""What the actors of one namespace share, and the service account that one gets on AWS. Pure."""

from typing import Any

from asya_manifest.actor import AsyncActor
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import RUNTIME_CONFIG_MAP, metadata
from asya_operator.specs.pod_template import service_account_name
from asya_operator.transport_config import SqsConfig


def build_runtime_config_map(context: RenderContext) -> dict[str, Any]:
    """The runtime's file for every actor of the namespace; nobody owns it, it outlives each of them."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": RUNTIME_CONFIG_MAP,
            "namespace": context.namespace,
            "labels": {
                "app.kubernetes.io/name": "asya-runtime",
                "app.kubernetes.io/component": "asya-runtime",
                "app.kubernetes.io/part-of": "asya",
            },
        },
        "data": {"asya_runtime.py": context.runtime_source},
    }


def build_service_account(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """The account whose pods AWS gives the actors' role, by IRSA's annotation; a Pod Identity association needs none."""
    config = context.transport.config
    arn = config.actor_role_arn if isinstance(config, SqsConfig) else ""
    meta = metadata(actor, uid, context.namespace, service_account_name(actor))
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**meta, "annotations": {"eks.amazonaws.com/role-arn": arn}},
    }
