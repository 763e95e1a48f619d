"""The gateway's objects: ``deploy/gateway`` made to fit a stack, its credentials, the ConfigMap that McpTools fill. Pure."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import pulumi

from asya_infra.cluster_target import TOOLS_CONFIG
from asya_infra.installation import Manifest, config_map, let_in, read_deploy, secret
from asya_infra.kubernetes_object import SKIP_AWAIT
from asya_infra.pod_shapes import meta, settings_digest
from asya_infra.ports import Database, Ingress, Queue
from asya_infra.settings import Images
from asya_protocol import names

NAME: Final = "asya-gateway"
CONFIG: Final = "asya-gateway-config"
CONNECTIONS: Final = "asya-gateway-connections"
TOKENS: Final = "asya-gateway-tokens"
POD_PORT: Final = 8080
DATABASE_CA: Final = "asya-gateway-database-ca"
REPORT_SECRET: Final = "asya-gateway-report"  # noqa: S105 - a name
"""In the actors' namespace: what sidecars show the gateway."""
METRICS_SECRET: Final = "asya-gateway-metrics"  # noqa: S105 - a name
"""Beside the gateway: a token of the scope `metrics` under `token`, which Prometheus shows it."""
_RBAC: Final = "rbac.authorization.k8s.io"


def gateway_url(namespace: str) -> str:
    """Where sidecars report."""
    return f"http://{NAME}.{namespace}.svc.cluster.local"


def tools_config(namespace: str) -> Manifest:
    """The ConfigMap of tools, empty: each McpTool adds a key."""
    return config_map(TOOLS_CONFIG, namespace, {})


def report_secret(namespace: str, token: pulumi.Input[str]) -> Manifest:
    """The token that sidecars report with."""
    return secret(REPORT_SECRET, namespace, {"token": token})


def metrics_token(tokens: pulumi.Input[str]) -> pulumi.Output[str]:
    """The token with which a stack's Prometheus reads the gateway: made of the callers', whom it does not tell."""
    return pulumi.Output.secret(pulumi.Output.from_input(tokens).apply(_for_metrics))


def gateway_objects(
    namespace: str,
    images: Images,
    queue: Queue,
    *,
    actors_namespace: str,
    database: Database | None,
    tokens: pulumi.Input[str],
    report_token: pulumi.Input[str] | None,
    watched: bool = False,
    queue_prefix: str = names.QUEUE_PREFIX,
    more: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """All of it but the ConfigMap of tools. The object store is found as the operator finds it.

    Args:
        namespace: The system's.
        images: With the gateway's.
        queue: Where envelopes go.
        actors_namespace: Whose actors its console lists.
        database: Where envelopes are followed; none forgets them at the end.
        tokens: Who may call, a token a line.
        report_token: Of the sidecars.
        watched: A Prometheus of the stack, or one that finds its monitors, reads the gateway.
        queue_prefix: Begins every queue's name.
        more: Further environment, by name.
    """
    told: dict[str, pulumi.Input[str]] = {
        "ASYA_TRANSPORT": queue.transport,
        "ASYA_GATEWAY_ACTORS": f"kubernetes:{actors_namespace}",
        **(more or {}),
    }
    if queue_prefix != names.QUEUE_PREFIX:
        told["ASYA_QUEUE_PREFIX"] = queue_prefix
    connections = dict(queue.gateway_env)
    trusted: dict[str, pulumi.Input[str]] = {}
    if database is not None:
        connections["ASYA_DATABASE_URL"] = database.url
        trusted = {"ca.crt": database.authority} if database.authority else {}
    reads = metrics_token(tokens) if watched else None
    allowed = _all_tokens(tokens, report=report_token, metrics=reads)
    digest = settings_digest({**told, **connections, **trusted, "tokens": allowed})
    return [
        config_map(CONFIG, namespace, told),
        *([config_map(DATABASE_CA, namespace, trusted)] if trusted else []),
        secret(CONNECTIONS, namespace, connections),
        secret(TOKENS, namespace, {"tokens": allowed}),
        *([secret(METRICS_SECRET, namespace, {"token": reads})] if reads is not None else ()),
        *_deployed(namespace, images, replicas=2 if database is not None else 1, digest=digest),
        *_lists_actors(namespace, actors_namespace),
        let_in(NAME, namespace, [POD_PORT]),
    ]


def public_url(way: Ingress | None) -> str:
    """Where callers from outside reach the gateway; empty without a way."""
    return f"https://{way.host}" if way is not None else ""


def ingress(namespace: str, way: Ingress) -> Manifest:
    """The way in from outside, ``deploy/gateway/ingress.example.yaml``.

    Who may come is the controller's to say, and who may call the gateway's tokens'.

    Nobody waits for it to come: the controller takes minutes, and a name in DNS is made after it. Its end is waited for, as the
    annotation holds for that of few kinds (provider/pkg/metadata/overrides.go of pulumi-kubernetes): a load balancer that
    stayed would hold the VPC.
    """
    (found,) = read_deploy("gateway/ingress.example.yaml")
    found["metadata"] |= {"namespace": namespace, "annotations": {**way.annotations, SKIP_AWAIT: "true"}}
    spec = found["spec"]
    spec["ingressClassName"] = way.class_name
    spec["rules"][0]["host"] = way.host
    if way.tls_secret:
        spec["tls"] = [{"hosts": [way.host], "secretName": way.tls_secret}]
    else:
        del spec["tls"]
    return found


def _deployed(namespace: str, images: Images, *, replicas: int, digest: pulumi.Input[str]) -> list[Manifest]:
    found = read_deploy("gateway/service.yaml", "gateway/deployment.yaml")
    for manifest in found:
        manifest["metadata"]["namespace"] = namespace
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = replicas
            manifest["spec"]["template"]["metadata"]["annotations"] = {"asya.sh/settings": digest}
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            container |= {"image": images.gateway, "imagePullPolicy": images.pull_policy}
    return found


def _lists_actors(namespace: str, actors_namespace: str) -> list[Manifest]:
    """``deploy/gateway/actors.example.yaml`` for one namespace alone."""
    name = f"{NAME}-actors"
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": meta(name, actors_namespace),
            "rules": [{"apiGroups": ["asya.sh"], "resources": ["asyncactors"], "verbs": ["list"]}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta(name, actors_namespace),
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
    ]


def _all_tokens(tokens: pulumi.Input[str], **scoped: pulumi.Input[str] | None) -> pulumi.Output[str]:
    """A token a line, those of one scope alone after the callers'."""
    given = {scope: token for scope, token in scoped.items() if token is not None}

    def written(found: Sequence[str]) -> str:
        return "\n".join([found[0], *(f"{token}|{scope}" for scope, token in zip(given, found[1:], strict=True))])

    return pulumi.Output.secret(pulumi.Output.all(tokens, *given.values()).apply(written))


def _for_metrics(tokens: str) -> str:
    return hmac.new(tokens.encode(), b"asya metrics", hashlib.sha256).hexdigest()
