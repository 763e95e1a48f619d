"""One account's part of an environment: makes only what it is asked for, and each thing once."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import pulumi

from asya_aws import ingress, node_objects, versions
from asya_aws.eks import EksCluster, kubeconfig, output_field
from asya_aws.identity import PodRoles
from asya_aws.network import Network
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_aws.storage import POSTGRES_VERSION, GatewayDatabase, MeshKey, ResultStore
from asya_aws.watching import watch_budget, watch_database
from asya_infra.errors import ConfigError
from asya_infra.kubernetes_object import apply_all
from asya_infra.kubernetes_provider import kubernetes_provider
from asya_infra.ports import Cluster, Database, Ingress, Queue, Secrets, Store
from asya_infra.settings import Settings

QUEUES: Final = {"autoCreate": True, "dlq": {"enabled": True, "maxRetryCount": 5, "retentionDays": 14}}
SQS_SECRET: Final = "sqs-secret"  # noqa: S105 - a name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """An EKS cluster, and where in the account it lives."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: tuple[pulumi.Input[str], ...]
    """For a database."""
    ready: tuple[pulumi.Resource, ...] = ()
    way_in: Sequence[pulumi.Resource] = ()
    """To its API, where that is private."""
    objects: Sequence[Mapping[str, Any]] = ()
    """Of Kubernetes, which pods and volumes need."""


