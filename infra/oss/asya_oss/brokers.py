"""Brokers: RabbitMQ in the cluster, RabbitMQ that exists, and a stand-in for SQS such as LocalStack."""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.installation import KEDA_NAMESPACE, config_map, namespace_peer, secret
from asya_infra.pod_shapes import resources, settings_digest
from asya_infra.ports import Cluster, Queue
from asya_infra.settings import Settings
from asya_oss import images
from asya_oss.accounts import Account, accounts, definitions, password_of, root_password
from asya_oss.server import Server

NAME: Final = "asya-rabbitmq"
USER: Final = "asya"
"""Whom a broker that exists knows the mesh as, where its URL names nobody."""
PASSWORD_SECRET: Final = "rabbitmq-secret"  # noqa: S105 - a name
OPERATOR_SECRET: Final = "rabbitmq-operator"  # noqa: S105 - a name
SCALER_SECRET: Final = "rabbitmq-scaler"  # noqa: S105 - a name
SQS_SECRET: Final = "sqs-secret"  # noqa: S105 - a name
RABBITMQ_USER_ID: Final = 999
QUEUES: Final = {"autoCreate": True, "dlq": {"enabled": True, "maxRetryCount": 5}}
STAND_IN_ACCOUNT: Final = "000000000000"
_CONFIG: Final = """# Users and what they may do; no other user is made.
load_definitions = /etc/rabbitmq/asya/definitions.json
loopback_users = none
log.console = true
# Seven days: the default of half an hour is less than a handler may take, and the broker would hand its envelope out again.
consumer_timeout = 604800000
"""


def rabbitmq(settings: Settings, cluster: Cluster) -> Queue:
    """RabbitMQ in the cluster: one node, a volume; its management API for KEDA and the operator, its metrics for Prometheus.

    The image has the plugin `rabbitmq_prometheus` on. Source: https://www.rabbitmq.com/docs/prometheus
    """
    users = accounts(settings.queue_prefix)
    passwords = {part: password_of(settings, f"rabbitmq/{part}") for part in users}
    known = pulumi.Output.all(**passwords).apply(
        lambda each: definitions([(account, each[part]) for part, account in users.items()])
    )
    system, actors = namespace_peer(settings.system_namespace), namespace_peer(settings.namespace)
    server = Server(
        "RabbitMQ",
        NAME,
        cluster=cluster,
        image=settings.third_party.get("rabbitmq", images.RABBITMQ),
        ports={"amqp": 5672, "management": 15672, "metrics": 15692},
        callers={5672: [system, actors], 15672: [system, namespace_peer(KEDA_NAMESPACE)]},
        container={
            "readinessProbe": {"tcpSocket": {"port": "amqp"}, "periodSeconds": 5},
            "resources": resources("200m", "256Mi", "1Gi"),
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/rabbitmq/conf.d/20-asya.conf", "subPath": "asya.conf"},
                {"name": "users", "mountPath": "/etc/rabbitmq/asya", "readOnly": True},
            ],
        },
        volumes=[
            {"name": "config", "configMap": {"name": NAME}},
            {"name": "users", "secret": {"secretName": f"{NAME}-users"}},
        ],
        extra=[
            config_map(NAME, NAME, {"asya.conf": _CONFIG}),
            secret(f"{NAME}-users", NAME, {"definitions.json": known}),
        ],
        # It reads them at its start.
        annotations={"asya.sh/settings": settings_digest({"users": known})},
        data="/var/lib/rabbitmq",
        size="5Gi",
        auth=settings.registry_auth,
        user=RABBITMQ_USER_ID,
    )
    queue = _queue(server.address, 5672, users["actors"].name, passwords["actors"], ready=tuple(server.objects))
    return replace(
        queue,
        metrics=NAME,
        config={
            **queue.config,
            "operator": _sign_in(users["operator"], OPERATOR_SECRET),
            "scaler": _sign_in(users["scaler"], SCALER_SECRET),
        },
        secrets={**queue.secrets, SCALER_SECRET: {"password": passwords["scaler"]}},
        operator_secrets={OPERATOR_SECRET: {"password": passwords["operator"]}},
        gateway_env={"ASYA_RABBITMQ_URL": _amqp_url(queue.url, users["gateway"].name, passwords["gateway"])},
    )


