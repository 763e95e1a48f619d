"""What a stack says about its part of AWS.

Docstrings of the fields are the keys; ``docs/environments.md`` is checked against them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from asya_infra.config_reader import ConfigReader

Nat = Literal["none", "single", "per-zone"]
Scheme = Literal["internal", "internet-facing"]
Autoscaler = Literal["none", "installed"]
Compute = Literal["auto", "node-groups"]
LABEL_GPU: Final = {"accelerator": "nvidia-gpu"}
TAINT_GPU: Final = {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """A managed node group, one of ``asya:nodeGroups``; keys as here, in camelCase."""

    name: str
    types: tuple[str, ...]
    """Instance types, all of one architecture and one kind of accelerator."""
    min: int = 1
    max: int = 1
    """As many as ``min`` where a stack does not say it."""
    disk_gib: int = 50
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    """Each with ``key``, ``value`` and ``effect``; nodes with GPUs get ``nvidia.com/gpu`` besides."""
    spot: bool = False


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """One stack's part of AWS."""

    account_id: str = ""
    """`asya:accountId`: the only account in which this stack may be; compared with the caller's before anything is made."""
    profile: str = ""
    """`asya:profile`: profile of the AWS configuration; empty takes what the shell has."""
    assume_role: str = ""
    """`asya:assumeRole`: ARN of a role that the stack is made with."""
    permissions_boundary: str = ""
    """`asya:permissionsBoundary`: ARN of a policy that bounds every role that is made."""
    role_path: str = "/"
    """`asya:rolePath`: path of every role that is made, such as `/asya/`."""
    cidr: str = "10.60.0.0/16"
    """`asya:cidr`: addresses of the VPC, a /16."""
    zones: int = 2
    """`asya:zones`: availability zones, 2 or 3; may grow on a living stack."""
    nat: Nat = "single"
    """`asya:nat`: `single`, `per-zone`, or `none`: nodes then reach AWS by interface endpoints and nothing else. Each costs."""
    endpoints: bool = False
    """`asya:endpoints`: interface endpoints of AWS's services also beside a NAT gateway. They cost by the hour and zone."""
    s3_buckets: tuple[str, ...] = ()
    """`asya:s3Buckets`: buckets besides the mesh's that pods may reach by the VPC's way to S3, such as `models-*`."""
    flow_log_days: int = 0
    """`asya:flowLogDays`: keep for so long who talked to whom in the VPC that is made; 0 does not. It costs by the GB."""
    vpc_id: str = ""
    """`asya:vpcId`: a VPC that exists; then no network is made."""
    subnet_ids: tuple[str, ...] = ()
    """`asya:subnetIds`: private subnets in two zones at least; needed with `vpcId`, and with `clusterName` and a database."""
    cluster_name: str = ""
    """`asya:clusterName`: an EKS cluster that exists, with the Pod Identity agent; then none is made."""
    database_clients: tuple[str, ...] = ()
    """`asya:databaseClients`: security groups that may reach the database besides the cluster's, such as that of its nodes."""
    kubernetes_version: str = "1.36"
    """`asya:kubernetesVersion`: of the cluster that is made; nodes and add-ons follow it."""
    compute: Compute = "auto"
    """`asya:compute`: `auto` (EKS Auto Mode makes nodes as pods need them, for a fee) or `node-groups`."""
    gpus: int = 8
    """`asya:gpus`: GPUs that Auto Mode may start at once; 0 makes no pool for them."""
    node_types: tuple[str, ...] = ("t3.large",)
    """`asya:nodeTypes`: with `node-groups`, instance types of the one group, of one architecture. They cost by the hour."""
    nodes_min: int = 2
    """`asya:nodesMin`: its nodes at least, and how many start."""
    nodes_max: int = 2
    """`asya:nodesMax`: its nodes at most, `nodesMin` where it is not set."""
    autoscaler: Autoscaler = "none"
    """`asya:autoscaler`: `installed` where you see to one, which groups need that may grow: nothing else adds nodes to them."""
    node_groups: tuple[NodeGroup, ...] = ()
    """`asya:nodeGroups`: groups in its place: `name`, `types`, `min`, `max`, `diskGib`, `labels`, `taints`, `spot` of each."""
    volume_key: bool = False
    """`asya:volumeKey`: encrypt volumes of nodes and pods with the mesh's key instead of AWS's own."""
    admins: tuple[str, ...] = ()
    """`asya:admins`: ARNs of IAM roles and users that administer the cluster besides whoever makes it."""
    api_cidrs: tuple[str, ...] = ()
    """`asya:apiCidrs`: from which public addresses the cluster's API is reached, such as `["203.0.113.7/32"]`."""
    api_sources: tuple[str, ...] = ()
    """`asya:apiSources`: with `vpcId`, addresses (`10.0.0.0/8`) and security groups (`sg-...`) that reach it privately."""
    gateway_certificate: str = ""
    """`asya:gatewayCertificate`: ARN of ACM's certificate for `asya:gatewayHost`; needed with it on EKS Auto Mode."""
    gateway_scheme: Scheme = "internal"
    """`asya:gatewayScheme`: `internal` (from the VPC and what leads into it) or `internet-facing`. A load balancer costs."""
    gateway_cidrs: tuple[str, ...] = ()
    """`asya:gatewayCidrs`: who reaches it, e.g. `["203.0.113.0/24"]`; needed with `internet-facing`; empty: the whole VPC."""
    database_class: str = "db.t4g.micro"
    """`asya:databaseClass`: instance class of the database. It costs by the hour."""
    database_gib: int = 20
    """`asya:databaseGib`: its storage."""
    database_max_gib: int = 0
    """`asya:databaseMaxGib`: up to which RDS lets it grow; 0 leaves it."""
    database_snapshot: str = ""
    """`asya:databaseSnapshot`: name or ARN of a snapshot that the database is made of; another one makes another database."""
    database_multi_az: bool = False
    """`asya:databaseMultiAz`: keep a second one in another zone, at twice the price."""
    existing_key: str = ""
    """`asya:existingKey`: ARN of a KMS key of this account and region; then none is made, and its own policy decides."""
    existing_bucket: str = ""
    """`asya:existingBucket`: a bucket of this account; then none is made, and its age rules and encryption are its own."""
    protect: bool = True
    """`asya:protect`: refuse to delete cluster, subnets, database, bucket and key; false also empties the bucket when it goes
    and ends the cluster's own logs."""
    bucket_versioning: bool = False
    """`asya:bucketVersioning`: keep what is overwritten or deleted in the bucket, for 30 days."""
    result_days: int = 90
    """`asya:resultDays`: results and errors are kept for so long."""
    claim_days: int = 14
    """`asya:claimDays`: large payloads that nobody cleared away go after so long; a queue may keep their envelope for 14."""
    log_days: int = 14
    """`asya:logDays`: logs of the cluster and of pods."""
    pod_logs: bool = False
    """`asya:podLogs`: keep what pods log in CloudWatch, by its add-on. It costs by the GB."""
    monthly_budget: int = 0
    """`asya:monthlyBudget`: USD a month for this stack; `asya:alarmEmail` is told at 80 % and 100 %. 0 makes none."""
    alarm_email: str = ""
    """`asya:alarmEmail`: who is told of the budget and of a database that fills up."""

    @property
    def role_args(self) -> dict[str, str]:
        """What every role has besides its trust."""
        found = {"path": self.role_path, "permissions_boundary": self.permissions_boundary}
        return {key: value for key, value in found.items() if value not in ("", "/")}

    @property
    def groups(self) -> tuple[NodeGroup, ...]:
        """The managed node groups; none with Auto Mode."""
        one = NodeGroup(name="nodes", types=self.node_types, min=self.nodes_min, max=self.nodes_max)
        return () if self.compute == "auto" else self.node_groups or (one,)