class Aws:
    """What a stack has on AWS.

    Args:
        settings: The stack's.
        own: Its part about AWS.
    """

    def __init__(self, settings: Settings, own: AwsSettings) -> None:
        self._settings, self._own = settings, own
        self._name = f"asya-{pulumi.get_stack()}"
        self._place: Place | None = None
        self._tags = {"asya:project": pulumi.get_project(), "asya:stack": pulumi.get_stack(), **settings.tags}
        database = POSTGRES_VERSION if settings.database == "rds" else None
        made = settings.cluster == "eks" and not own.cluster_name
        today = datetime.datetime.now(tz=datetime.UTC).date()
        for line in versions.warnings(own.kubernetes_version if made else "", database, today):
            pulumi.log.warn(line)
        watch_budget(self._name, own, self._tags, lambda: self._opts)

    @property
    def _claim(self) -> tuple[pulumi.Resource, ...]:
        return self._key.claim if self._settings.queue == "sqs" else ()

    @cached_property
    def _provider(self) -> pulumi.ProviderResource:
        import pulumi_aws

        own = self._own
        made: pulumi.ProviderResource = pulumi_aws.Provider(
            "aws",
            region=self._settings.region,
            default_tags={"tags": self._tags},
            **({"profile": own.profile} if own.profile else {}),
            # A dict would reach the plugin with Python's spelling of its keys.
            assume_roles=[pulumi_aws.ProviderAssumeRoleArgs(role_arn=own.assume_role)] if own.assume_role else None,
        )
        return made

    @property
    def _opts(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(providers=[self._provider])

    @cached_property
    def _caller(self) -> pulumi.Output[Any]:
        """Who makes this; said, and compared with the account that is meant, before anything is made."""
        from pulumi_aws import get_caller_identity_output

        def judged(found: Any) -> Any:  # noqa: ANN401 - an invoke's answer
            meant = self._own.account_id
            if meant and meant != found.account_id:
                raise ConfigError(
                    "asya:accountId",
                    f"is {meant}, but these credentials are {found.arn} of {found.account_id}; use others, or: "
                    f"pulumi config set asya:accountId {found.account_id}",
                )
            pulumi.log.info(f"AWS account {found.account_id}, as {found.arn}")
            return found

        found = get_caller_identity_output(opts=pulumi.InvokeOptions(provider=self._provider))
        return pulumi.Output.from_input(found).apply(judged)

    @property
    def _issuer(self) -> pulumi.Output[str]:
        """The caller's role, where it is the session of one."""
        from pulumi_aws import iam

        ask = pulumi.InvokeOptions(provider=self._provider)
        found: pulumi.Output[str] = iam.get_session_context_output(
            arn=self._caller.apply(lambda caller: caller.arn), opts=ask
        ).issuer_arn
        return found

    @cached_property
    def _account(self) -> pulumi.Output[Scope]:
        """The account, before there is a key or a bucket."""
        from pulumi_aws import get_partition_output

        partition = get_partition_output(opts=pulumi.InvokeOptions(provider=self._provider))
        settings = self._settings
        return pulumi.Output.all(self._caller, partition).apply(
            lambda k: Scope(
                region=settings.region,
                account=k[0].account_id,
                partition=k[1].partition,
                dns_suffix=k[1].dns_suffix,
                prefix=settings.queue_prefix,
            )
        )

    @cached_property
    def _key(self) -> MeshKey:
        return MeshKey(
            self._name,
            self._account,
            protect=self._own.protect,
            volumes=self._own.volume_key,
            existing=self._own.existing_key,
            queue_prefix=self._settings.queue_prefix if self._settings.queue == "sqs" else "",
            opts=self._opts,
        )

    @cached_property
    def _results(self) -> ResultStore:
        return ResultStore(
            f"{self._name}-results",
            bucket=self._settings.bucket,
            key_arn=self._key.arn,
            settings=self._own,
            opts=self._opts,
        )

    @cached_property
    def _with_bucket(self) -> pulumi.Output[Scope]:
        """The account with the bucket, where the store is S3: for the network, which may need no key."""
        if self._settings.store != "s3":
            return self._account
        return pulumi.Output.all(self._account, self._results.bucket).apply(
            lambda known: dataclasses.replace(known[0], bucket=known[1])
        )

    @property
    def _scope(self) -> pulumi.Output[Scope]:
        """The mesh's own part of the account, for the roles of its pods."""
        return pulumi.Output.all(self._with_bucket, self._key.arn).apply(
            lambda known: dataclasses.replace(known[0], key_arn=known[1])
        )

    def cluster(self) -> Cluster:
        """EKS: one that is made, or one that exists."""
        place = self._existing() if self._own.cluster_name else self._made()
        self._place = place
        adopt, behind = self._settings.adopt, pulumi.ResourceOptions(depends_on=list(place.way_in))
        provider = kubernetes_provider("cluster", place.kubeconfig, None, place.arn, adopt=adopt, opts=behind)
        opts = pulumi.ResourceOptions(provider=provider, depends_on=list(place.ready))
        objects = [*place.objects, *self._way_in_objects()]
        ready = (*place.ready, *apply_all("eks", objects, opts))
        return Cluster(provider=provider, kubeconfig=place.kubeconfig, ready=ready, adopt=adopt)

    @property
    def _makes_way_in(self) -> bool:
        return (
            bool(self._settings.gateway_host) and not self._settings.ingress_class and self._settings.cluster == "eks"
        )

    def _way_in_objects(self) -> list[dict[str, Any]]:
        if not self._makes_way_in:
            return []
        return ingress.class_objects(self._own, self._settings.system_namespace, self._tags)

    def ingress(self) -> Ingress | None:
        """The way to the gateway by Auto Mode's load balancer; ``None`` where nobody asked, or another controller makes it."""
        return ingress.ingress(self._own, self._settings.gateway_host) if self._makes_way_in else None

    def queue(self) -> Queue:
        """SQS. The operator makes the queues, each with its dead letter queue, encrypted with the mesh's key and by TLS only.

        Raises:
            ConfigError: The cluster is not on EKS and no key pair is given.
        """
        settings = self._settings
        config: dict[str, pulumi.Input[Any]] = {
            "region": settings.region,
            "accountId": self._account.apply(lambda scope: scope.account),
            "dnsSuffix": self._account.apply(lambda scope: scope.dns_suffix),
            "visibilityTimeout": 300,
            "waitTimeSeconds": 20,
            "queues": QUEUES,
            "kmsKeyId": self._key.arn,
            "tlsOnly": True,
            "tags": self._tags,
        }
        secrets: Secrets = {}
        env: dict[str, pulumi.Input[str]] = {"ASYA_AWS_REGION": settings.region}
        if self._place is None:
            access, key = _key_pair(settings)
            secrets = {SQS_SECRET: {"access-key-id": access, "secret-access-key": key}}
            config["credentials"] = {
                "accessKeyIdSecretRef": {"name": SQS_SECRET, "key": "access-key-id"},
                "secretAccessKeySecretRef": {"name": SQS_SECRET, "key": "secret-access-key"},
            }
            env |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": key}
        url = self._account.apply(lambda scope: f"https://{scope.service('sqs')}/{scope.account}")
        return Queue(transport="sqs", config=config, url=url, secrets=secrets, ready=(self._key,), gateway_env=env)

    def store(self) -> Store:
        """S3, with keys of their own where pods are not on EKS."""
        settings, made = self._settings, self._results
        access, key = _key_pair(settings) if self._place is None else (None, None)
        owner = self._account.apply(lambda scope: scope.account)
        return Store(
            bucket=made.bucket,
            region=settings.region,
            owner=owner,
            access_key=access,
            secret_key=key,
            ready=made.ready,
        )

    def database(self) -> Database:
        """RDS, beside the cluster.

        Raises:
            ConfigError: The cluster is not on EKS, or there is no password.
        """
        if self._place is None:
            raise ConfigError(
                "asya:database", "'rds' needs cluster eks, whose network it shares; set asya:database url"
            )
        password = self._settings.password
        if password is None:
            cure = "pulumi config set --secret asya:password $(openssl rand -hex 24)"
            raise ConfigError("asya:password", f"is not set, and rds needs one: {cure}")
        made = GatewayDatabase(
            f"{self._name}-gateway",
            vpc_id=self._place.vpc_id,
            subnet_ids=self._place.subnet_ids,
            clients=[self._place.security_group_id, *self._own.database_clients],
            key_arn=self._key.arn,
            password=password,
            verified=bool(self._settings.database_ca),
            settings=self._own,
            opts=self._opts,
        )
        watch_database(f"{self._name}-gateway", made.identifier, self._own, self._opts)
        return Database(url=made.url, authority=self._settings.database_ca, ready=(made,))

    def identities(self) -> PodRoles | None:
        """Roles for pods, which name the key and the bucket. None where pods are not on EKS."""
        settings = self._settings
        on_aws = settings.queue == "sqs" or settings.store == "s3"
        if self._place is None or not on_aws:
            return None
        return PodRoles(
            self._name,
            cluster_name=self._place.name,
            cluster_arn=self._place.arn,
            scope=self._scope,
            provider=self._provider,
            system_namespace=settings.system_namespace,
            role_args=self._own.role_args,
        )

    def _made(self) -> Place:
        own = self._own
        network = None
        vpc_id: pulumi.Input[str] = own.vpc_id
        private: tuple[pulumi.Input[str], ...] = own.subnet_ids
        closed: tuple[pulumi.Input[str], ...] = own.subnet_ids
        if not own.vpc_id:
            network = Network(self._name, own, self._with_bucket, after=self._claim, opts=self._opts)
            vpc_id = network.vpc_id
            private, closed = tuple(network.private_subnet_ids), tuple(network.database_subnet_ids)
        made = EksCluster(
            self._name,
            subnet_ids=private,
            settings=own,
            scope=self._account,
            network=(*(network.ready if network else ()), *self._claim),
            caller=self._issuer if own.admins else "",
            tags=self._tags,
            key_arn=self._key.arn if own.volume_key else None,
            device_plugin=self._settings.third_party.get("device-plugin", node_objects.DEVICE_PLUGIN_IMAGE),
            opts=self._opts,
        )
        return Place(
            name=made.cluster_name,
            arn=made.arn,
            kubeconfig=made.kubeconfig,
            security_group_id=made.security_group_id,
            vpc_id=vpc_id,
            subnet_ids=closed,
            ready=made.ready,
            way_in=made.way_in,
            objects=made.objects,
        )

    def _existing(self) -> Place:
        from pulumi_aws import eks

        found = eks.get_cluster_output(name=self._own.cluster_name, opts=pulumi.InvokeOptions(provider=self._provider))
        text = pulumi.Output.all(found.endpoint, found.certificate_authorities, found.name).apply(
            lambda k: kubeconfig(
                k[2],
                k[0],
                output_field(k[1][0], "data"),
                self._settings.region,
                role=self._own.assume_role,
                profile=self._own.profile,
            )
        )
        network = found.vpc_config
        return Place(
            name=found.name,
            arn=found.arn,
            kubeconfig=pulumi.Output.secret(text),
            security_group_id=network.apply(lambda n: output_field(n, "cluster_security_group_id")),
            vpc_id=network.apply(lambda n: output_field(n, "vpc_id")),
            subnet_ids=self._own.subnet_ids,
        )


def _key_pair(settings: Settings) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    if settings.access_key is None or settings.secret_key is None:
        cure = "pulumi config set --secret asya:accessKey ... (and asya:secretKey)"
        raise ConfigError("asya:accessKey", f"is not set; outside of EKS pods need a key pair: {cure}")
    return settings.access_key, settings.secret_key