def _sign_in(account: Account, name: str) -> dict[str, Any]:
    return {"username": account.name, "passwordSecretRef": {"name": name, "key": "password"}}


def rabbitmq_endpoint(settings: Settings) -> Queue:
    """A RabbitMQ that exists, by its URL; user and virtual host are percent-encoded there, and nowhere else.

    Source: https://www.rabbitmq.com/docs/uri-spec
    """
    parts = urlsplit(settings.rabbitmq_url)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ConfigError("asya:rabbitmqUrl", f"{settings.rabbitmq_url!r} is not like amqp://user@host:5672/vhost")
    if parts.password:
        raise ConfigError(
            "asya:rabbitmqUrl", "holds a password; put it into a secret: pulumi config set --secret asya:password ..."
        )
    tls = parts.scheme == "amqps"
    port = parts.port or (5671 if tls else 5672)
    vhost = unquote(parts.path.removeprefix("/")) or "/"
    host = pulumi.Output.from_input(parts.hostname)
    management = settings.rabbitmq_management_url
    user = unquote(parts.username or USER)
    return _queue(host, port, user, root_password(settings), vhost=vhost, management=management, tls=tls)


def _queue(
    host: pulumi.Output[str],
    port: int,
    user: str,
    password: pulumi.Output[str],
    *,
    vhost: str = "/",
    management: str = "",
    ready: tuple[pulumi.Resource, ...] = (),
    tls: bool = False,
    metrics: str = "",
) -> Queue:
    config: dict[str, pulumi.Input[Any]] = {
        "host": host,
        "port": port,
        "username": user,
        "passwordSecretRef": {"name": PASSWORD_SECRET, "key": "password"},
        "exchange": "asya",
        "vhost": vhost,
        "tls": tls,
        "queues": QUEUES,
    }
    if management:
        config["managementUrl"] = management
    scheme = "amqps" if tls else "amqp"
    path = "" if vhost == "/" else quote(vhost, safe="")
    url = host.apply(lambda known: f"{scheme}://{known}:{port}/{path}")
    return Queue(
        transport="rabbitmq",
        config=config,
        url=url,
        secrets={PASSWORD_SECRET: {"password": password}},
        ready=ready,
        gateway_env={"ASYA_RABBITMQ_URL": _amqp_url(url, user, password)},
        metrics=metrics,
    )


def _amqp_url(address: pulumi.Output[str], user: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
    """``address`` without credentials, with these."""

    def with_user(known: list[str]) -> str:
        scheme, _, rest = known[0].partition("://")
        return f"{scheme}://{quote(user, safe='')}:{quote(known[1], safe='')}@{rest}"

    return pulumi.Output.secret(pulumi.Output.all(address, password).apply(with_user))


def sqs_endpoint(settings: Settings) -> Queue:
    """A stand-in for SQS that exists, by its URL; LocalStack takes any credentials."""
    if settings.access_key is None or settings.secret_key is None:
        raise ConfigError(
            "asya:accessKey",
            "is not set; queue sqs-endpoint needs a key pair, LocalStack takes any: "
            "pulumi config set asya:accessKey test",
        )
    region = settings.region or "us-east-1"
    refs = {
        "accessKeyIdSecretRef": {"name": SQS_SECRET, "key": "access-key-id"},
        "secretAccessKeySecretRef": {"name": SQS_SECRET, "key": "secret-access-key"},
    }
    return Queue(
        transport="sqs",
        config={
            "region": region,
            "accountId": STAND_IN_ACCOUNT,
            "endpoint": settings.sqs_endpoint,
            "visibilityTimeout": 300,
            "waitTimeSeconds": 20,
            "credentials": refs,
            "queues": QUEUES,
        },
        url=pulumi.Output.from_input(f"{settings.sqs_endpoint}/{STAND_IN_ACCOUNT}"),
        secrets={SQS_SECRET: {"access-key-id": settings.access_key, "secret-access-key": settings.secret_key}},
        gateway_env={
            "ASYA_SQS_ENDPOINT": settings.sqs_endpoint,
            "ASYA_AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": settings.access_key,
            "AWS_SECRET_ACCESS_KEY": settings.secret_key,
        },
    )