def read_unchecked(read: ConfigReader) -> AwsSettings:
    """Read them one by one; ``asya_aws.checks`` judges them.

    Raises:
        ConfigError: A value is of the wrong kind, or one is missing.
    """
    return AwsSettings(
        account_id=read.text("accountId"),
        profile=read.text("profile"),
        assume_role=read.text("assumeRole"),
        permissions_boundary=read.text("permissionsBoundary"),
        role_path=read.text("rolePath", "/"),
        cidr=read.text("cidr", AwsSettings.cidr),
        zones=read.whole("zones", 2, 2, 3),
        nat=read.choice("nat", ("none", "single", "per-zone"), "single"),
        endpoints=read.flag("endpoints", False),
        s3_buckets=read.texts("s3Buckets"),
        flow_log_days=read.whole("flowLogDays", 0, 0, 3653),
        vpc_id=read.text("vpcId"),
        subnet_ids=read.texts("subnetIds"),
        cluster_name=read.text("clusterName"),
        database_clients=read.texts("databaseClients"),
        kubernetes_version=read.text("kubernetesVersion", AwsSettings.kubernetes_version),
        compute=read.choice("compute", ("auto", "node-groups"), "auto"),
        gpus=read.whole("gpus", 8, 0, 10_000),
        node_types=read.texts("nodeTypes", AwsSettings.node_types),
        nodes_min=read.whole("nodesMin", 2, 1, 450),
        nodes_max=read.whole("nodesMax", read.whole("nodesMin", 2, 1, 450), 1, 450),
        autoscaler=read.choice("autoscaler", ("none", "installed"), "none"),
        node_groups=_groups(read),
        volume_key=read.flag("volumeKey", False),
        admins=read.texts("admins"),
        api_cidrs=read.texts("apiCidrs"),
        api_sources=read.texts("apiSources"),
        gateway_certificate=read.text("gatewayCertificate"),
        gateway_scheme=read.choice("gatewayScheme", ("internal", "internet-facing"), "internal"),
        gateway_cidrs=read.texts("gatewayCidrs"),
        database_class=read.text("databaseClass", AwsSettings.database_class),
        database_gib=read.whole("databaseGib", 20, 20, 65_536),
        database_max_gib=read.whole("databaseMaxGib", 0, 0, 65_536),
        database_snapshot=read.text("databaseSnapshot"),
        database_multi_az=read.flag("databaseMultiAz", False),
        existing_key=read.text("existingKey"),
        existing_bucket=read.text("existingBucket"),
        protect=read.flag("protect", True),
        bucket_versioning=read.flag("bucketVersioning", False),
        result_days=read.whole("resultDays", 90, 1, 3650),
        claim_days=read.whole("claimDays", 14, 14, 3650),
        log_days=read.whole("logDays", 14, 1, 3653),
        pod_logs=read.flag("podLogs", False),
        monthly_budget=read.whole("monthlyBudget", 0, 0, 10_000_000),
        alarm_email=read.text("alarmEmail"),
    )


