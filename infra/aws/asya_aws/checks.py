"""AWS's rules about settings, each with the line that mends it, so that nothing is made of what cannot be.

``docs/environments.md`` lists them with their sources.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from asya_aws.instances import accelerator, image_type
from asya_aws.settings import AwsSettings, read_unchecked
from asya_infra.config_reader import ConfigReader
from asya_infra.settings import Settings
from asya_infra.upstream import is_url

Problem = tuple[str, str, object]
"""Key, what is wrong, and an example that would do (empty: the text says it)."""
_PRINCIPAL: Final = re.compile(r"arn:aws[\w-]*:iam::\d{12}:(role|user)/.+")
_ROLE: Final = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")
_POLICY: Final = re.compile(r"arn:aws[\w-]*:iam::(\d{12}|aws):policy/.+")
_CERTIFICATE: Final = re.compile(r"arn:aws[\w-]*:acm:([\w-]+):(\d{12}):certificate/[\w-]+")
_KEY: Final = re.compile(r"arn:aws[\w-]*:kms:([\w-]+):\d{12}:key/[\w-]+")
_SNAPSHOT: Final = re.compile(r"(arn:aws[\w-]*:rds:[\w-]+:\d{12}:snapshot:)?(rds:)?[A-Za-z](-?[A-Za-z0-9])*")
_BUCKET: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{1,61})[a-z0-9]")
_PATH: Final = re.compile(r"/([\w+=,.@-]+/)*")
_STACK: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_]+-")
_DATABASE_PASSWORD: Final = re.compile(r"[!#-.0-?A-~]{8,128}")
"""Printable ASCII without a quotation mark, slash, at sign or space."""
STACK_MOST: Final = 40
_PRIVATE: Final = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
_CIDR: Final = "10.60.0.0/16"


def read_aws_settings(read: ConfigReader) -> AwsSettings:
    """Read the settings of AWS, and refuse what is wrong in itself.

    Raises:
        ConfigError: A value cannot be used, or one is missing.
    """
    own = read_unchecked(read)
    for key, text, example in (*_of_account(own), *_of_network(own), *_of_nodes(own)):
        raise read.refuse(key, text, example)
    return own


def check_together(read: ConfigReader, settings: Settings, own: AwsSettings, stack: str) -> None:
    """Refuse what does not go together with the stack's other settings or its name.

    Raises:
        ConfigError: The first of it.
    """
    for key, text, example in _together(read, settings, own, stack):
        raise read.refuse(key, text, example)


def _of_account(own: AwsSettings) -> Iterator[Problem]:
    if own.account_id and not re.fullmatch(r"\d{12}", own.account_id):
        yield "accountId", f"{own.account_id!r} is not twelve digits", "123456789012"
    for key, arn, pattern in (
        *(("admins", arn, _PRINCIPAL) for arn in own.admins),
        ("assumeRole", own.assume_role, _ROLE),
        ("permissionsBoundary", own.permissions_boundary, _POLICY),
    ):
        if arn and not pattern.fullmatch(arn):
            kind = {_PRINCIPAL: "role or user", _ROLE: "role", _POLICY: "policy"}[pattern]
            yield key, f"{arn!r} is no ARN of a {kind}", ""
    if not _PATH.fullmatch(own.role_path):
        yield "rolePath", f"{own.role_path!r} must begin and end with /", "/asya/"
    if own.monthly_budget and not own.alarm_email:
        yield "alarmEmail", "is not set, and a budget tells somebody", "team@example.com"


def _of_network(own: AwsSettings) -> Iterator[Problem]:
    way_in = [("gatewayCidrs", each) for each in own.gateway_cidrs]
    sources = [("apiSources", each) for each in own.api_sources if not each.startswith("sg-")]
    for key, cidr in [("cidr", own.cidr), *(("apiCidrs", cidr) for cidr in own.api_cidrs), *sources, *way_in]:
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError:
            yield key, f"{cidr!r} is no network like {_CIDR}", _CIDR
            return
        if key == "cidr" and network.prefixlen != 16:
            yield key, f"{cidr!r} is no /16", _CIDR
        if key == "apiCidrs" and any(network.subnet_of(private) for private in _PRIVATE):
            yield key, f"{cidr!r} is private, and apiCidrs are public addresses; use asya:apiSources for it", ""
    if own.vpc_id and len(own.subnet_ids) < 2:
        yield "subnetIds", "must name private subnets in two zones at least, with asya:vpcId", ""
    if own.subnet_ids and not own.vpc_id and not own.cluster_name:
        yield "vpcId", "is not set, but asya:subnetIds is; set both or neither", ""
    if own.flow_log_days and (own.vpc_id or own.cluster_name):
        yield "flowLogDays", "is for a VPC that the stack makes, and asya:vpcId or asya:clusterName names another", 0
    if own.api_sources and not own.vpc_id:
        yield "vpcId", "is not set, but asya:apiSources is, whose networks must reach the VPC", "vpc-..."


def _of_what_exists(settings: Settings, own: AwsSettings) -> Iterator[Problem]:
    key, snapshot, bucket = own.existing_key, own.database_snapshot, own.existing_bucket
    found = _KEY.fullmatch(key)
    if key and found is None:
        yield "existingKey", f"{key!r} is no ARN of a key; an alias does not do, as roles name the key", ""
    elif found is not None and found[1] != settings.region:
        yield "existingKey", f"is of {found[1]}, and queues of {settings.region} take a key of their own region", ""
    if snapshot and settings.database != "rds":
        yield (
            "databaseSnapshot",
            "is of RDS, and this stack has no such database; asya:database is rds with a gateway",
            "",
        )
    elif snapshot and not _SNAPSHOT.fullmatch(snapshot):
        yield "databaseSnapshot", f"{snapshot!r} is neither name nor ARN of a snapshot of an instance", ""
    if bucket and settings.store != "s3":
        yield "existingBucket", f"is of S3, and this stack's results go elsewhere: asya:store is {settings.store}", ""
    elif bucket and not _BUCKET.fullmatch(bucket):
        yield "existingBucket", f"{bucket!r} is no name of a bucket", ""
    for name, given in (
        ("bucketVersioning", own.bucket_versioning),
        ("resultDays", own.result_days != AwsSettings.result_days),
        ("claimDays", own.claim_days != AwsSettings.claim_days),
    ):
        if bucket and given:
            yield name, f"is for a bucket that the stack makes, and asya:existingBucket names {bucket}; take it out", ""


def _of_nodes(own: AwsSettings) -> Iterator[Problem]:
    if own.nodes_min > own.nodes_max:
        yield "nodesMin", f"{own.nodes_min} is more than asya:nodesMax ({own.nodes_max})", own.nodes_max
    seen: set[str] = set()
    for group in own.groups:
        key = "nodeGroups" if own.node_groups else "nodeTypes"
        try:
            image_type(group.types)
        except ValueError as exc:
            yield key, str(exc), ""
        if group.min > group.max:
            yield key, f"min of {group.name} ({group.min}) is more than its max ({group.max})", ""
        if group.max > group.min and own.autoscaler == "none":
            why = f"lets {group.name} grow from {group.min} to {group.max}, which nothing does: actors would wait for nodes"
            cure = "take asya:compute auto, or one size, or see to cluster-autoscaler and set asya:autoscaler installed"
            yield "nodeGroups" if own.node_groups else "nodesMax", f"{why}; {cure}", ""
        if group.name in seen:
            yield key, f"{group.name} is there twice", ""
        if own.node_groups and all(accelerator(group.types[0]) for group in own.groups):
            yield key, "all have accelerators and their taint; the mesh's own pods need a group without", ""
        seen.add(group.name)
    if own.autoscaler != "none" and own.compute == "auto":
        yield "autoscaler", "is for node groups, and Auto Mode makes its own nodes; take it out", "none"
    if own.node_groups and own.compute == "auto":
        yield "compute", "is auto, which makes its own nodes, but asya:nodeGroups is set", "node-groups"


def _together(read: ConfigReader, settings: Settings, own: AwsSettings, stack: str) -> Iterator[Problem]:
    eks, made = settings.cluster == "eks", settings.cluster == "eks" and not own.cluster_name
    if settings.cluster == "none" or not (eks or settings.queue == "sqs" or settings.store == "s3"):
        return
    if not _STACK.fullmatch(stack) or len(stack) > STACK_MOST:
        rule = f"lower case letters, digits and single '-' between them, at most {STACK_MOST}"
        yield "environment", f"cannot be on AWS in a stack named {stack!r}, as names of RDS are {rule}; rename it", ""
    if settings.queue == "sqs" and not _PREFIX.fullmatch(settings.queue_prefix):
        why = "is not one word and a '-': a prefix with parts may lie inside another environment's, whose roles then reach it"
        yield "queuePrefix", f"{settings.queue_prefix!r} {why}", settings.queue_prefix.replace("-", "") + "-"
    if made and not own.api_cidrs and not (own.vpc_id and own.api_sources):
        yield (
            "apiCidrs",
            "is not set, so that nobody could reach the cluster's API: name the addresses of whoever runs this, or set "
            "asya:vpcId and asya:apiSources to a VPC that it reaches",
            "'[\"'$(curl -s https://checkip.amazonaws.com)'/32\"]'",
        )
    if eks:
        for key, image in settings.images.named().items():
            if image and not has_registry(image):
                yield key, f"{image!r} names no registry, and EKS would look for it on Docker Hub", f"REGISTRY/{image}"
    if eks and is_url(settings.keda) and not settings.keda_sha256:
        why = f"is not set, and what {settings.keda} gives gets rights in the whole cluster"
        yield "kedaSha256", why, f"$(python -m asya_infra.fetch {settings.keda} | sed -n 's/^sha256 //p')"
    yield from _way_in(settings, own, made=made)
    yield from _of_what_exists(settings, own)
    if own.cluster_name and settings.database == "rds" and len(own.subnet_ids) < 2:
        yield "subnetIds", "is not set, and RDS needs subnets in two zones of the VPC of asya:clusterName", ""
    if settings.database == "rds" and settings.password is not None:
        password = read.plain("password")
        if password and not _DATABASE_PASSWORD.fullmatch(password):
            yield (
                "password",
                'is not 8 to 128 characters without / " @ and space, as RDS wants it',
                "--secret $(openssl rand -hex 24)",
            )


def _way_in(settings: Settings, own: AwsSettings, *, made: bool) -> Iterator[Problem]:
    """Rules of the gateway's load balancer, which Auto Mode makes."""
    host, certificate = settings.gateway_host, own.gateway_certificate
    for key, given in (
        ("gatewayCertificate", certificate),
        ("gatewayScheme", own.gateway_scheme != "internal"),
        ("gatewayCidrs", own.gateway_cidrs),
    ):
        if given and not host:
            yield "gatewayHost", f"is not set, and asya:{key} is for a gateway that has one", "asya.example.com"
        if given and settings.ingress_class:
            yield (
                key,
                f"is for Auto Mode's load balancer, and asya:ingressClass {settings.ingress_class} makes another; take it out",
                "",
            )
    if not host or settings.ingress_class or settings.cluster != "eks":
        return
    if not made or own.compute != "auto":
        why = "is not set, and without Auto Mode EKS has no ingress controller: install one and name its class"
        yield "ingressClass", why, "alb"
    found = _CERTIFICATE.fullmatch(certificate)
    if found is None:
        what = (
            f"{certificate!r} is no ARN of a certificate"
            if certificate
            else "is not set, and the gateway is reached by HTTPS alone"
        )
        ask = f"aws acm request-certificate --domain-name {host} --validation-method DNS"
        example = f"$({ask} --query CertificateArn --output text)"
        yield "gatewayCertificate", what, example
    elif found[1] != settings.region:
        yield (
            "gatewayCertificate",
            f"is of {found[1]}, and a load balancer takes one of its own region, {settings.region}",
            "",
        )
    if own.gateway_scheme == "internet-facing" and not own.gateway_cidrs:
        why = "is not set: say who reaches the gateway from the internet, everybody being 0.0.0.0/0"
        yield "gatewayCidrs", why, "'[\"203.0.113.0/24\"]'"


def has_registry(image: str) -> bool:
    """Whether an image names its registry: the first part is a host."""
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")
