"""The key, the bucket and the database of a mesh."""

from collections.abc import Sequence
from typing import Any

import pulumi

from asya_aws import naming, policies
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_infra.errors import ConfigError

POSTGRES_VERSION = "17"
DATABASE = "asya"
DATABASE_USER = "asya"
BACKUP_DAYS = 7
CLAIM = "alias/asya-queues-"
"""An alias is there once in an account and region, so two meshes cannot take each other's envelopes."""
OLD_VERSION_DAYS = 30
RESULTS = ("happy-asya/", "error-asya/")
"""Prefixes of what is kept as results."""
PASSING = ("claims/", "fan-in/", "cancelled/")
"""Prefixes of what only envelopes on their way need."""


class MeshKey(pulumi.ComponentResource):
    """One KMS key for the mesh's queues, bucket and database.

    Args:
        name: Of it and its alias.
        scope: The account.
        protect: Whether it may be deleted.
        volumes: Whether it encrypts volumes as well.
        queue_prefix: Claimed by a second alias, where the mesh's queues are of this account; empty claims none.
        existing: ARN of one that exists, which is then neither made nor changed.
        opts: With the provider.
    """

    arn: pulumi.Output[str]
    claim: tuple[pulumi.Resource, ...]
    """What fails where another mesh of the account and region has the prefix: let whatever costs wait for it."""

    def __init__(
        self,
        name: str,
        scope: pulumi.Output[Scope],
        *,
        protect: bool,
        volumes: bool = False,
        queue_prefix: str = "",
        existing: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:MeshKey", name, {}, opts)
        from pulumi_aws import kms

        child = pulumi.ResourceOptions(parent=self)
        if existing:
            self.arn = key_id = scope.apply(lambda known: same_account(existing, known.account))
        else:
            key = kms.Key(
                name,
                description="Queues, results and database of an Asya mesh",
                enable_key_rotation=True,
                deletion_window_in_days=30,
                policy=scope.apply(lambda known: policies.key_policy(known, volumes=volumes)).apply(policies.dump),
                opts=pulumi.ResourceOptions(parent=self, protect=protect),
            )
            kms.Alias(name, name=f"alias/{name}", target_key_id=key.key_id, opts=child)
            self.arn, key_id = key.arn, key.key_id
        claimed = f"{CLAIM}{queue_prefix.rstrip('-')}"
        self.claim = (
            (kms.Alias(f"{name}-prefix", name=claimed, target_key_id=key_id, opts=child),) if queue_prefix else ()
        )
        self.register_outputs({"arn": self.arn})


def same_account(key: str, account: str) -> str:
    """The ARN of a key, if it is of the account: no alias leads to another's. Pure.

    Raises:
        ConfigError: It is not.
    """
    owner = key.split(":")[4]
    if owner != account:
        raise ConfigError(
            "asya:existingKey", f"is of account {owner}, and this stack of {account}, where an alias claims it"
        )
    return key


class ResultStore(pulumi.ComponentResource):
    """The bucket of results and large payloads: encrypted, by TLS only, never public, and emptied by age.

    Args:
        name: Of the resources.
        bucket: Begins the bucket's name; seven characters are added.
        key_arn: Encrypts what lies in it.
        settings: For how long things are kept.
        opts: With the provider.
    """

    bucket: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...] = ()

    def __init__(
        self,
        name: str,
        *,
        bucket: str,
        key_arn: pulumi.Output[str],
        settings: AwsSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:ResultStore", name, {}, opts)
        from pulumi_aws import s3

        if settings.existing_bucket:
            self.bucket = pulumi.Output.from_input(settings.existing_bucket)
            self.register_outputs({"bucket": self.bucket})
            return
        child = pulumi.ResourceOptions(parent=self)
        made = s3.Bucket(
            naming.shortened(bucket, naming.BUCKET),
            # S3 deletes no bucket that holds anything, and one that was used holds every result.
            force_destroy=not settings.protect,
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protect),
        )
        closed = s3.BucketPublicAccessBlock(
            name,
            bucket=made.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        owned = s3.BucketOwnershipControls(
            name, bucket=made.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=child
        )
        encrypted = s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=made.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=child,
        )
        if settings.bucket_versioning:
            s3.BucketVersioning(name, bucket=made.bucket, versioning_configuration={"status": "Enabled"}, opts=child)
        s3.BucketLifecycleConfiguration(name, bucket=made.bucket, rules=_lifecycle(settings), opts=child)
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[closed]))
        text = made.arn.apply(policies.tls_only_bucket).apply(policies.dump)
        tls = s3.BucketPolicy(name, bucket=made.bucket, policy=text, opts=after)
        self.bucket, self.ready = made.bucket, (encrypted, owned, tls)
        self.register_outputs({"bucket": self.bucket})


