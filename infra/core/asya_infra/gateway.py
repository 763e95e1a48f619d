"""The gateway's objects: Deployment, Service, credentials, and the ConfigMap that McpTools fill. Pure."""

from collections.abc import Mapping
from typing import Final

import pulumi

from asya_infra.installation import Manifest, config_map, let_in, secret
from asya_infra.pods import container_security, meta, resources, service, workload
from asya_infra.ports import Database, Queue, Store
from asya_infra.settings import Images
from asya_infra.target import TOOLS_CONFIG
from asya_protocol import names

NAME: Final = "asya-gateway"
SECRET: Final = "asya-gateway"  # noqa: S105 - a name
PORT: Final = 8080
TOOLS_FOLDER: Final = "/etc/asya/tools"
REPORT_SECRET: Final = "asya-gateway-report"  # noqa: S105 - a name
"""In the actors' namespace: what sidecars show the gateway."""


def gateway_url(namespace: str) -> str:
    """Where sidecars report."""
    return f"http://{NAME}.{namespace}.svc.cluster.local:{PORT}"


def tools_config(namespace: str) -> Manifest:
    """The ConfigMap of tools, empty: each McpTool adds a key."""
    return config_map(TOOLS_CONFIG, namespace, {})


def report_secret(namespace: str, token: pulumi.Input[str]) -> Manifest:
    """The token that sidecars report with."""
    return secret(REPORT_SECRET, namespace, {"token": token})


def gateway_objects(
    namespace: str,
    images: Images,
    queue: Queue,
    *,
    store: Store | None,
    database: Database | None,
    tokens: pulumi.Input[str],
    report_token: pulumi.Input[str] | None,
    service_account: str = "",
    queue_prefix: str = names.QUEUE_PREFIX,
) -> list[Manifest]:
    """All of it but the ConfigMap of tools.

    Args:
        namespace: The system's.
        images: With the gateway's.
        queue: Where envelopes go.
        store: Through which cancels reach the actors.
        database: Where envelopes are followed; none forgets them at the end.
        tokens: Who may call, as ``ASYA_GATEWAY_TOKENS`` has it.
        report_token: Of the sidecars.
        service_account: Of its pods, where the cloud gives them a role.
        queue_prefix: Begins every queue's name.
    """
    env: dict[str, pulumi.Input[str]] = {"ASYA_TRANSPORT": queue.transport, **queue.gateway_env}
    if queue_prefix != names.QUEUE_PREFIX:
        env["ASYA_QUEUE_PREFIX"] = queue_prefix
    if store is not None:
        env |= {"ASYA_S3_BUCKET": store.bucket, "ASYA_S3_REGION": store.region, "ASYA_S3_ENDPOINT": store.endpoint}
        if store.access_key is not None and store.secret_key is not None:
            env |= {"ASYA_S3_ACCESS_KEY": store.access_key, "ASYA_S3_SECRET_KEY": store.secret_key}
    if database is not None:
        env["ASYA_DATABASE_URL"] = database.url
    env["ASYA_GATEWAY_TOKENS"] = _all_tokens(tokens, report_token)
    return [
        secret(SECRET, namespace, env),
        *([_account(namespace, service_account)] if service_account else []),
        _deployment(namespace, images, env, 2 if database is not None else 1, service_account),
        service(NAME, namespace, {"http": PORT}),
        let_in(NAME, namespace, [PORT]),
    ]


def _account(namespace: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(name, namespace)}


def _all_tokens(tokens: pulumi.Input[str], report: pulumi.Input[str] | None) -> pulumi.Output[str]:
    if report is None:
        return pulumi.Output.secret(tokens)
    return pulumi.Output.secret(pulumi.Output.all(tokens, report).apply(lambda both: f"{both[0]}\n{both[1]}|report"))


def _deployment(
    namespace: str, images: Images, env: Mapping[str, pulumi.Input[str]], replicas: int, service_account: str
) -> Manifest:
    container = {
        "image": images.gateway,
        "imagePullPolicy": images.pull_policy,
        "env": [{"name": "ASYA_CONFIG_PATH", "value": TOOLS_FOLDER}, {"name": "ASYA_GATEWAY_PORT", "value": str(PORT)}],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 20},
        "resources": resources("100m", "128Mi", "512Mi"),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "tools", "mountPath": TOOLS_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    volumes = [
        {"name": "tools", "configMap": {"name": TOOLS_CONFIG}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    return workload(
        "Deployment",
        NAME,
        namespace,
        container,
        volumes=volumes,
        annotations={"asya.sh/settings": settings_digest(env)},
        service_account=service_account,
        replicas=replicas,
    )


def settings_digest(env: Mapping[str, pulumi.Input[object]]) -> pulumi.Output[str]:
    """Tell one version of settings from another without telling them: pods read them at their start, so a change rolls them."""
    import hashlib
    import json

    def shorten(known: Mapping[str, object]) -> str:
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

    return pulumi.Output.unsecret(pulumi.Output.from_input(dict(env)).apply(shorten))
