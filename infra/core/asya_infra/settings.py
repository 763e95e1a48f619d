"""Everything a stack may say about its mesh, read once from ``pulumi.Config("asya")`` and handed on; nothing else reads it.

Docstrings of the fields are the keys and what they do; ``docs/environments.md`` is checked against them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import pulumi

from asya_infra.config_reader import ConfigReader
from asya_protocol import names

VERSION: Final = "0.2.0"
ClusterKind = Literal["none", "kubeconfig", "kind", "eks"]
QueueKind = Literal["sqs", "sqs-endpoint", "rabbitmq", "rabbitmq-endpoint", "memory"]
StoreKind = Literal["s3", "s3-endpoint", "seaweedfs", "none"]
DatabaseKind = Literal["rds", "postgres", "url", "none"]
Environment = Literal["local", "oss", "localstack", "aws"]
Monitoring = bool | Literal["operator"]
"""Ours, none, or a Prometheus operator's."""
_MONITORING: Final[Mapping[str, Monitoring]] = {"true": True, "false": False, "operator": "operator"}

PRESETS: Final[Mapping[Environment, tuple[ClusterKind, QueueKind, StoreKind, DatabaseKind]]] = {
    "local": ("none", "sqs", "none", "none"),
    "oss": ("kubeconfig", "rabbitmq", "seaweedfs", "postgres"),
    "localstack": ("kubeconfig", "sqs-endpoint", "s3-endpoint", "postgres"),
    "aws": ("eks", "sqs", "s3", "rds"),
}
"""Environment: cluster, queue, store, and the database of a gateway, where there is one."""
KEDA_IMAGES: Final = ("keda", "keda-metrics-apiserver", "keda-admission-webhooks")
THIRD_PARTY: Final = (
    *("rabbitmq", "postgres", "seaweedfs"),
    *("prometheus", "grafana", "postgres-exporter", "opentelemetry-collector"),
    "device-plugin",
    *KEDA_IMAGES,
)
"""Images of other projects, by the names that `asya:images` has for them."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_HOST: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_URL: Final = re.compile(r"https?://[^/\s]+")


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images of the mesh's own processes; the gateway is left out without one."""

    operator: str = f"asya-operator:{VERSION}"
    """`asya:operatorImage`: image of the operator."""
    sidecar: str = f"asya-sidecar:{VERSION}"
    """`asya:sidecarImage`: image of the injected sidecar."""
    crew: str = f"asya-crew:{VERSION}"
    """`asya:crewImage`: image of happy-end, error-end and fan-in."""
    gateway: str = ""
    """`asya:gatewayImage`: image of the gateway; empty installs none."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """`asya:imagePullPolicy`: when nodes pull those images."""

    def named(self) -> dict[str, str]:
        """The images by the keys of their settings."""
        rooms = ("operator", "sidecar", "crew", "gateway")
        return {f"{room}Image": getattr(self, room) for room in rooms}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One stack's mesh."""

    environment: Environment
    """`asya:environment`: the preset; the stack's name where that is one of them."""
    cluster: ClusterKind
    """`asya:cluster`: `none` (processes on this machine), `kubeconfig`, `kind` or `eks`."""
    queue: QueueKind
    """`asya:queue`: `sqs`, `sqs-endpoint` (LocalStack and the like), `rabbitmq` (in the cluster),
    `rabbitmq-endpoint` (one that exists), `memory` (cluster `none` only)."""
    store: StoreKind
    """`asya:store`: `s3`, `s3-endpoint` (another maker's), `seaweedfs` (in the cluster) or `none`."""
    database: DatabaseKind
    """`asya:database`: `rds`, `postgres` (in the cluster), `url` or `none`, which it is without a gateway."""
    kubeconfig: str = ""
    """`asya:kubeconfig`: path of the kubeconfig; empty takes `$KUBECONFIG`, then `~/.kube/config`."""
    context: str = ""
    """`asya:context`: context of the kubeconfig; empty takes its current one."""
    namespace: str = "asya"
    """`asya:namespace`: where the actors and the crew live."""
    system_namespace: str = "asya-system"
    """`asya:systemNamespace`: where the operator, the gateway and what is installed for them live."""
    images: Images = field(default_factory=Images)
    registry: str = ""
    """`asya:registry`: where the mesh's images are whose names are not set: `REGISTRY/asya-operator:VERSION`."""
    region: str = ""
    """`asya:region`: AWS region; needed with `sqs`, `s3`, `rds` or `eks`."""
    sqs_endpoint: str = ""
    """`asya:sqsEndpoint`: URL of a stand-in for SQS as pods reach it; needed with queue `sqs-endpoint`."""
    s3_endpoint: str = ""
    """`asya:s3Endpoint`: URL of another maker's S3 as pods reach it; needed with store `s3-endpoint`."""
    rabbitmq_url: str = ""
    """`asya:rabbitmqUrl`: `amqp://user@host:5672/vhost` as pods reach it, without a password; needed with queue
    `rabbitmq-endpoint`."""
    rabbitmq_management_url: str = ""
    """`asya:rabbitmqManagementUrl`: its management API, from which KEDA reads; empty is the same host, port 15672."""
    bucket: str = "asya-results"
    """`asya:bucket`: where results go; on AWS its beginning, so that it is unique."""
    access_key: pulumi.Output[str] | None = None
    """`asya:accessKey`: for `sqs-endpoint`, `s3-endpoint` and `seaweedfs`; a secret."""
    secret_key: pulumi.Output[str] | None = None
    """`asya:secretKey`: belongs to it; a secret."""
    password: pulumi.Output[str] | None = None
    """`asya:password`: of the RabbitMQ and of the Postgres in the cluster; a secret."""
    database_url: pulumi.Output[str] | None = None
    """`asya:databaseUrl`: needed with database `url`; a secret."""
    database_ca: str = ""
    """`asya:databaseCa`: PEM file, relative to `Pulumi.yaml`, with the authority of database `rds` or `url`: the gateway then
    checks the server's certificate and name, with `rds` always, with `url` where that says `sslmode=verify-full`."""
    gateway_tokens: pulumi.Output[str] | None = None
    """`asya:gatewayTokens`: bearer tokens of the gateway; a secret, needed with a gateway image."""
    report_token: pulumi.Output[str] | None = None
    """`asya:reportToken`: what sidecars show the gateway, of which it learns the scope `report`; a secret."""
    gateway_host: str = ""
    """`asya:gatewayHost`: name in DNS by which the gateway is reached from outside, by HTTPS; empty makes no way in."""
    ingress_class: str = ""
    """`asya:ingressClass`: class of an ingress controller that is there; on EKS Auto Mode one is made where it is empty."""
    gateway_tls_secret: str = ""
    """`asya:gatewayTlsSecret`: Secret of the system's namespace with its certificate; needed with `ingressClass`."""
    keda: str = "installed"
    """`asya:keda`: `installed` (somebody else did), `none` (nothing scales), or the path or URL of KEDA's manifest."""
    keda_sha256: str = ""
    """`asya:kedaSha256`: checksum of that manifest."""
    monitoring: Monitoring = False
    """`asya:monitoring`: `true` installs Prometheus and Grafana with the mesh's rules, alerts and dashboards; `operator`
    gives rules, monitors and dashboards to the Prometheus operator and the Grafana that the cluster has."""
    collector: str = ""
    """`asya:collector`: base URL of what keeps traces, such as a Tempo, by OTLP over HTTP; installs a collector that all
    processes send their spans to, and that sends them there. Empty records no traces. Not with cluster `none`."""
    collector_headers: pulumi.Output[str] | None = None
    """`asya:collectorHeaders`: sent with each request there, as a JSON object such as `{"Authorization": "Basic ..."}`; a
    secret, which no pod but the collector's holds."""
    trace_percent: int = 10
    """`asya:tracePercent`: how many of a hundred traces are recorded, of those that begin in the mesh."""
    trace_url: str = ""
    """`asya:traceUrl`: where a person sees a trace, with `{trace_id}` in it; shown by `asya why`, the console and the
    objects of error-end."""
    manifests: tuple[str, ...] = ()
    """`asya:manifests`: AsyncActor files or folders that the stack declares, relative to `Pulumi.yaml`."""
    wait_s: int = 300
    """`asya:waitSeconds`: how long an actor may take to run or nap; 0 does not wait."""
    home: str = ".asya"
    """`asya:home`: folder of the local mesh."""
    queue_prefix: str = names.QUEUE_PREFIX
    """`asya:queuePrefix`: begins the name of every queue, so that two environments can share an account."""
    third_party: Mapping[str, str] = field(default_factory=dict)
    """`asya:images`: other images than the pinned ones, e.g. from a mirror, for `rabbitmq`, `postgres`, `seaweedfs`,
    `prometheus`, `grafana`, `postgres-exporter`, `opentelemetry-collector`, `device-plugin`, and KEDA's `keda`,
    `keda-metrics-apiserver`, `keda-admission-webhooks`."""
    registry_auth: pulumi.Output[str] | None = None
    """`asya:registryAuth`: content of a Docker `config.json` that pods pull images with; a secret."""
    adopt: bool = False
    """`asya:adopt`: take over namespaces, definitions, Deployments and actors that are in the cluster already, which this
    stack then changes and at its end deletes; else they are refused."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """`asya:tags`: AWS tags, besides those that name the project and the stack."""


def read_settings(read: ConfigReader, stack: str) -> Settings:
    """Read a stack's settings.

    Args:
        read: Its configuration.
        stack: Its name.

    Raises:
        ConfigError: A value cannot be used, or one is missing; names the key and the cure.
    """
    environment = read.choice("environment", get_args(Environment), stack if stack in PRESETS else "oss")
    cluster, queue, store, database = PRESETS[environment]
    images = _images(read)
    settings = Settings(
        environment=environment,
        cluster=read.choice("cluster", get_args(ClusterKind), cluster),
        queue=read.choice("queue", get_args(QueueKind), queue),
        store=read.choice("store", get_args(StoreKind), store),
        # Nobody but the gateway asks it anything: without one it would only cost.
        database=read.choice("database", get_args(DatabaseKind), database if images.gateway else "none"),
        kubeconfig=read.text("kubeconfig"),
        context=read.text("context"),
        namespace=_label(read, "namespace", "asya"),
        system_namespace=_label(read, "systemNamespace", "asya-system"),
        images=images,
        registry=read.text("registry"),
        region=_region(read),
        sqs_endpoint=_url(read, "sqsEndpoint"),
        s3_endpoint=_url(read, "s3Endpoint"),
        rabbitmq_url=read.text("rabbitmqUrl"),
        rabbitmq_management_url=_url(read, "rabbitmqManagementUrl"),
        bucket=_label(read, "bucket", "asya-results"),
        access_key=read.get_secret("accessKey"),
        secret_key=read.get_secret("secretKey"),
        password=read.get_secret("password"),
        database_url=read.get_secret("databaseUrl"),
        database_ca=_authority(read),
        gateway_tokens=read.get_secret("gatewayTokens"),
        report_token=read.get_secret("reportToken"),
        gateway_host=_host(read),
        ingress_class=_label_or_empty(read, "ingressClass"),
        gateway_tls_secret=_label_or_empty(read, "gatewayTlsSecret"),
        keda=read.text("keda", "installed"),
        keda_sha256=read.text("kedaSha256"),
        monitoring=_MONITORING[read.choice("monitoring", tuple(_MONITORING), "false")],
        collector=_url(read, "collector"),
        collector_headers=_headers(read),
        trace_percent=read.whole("tracePercent", 10, 0, 100),
        trace_url=_url(read, "traceUrl"),
        manifests=read.texts("manifests"),
        wait_s=read.whole("waitSeconds", 300, 0, 3600),
        home=read.text("home", ".asya"),
        queue_prefix=_prefix(read),
        third_party=_third_party(read),
        registry_auth=read.get_secret("registryAuth"),
        adopt=read.flag("adopt", False),
        tags=read.mapping("tags"),
    )
    _check_together(read, settings)
    return settings


def _authority(read: ConfigReader) -> str:
    """The certificates themselves."""
    path = read.text("databaseCa")
    if not path:
        return ""
    try:
        found = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise read.refuse("databaseCa", f"{path!r} cannot be read: {exc}", "rds-ca.pem") from None
    if "-----BEGIN CERTIFICATE-----" not in found:
        raise read.refuse("databaseCa", f"{path!r} holds no certificate in PEM", "rds-ca.pem")
    return found


def _third_party(read: ConfigReader) -> dict[str, str]:
    found = read.mapping("images")
    for name in found:
        if name not in THIRD_PARTY:
            raise read.refuse("images", f"{name!r} is none of {', '.join(THIRD_PARTY)}")
    return found


def _images(read: ConfigReader) -> Images:
    registry = read.text("registry")
    start = f"{registry.rstrip('/')}/" if registry else ""
    return Images(
        operator=read.text("operatorImage", start + Images.operator),
        sidecar=read.text("sidecarImage", start + Images.sidecar),
        crew=read.text("crewImage", start + Images.crew),
        gateway=read.text("gatewayImage"),
        pull_policy=read.choice("imagePullPolicy", ("IfNotPresent", "Always", "Never"), "IfNotPresent"),
    )


def _headers(read: ConfigReader) -> pulumi.Output[str] | None:
    text = read.plain("collectorHeaders")
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise read.refuse(
            "collectorHeaders", "is no JSON object of texts", '--secret \'{"Authorization": "Basic ..."}\''
        )
    return read.get_secret("collectorHeaders")


def _label(read: ConfigReader, key: str, default: str) -> str:
    value = read.text(key, default)
    if not _LABEL.fullmatch(value):
        raise read.refuse(key, f"{value!r} must be lower case letters, digits and '-', at most 63", default)
    return value


def _label_or_empty(read: ConfigReader, key: str) -> str:
    return _label(read, key, "x") if read.text(key) else ""


def _host(read: ConfigReader) -> str:
    value = read.text("gatewayHost")
    if value and not _HOST.fullmatch(value):
        raise read.refuse("gatewayHost", f"{value!r} is no name in DNS", "asya.example.com")
    return value


def _prefix(read: ConfigReader) -> str:
    value = read.text("queuePrefix", names.QUEUE_PREFIX)
    if not names.QUEUE_PREFIX_PATTERN.fullmatch(value):
        raise read.refuse("queuePrefix", f"{value!r} is not 1 to 13 letters, digits, '-' or '_'", "asya-dev-")
    return value


def _region(read: ConfigReader) -> str:
    value = read.text("region")
    if value and not _REGION.fullmatch(value):
        raise read.refuse("region", f"{value!r} is no AWS region", "eu-central-1")
    return value


def _url(read: ConfigReader, key: str) -> str:
    value = read.text(key)
    if value and not _URL.match(value):
        raise read.refuse(key, f"{value!r} must start with http:// or https://", "http://host:4566")
    return value.rstrip("/")


def _check_together(read: ConfigReader, s: Settings) -> None:
    on_aws = [
        word
        for word, kind in (("cluster", "eks"), ("queue", "sqs"), ("store", "s3"), ("database", "rds"))
        if getattr(s, word) == kind
    ]
    if s.cluster == "none":
        if s.queue.startswith("rabbitmq"):
            raise read.refuse("queue", "'rabbitmq' wants a cluster, and cluster is none", "sqs")
        if s.collector:
            raise read.refuse(
                "collector", "wants a cluster, and cluster is none: set OTEL_EXPORTER_OTLP_ENDPOINT there"
            )
        on_aws = []
    elif s.queue == "memory":
        raise read.refuse("queue", "'memory' is for cluster none: it lives in one machine's processes", "rabbitmq")
    if on_aws and not s.region:
        raise read.refuse("region", f"is not set, and {' and '.join(on_aws)} of AWS need one", "eu-central-1")
    passwords = {"rabbitmq": s.queue.startswith("rabbitmq"), "postgres": s.database == "postgres"}
    need_one = [word for word, used in passwords.items() if used and s.cluster != "none"]
    token, pair = "--secret $(openssl rand -hex 24)", "access key and secret key belong together"
    missing = (
        (s.queue == "sqs-endpoint" and not s.sqs_endpoint, "sqsEndpoint", "queue sqs-endpoint needs it", "http://host:4566"),
        (s.queue == "rabbitmq-endpoint" and not s.rabbitmq_url, "rabbitmqUrl", "queue rabbitmq-endpoint needs it", "amqp://user@host:5672/"),
        (s.store == "s3-endpoint" and not s.s3_endpoint, "s3Endpoint", "store s3-endpoint needs it", "http://host:4566"),
        (s.database == "url" and s.database_url is None, "databaseUrl", "database url needs it", "--secret postgresql://..."),
        (s.images.gateway and s.gateway_tokens is None, "gatewayTokens", "a gateway needs to know who may call", token),
        (s.access_key is None and s.secret_key is not None, "accessKey", pair, "--secret ..."),
        (s.access_key is not None and s.secret_key is None, "secretKey", pair, "--secret ..."),
        (need_one and s.password is None, "password", f"{' and '.join(need_one)} need one", token),
        (s.store == "seaweedfs" and s.access_key is None, "accessKey", "seaweedfs needs a key pair", "--secret asya"),
    )  # fmt: skip
    for lacks, key, why, example in missing:
        if lacks:
            raise read.refuse(key, f"is not set; {why}: {read.cure(key, example)}")
    _check_way_in(read, s)


def _check_way_in(read: ConfigReader, s: Settings) -> None:
    """A way to the gateway is by HTTPS, and somebody has to make it."""
    if not s.gateway_host:
        for key, given in (("ingressClass", s.ingress_class), ("gatewayTlsSecret", s.gateway_tls_secret)):
            if given:
                raise read.refuse(
                    "gatewayHost", f"is not set, and asya:{key} is for a gateway that has one", "asya.example.com"
                )
        return
    if s.cluster == "none" or not s.images.gateway:
        why = "there is no cluster" if s.cluster == "none" else "there is no gateway: asya:gatewayImage is not set"
        raise read.refuse("gatewayHost", f"leads nowhere, for {why}")
    if s.cluster != "eks" and not s.ingress_class:
        raise read.refuse(
            "ingressClass", f"is not set, and nothing else leads {s.gateway_host} to the gateway", "nginx"
        )
    if s.ingress_class and not s.gateway_tls_secret:
        why = f"is not set, and {s.gateway_host} is reached by HTTPS alone: kubectl -n {s.system_namespace} create secret tls"
        raise read.refuse("gatewayTlsSecret", why, "asya-gateway-tls")