def _lifecycle(settings: AwsSettings) -> list[dict[str, Any]]:
    ages = {
        **dict.fromkeys(RESULTS, settings.result_days),
        **dict.fromkeys(PASSING, settings.claim_days),
    }
    expiring = [
        {"id": prefix.rstrip("/"), "status": "Enabled", "filter": {"prefix": prefix}, "expiration": {"days": days}}
        for prefix, days in ages.items()
    ]
    abandoned: dict[str, Any] = {
        "id": "unfinished-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
    }
    old: dict[str, Any] = {
        "id": "old-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSION_DAYS},
    }
    return [*expiring, abandoned, *([old] if settings.bucket_versioning else [])]


class GatewayDatabase(pulumi.ComponentResource):
    """Postgres for the gateway: encrypted, by TLS only, reached from the cluster alone. Its password lies in Secrets Manager.

    Args:
        name: Of the resources.
        vpc_id: Where.
        subnet_ids: In two zones at least.
        clients: Security groups that may connect.
        key_arn: Encrypts storage and secret.
        password: Of the user ``asya``; a secret.
        verified: Whether who connects knows the certificate's authority, and checks it.
        settings: Size and protection.
        opts: With the provider.
    """

    url: pulumi.Output[str]
    """A secret."""
    secret_arn: pulumi.Output[str]
    """Where the same URL is kept, for whoever needs it outside of the cluster."""
    identifier: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        clients: Sequence[pulumi.Input[str]],
        key_arn: pulumi.Output[str],
        password: pulumi.Output[str],
        verified: bool,
        settings: AwsSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:GatewayDatabase", name, {}, opts)
        from pulumi_aws import ec2, rds, secretsmanager, vpc

        child = pulumi.ResourceOptions(parent=self)
        secret_password: pulumi.Output[str] = pulumi.Output.secret(password)
        group = ec2.SecurityGroup(name, vpc_id=vpc_id, description="Who may reach the gateway's database", opts=child)
        for place, client in enumerate(clients):
            vpc.SecurityGroupIngressRule(
                f"{name}-{place}",
                security_group_id=group.id,
                referenced_security_group_id=client,
                ip_protocol="tcp",
                from_port=5432,
                to_port=5432,
                opts=child,
            )
        subnets = rds.SubnetGroup(name, subnet_ids=list(subnet_ids), opts=child)
        parameters = rds.ParameterGroup(
            name,
            family=f"postgres{POSTGRES_VERSION}",
            parameters=[{"name": "rds.force_ssl", "value": "1"}],
            opts=child,
        )
        restored = {"snapshot_identifier": settings.database_snapshot} if settings.database_snapshot else {}
        instance = rds.Instance(
            naming.shortened(name, naming.IDENTIFIER),
            engine="postgres",
            engine_version=POSTGRES_VERSION,
            instance_class=settings.database_class,
            allocated_storage=settings.database_gib,
            max_allocated_storage=settings.database_max_gib or None,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=DATABASE,
            username=DATABASE_USER,
            password=secret_password,
            db_subnet_group_name=subnets.name,
            parameter_group_name=parameters.name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=settings.database_multi_az,
            backup_retention_period=BACKUP_DAYS,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            deletion_protection=settings.protect,
            skip_final_snapshot=not settings.protect,
            final_snapshot_identifier=f"{name}-final" if settings.protect else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=settings.protect,
                # What is restored keeps the key of its snapshot, which may be an earlier stack's.
                ignore_changes=["kmsKeyId"] if restored else None,
            ),
            **restored,
        )
        url: pulumi.Output[str] = pulumi.Output.all(instance.address, secret_password).apply(
            lambda known: database_url(known[0], known[1], verified=verified)
        )
        self.url = pulumi.Output.secret(url)
        kept = secretsmanager.Secret(name, kms_key_id=key_arn, description="URL of the gateway's database", opts=child)
        secretsmanager.SecretVersion(name, secret_id=kept.id, secret_string=self.url, opts=child)
        self.secret_arn, self.identifier = kept.arn, instance.identifier
        self.register_outputs({"url": self.url, "secretArn": self.secret_arn})


def database_url(host: str, password: str, *, verified: bool) -> str:
    """The URL that the gateway takes; RDS speaks TLS only, by certificates of an authority that no image knows. Pure."""
    from urllib.parse import quote

    mode = "verify-full" if verified else "require"
    return f"postgresql://{DATABASE_USER}:{quote(password, safe='')}@{host}:5432/{DATABASE}?sslmode={mode}"
