"""The mesh installed into a cluster as users install it: the manifests of ``deploy/``, on brokers that run beside it.

Pods reach the brokers of this machine through forwarders on the address that `make cluster` tells. Only what a user would
set is changed: image tags, the brokers' addresses, pull policies.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import ROOT, Cluster, eventually

OPERATOR_NAMESPACE = "asya-system"
BUCKET = "asya-e2e"
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Brokers:
    """Where the servers are, as pods and this machine both see them."""

    host: str
    amqp_port: int
    management_port: int
    aws_port: int

    @property
    def aws(self) -> str:
        """Endpoint of SQS and S3."""
        return f"http://{self.host}:{self.aws_port}"

    @property
    def transports(self) -> dict[str, Any]:
        """The operator's ``ASYA_TRANSPORT_CONFIG``."""
        rabbitmq = {
            "host": self.host,
            "port": self.amqp_port,
            "username": "guest",
            "passwordSecretRef": {"name": "rabbitmq-secret", "key": "password"},
            "managementPort": self.management_port,
        }
        sqs = {
            "region": "us-east-1",
            "accountId": ACCOUNT,
            "endpoint": self.aws,
            "credentials": {
                "accessKeyIdSecretRef": {"name": "sqs-secret", "key": "access-key-id"},
                "secretAccessKeySecretRef": {"name": "sqs-secret", "key": "secret-access-key"},
            },
        }
        return {
            "transports": {
                "rabbitmq": {"type": "rabbitmq", "enabled": True, "config": rabbitmq},
                "sqs": {"type": "sqs", "enabled": True, "config": sqs},
            }
        }

    @property
    def store(self) -> dict[str, str]:
        """Content of the ConfigMap ``asya-store``."""
        return {"ASYA_S3_BUCKET": BUCKET, "ASYA_S3_ENDPOINT": self.aws, "ASYA_S3_REGION": "us-east-1"}


def install_operator(cluster: Cluster, brokers: Brokers) -> None:
    """Apply ``deploy/operator`` and wait until it works."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=_kustomized(cluster, "operator"))
    prepare_namespace(cluster, OPERATOR_NAMESPACE, brokers)
    config = {"transports.json": json.dumps(brokers.transports)}
    cluster.apply(_config_map("asya-operator-config", config), namespace=OPERATOR_NAMESPACE)
    cluster.kubectl("-n", OPERATOR_NAMESPACE, "rollout", "restart", "deployment/asya-operator")
    cluster.kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/asya-operator", "--timeout=300s")


def prepare_namespace(cluster: Cluster, namespace: str, brokers: Brokers) -> None:
    """Make a namespace that enforces Pod Security ``restricted``, with the secrets and the store that actors need."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    cluster.apply(
        _secret("rabbitmq-secret", {"password": "guest"}),
        _secret("sqs-secret", {"access-key-id": "test", "secret-access-key": "test"}),
        _secret("asya-store-credentials", {"ASYA_S3_ACCESS_KEY": "test", "ASYA_S3_SECRET_KEY": "test"}),
        _config_map("asya-store", brokers.store),
        namespace=namespace,
    )


def install_gateway(cluster: Cluster, namespace: str, brokers: Brokers, database_url: str, tokens: str) -> None:
    """Apply ``deploy/gateway`` on SQS with its example tool, and wait until both replicas are ready."""
    aws = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    sqs = {"ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": brokers.aws, "ASYA_SQS_REGION": "us-east-1"}
    tools = yaml.safe_load((ROOT / "deploy" / "gateway" / "tools.example.yaml").read_text(encoding="utf-8"))
    cluster.apply(
        _config_map("asya-gateway-config", sqs),
        _secret("asya-gateway-connections", {"ASYA_DATABASE_URL": database_url, **aws}),
        _secret("asya-gateway-tokens", {"tokens": tokens}),
        tools,
        *yaml.safe_load_all(_kustomized(cluster, "gateway")),
        namespace=namespace,
    )
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/asya-gateway", "--timeout=300s")


def install_crew(cluster: Cluster, namespace: str, transport: str, sidecar_env: Sequence[dict[str, Any]] = ()) -> None:
    """Apply ``deploy/crew`` on a transport; it naps until the first envelope ends."""
    for document in yaml.safe_load_all(_kustomized(cluster, "crew")):
        document["spec"]["transport"] = transport
        document["spec"]["sidecar"] = {"env": list(sidecar_env)}
        document["spec"]["scaling"] |= {"minReplicas": 0, "pollingInterval": 2, "maxReplicas": 1}
        cluster.apply(document, namespace=namespace)


def wait_for_status(
    cluster: Cluster, actor: str, namespace: str, *wanted: str, timeout_s: float = 240
) -> dict[str, Any]:
    """Wait until an actor has one of the statuses."""
    return eventually(
        lambda: cluster.status(actor, namespace),
        lambda status: status.get("status") in wanted,
        timeout_s,
        f"status of {namespace}/{actor} to be {' or '.join(wanted)}",
    )


def _kustomized(cluster: Cluster, part: str) -> str:
    text = cluster.kubectl("kustomize", str(ROOT / "deploy" / part))
    for image in ("operator", "sidecar", "crew", "gateway"):
        text = text.replace(f"asya-{image}:0.2.0", f"localhost/asya-{image}:dev")
    return text


def read_examples(name: str) -> list[dict[str, Any]]:
    """The objects of one file of ``examples/asyas``."""
    path = Path(ROOT / "examples" / "asyas" / name)
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _secret(name: str, content: dict[str, str]) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def _config_map(name: str, content: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": content}
