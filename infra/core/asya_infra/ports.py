"""The four ports between the parts of an environment: cluster, queue, store and database. Outputs only.

Whoever makes a cluster, a queue, a store or a database (``asya_aws``, ``asya_oss``, or a user's own program) fills one of
these; ``AsyaMesh`` reads them and knows no cloud. What decides how many resources there are is a plain value, everything
else may be an output that is not known before the update.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pulumi

from asya_infra.ownership import Ownership

Secrets = Mapping[str, Mapping[str, pulumi.Input[str]]]
"""Kubernetes Secrets by name, each from key to value; every value is treated as a secret."""
TransportName = Literal["sqs", "rabbitmq"]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Kubernetes.

    Attributes:
        provider: Reaches it; every object of the mesh goes through this one.
        kubeconfig: The same way for whoever waits for an actor; its content, not a path. A secret.
        context: Which context of the kubeconfig; ``None`` takes its current one.
        ready: What must exist before workloads start: node groups, add-ons, pod identities.
        adopt: Whether objects that are there already become the stack's; else they are refused.
    """

    provider: pulumi.ProviderResource
    kubeconfig: pulumi.Output[str]
    context: str | None = None
    ready: tuple[pulumi.Resource, ...] = ()
    adopt: bool = False

    @cached_property
    def ownership(self) -> Ownership:
        """Whose its objects are."""
        return Ownership(self.kubeconfig, self.context, adopt=self.adopt)


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """How the gateway is reached from outside of the cluster.

    Attributes:
        host: Its name in DNS.
        class_name: Of the controller that makes the way.
        tls_secret: Secret with the certificate, beside the gateway; empty where the controller has one.
        annotations: Of the Ingress, for its controller.
    """

    host: str
    class_name: str
    tls_secret: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A broker.

    Attributes:
        transport: What actors write as ``spec.transport``.
        config: ``config`` of the transport in the operator's ``ASYA_TRANSPORT_CONFIG``.
        url: Where the queues live; an actor's queue is ``<url>/<queue>`` for SQS. No credentials in it.
        secrets: Credentials that ``config`` refers to, put beside the operator and beside the actors.
        operator_secrets: Credentials that ``config`` refers to for the operator alone, put beside it.
        ready: What must exist before the operator starts.
        gateway_env: What the gateway needs to reach it (``ASYA_*``); secret values are marked as such.
        metrics: Namespace in the cluster whose pods tell of it on a port named ``metrics``; empty is none.
    """

    transport: TransportName
    config: Mapping[str, pulumi.Input[Any]]
    url: pulumi.Output[str]
    secrets: Secrets = field(default_factory=dict)
    operator_secrets: Secrets = field(default_factory=dict)
    ready: tuple[pulumi.Resource, ...] = ()
    gateway_env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    metrics: str = ""

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where one queue is: a URL for SQS, the broker's address and the queue's name for RabbitMQ."""
        return self.url.apply(lambda url: f"{url.rstrip('/')}/{queue}")


@dataclass(frozen=True, kw_only=True)
class Store:
    """An object store that speaks S3.

    Attributes:
        bucket: Where results, errors and large payloads go.
        region: Of the bucket.
        endpoint: Of another maker's S3; empty is AWS.
        owner: AWS account of the bucket; empty asks nobody for it.
        access_key: With ``secret_key``; ``None`` where pods get a role from the cloud.
        secret_key: A secret.
        ready: What must exist before the crew starts.
        metrics: As for a queue.
    """

    bucket: pulumi.Input[str]
    region: pulumi.Input[str] = "us-east-1"
    endpoint: pulumi.Input[str] = ""
    owner: pulumi.Input[str] = ""
    access_key: pulumi.Output[str] | None = None
    secret_key: pulumi.Output[str] | None = None
    ready: tuple[pulumi.Resource, ...] = ()
    metrics: str = ""


@dataclass(frozen=True, kw_only=True)
class Database:
    """A Postgres for the gateway and for fan-in.

    Attributes:
        url: ``postgresql://user:password@host:port/database``. A secret.
        authority: Certificates of whom its own must come from, as PEM; empty leaves that to the URL.
        ready: What must exist before the gateway starts.
        metrics: As for a queue.
    """

    url: pulumi.Output[str]
    authority: str = ""
    ready: tuple[pulumi.Resource, ...] = ()
    metrics: str = ""