_GROUP_KEYS: Final[Mapping[str, tuple[str, type | tuple[type, ...]]]] = {
    "name": ("name", str),
    "types": ("types", list),
    "min": ("min", int),
    "max": ("max", int),
    "diskGib": ("disk_gib", int),
    "labels": ("labels", dict),
    "taints": ("taints", list),
    "spot": ("spot", bool),
}


def _groups(read: ConfigReader) -> tuple[NodeGroup, ...]:
    listed = read.structure("nodeGroups", [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise read.refuse("nodeGroups", 'must be a list of groups, e.g. [{"name": "gpu", "types": ["g6.xlarge"]}]')
    return tuple(_group(read, each) for each in listed)


def _group(read: ConfigReader, given: Mapping[str, Any]) -> NodeGroup:
    for key, value in given.items():
        wanted = _GROUP_KEYS.get(key)
        if wanted is None:
            raise read.refuse("nodeGroups", f"{key!r} is none of {', '.join(_GROUP_KEYS)}")
        if not isinstance(value, wanted[1]) or (wanted[1] is int and isinstance(value, bool)):
            raise read.refuse("nodeGroups", f"{key} of {json.dumps(given)} cannot be {value!r}")
    if not given.get("name") or not given.get("types"):
        raise read.refuse("nodeGroups", f"{json.dumps(given)} needs a name and types")
    values: dict[str, Any] = {_GROUP_KEYS[key][0]: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    return NodeGroup(**{"max": values.get("min", NodeGroup.min), **values})
