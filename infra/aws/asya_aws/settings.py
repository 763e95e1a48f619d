"""What a stack may say about AWS, besides what every environment has; nothing else reads it.

Defaults are small: they are what a team needs to try the mesh, and each one that costs says so.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal

from asya_infra.config_reader import ConfigReader

Nat = Literal["none", "single", "per-zone"]
_ARN: Final = re.compile(r"arn:aws[\w-]*:iam::\d{12}:(role|user)/.+")


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """One stack's part of AWS."""

    cidr: str = "10.60.0.0/16"
    """`asya:cidr`: addresses of the VPC, a /16."""
    zones: int = 2
    """`asya:zones`: availability zones, 2 or 3."""
    nat: Nat = "single"
    """`asya:nat`: `single`, `per-zone`, or `none` (then nodes must find images inside the VPC). Each costs."""
    vpc_id: str = ""
    """`asya:vpcId`: a VPC that exists; then no network is made."""
    subnet_ids: tuple[str, ...] = ()
    """`asya:subnetIds`: its private subnets, in two zones at least; needed with `vpcId`."""
    cluster_name: str = ""
    """`asya:clusterName`: an EKS cluster that exists, with the Pod Identity agent; then none is made."""
    kubernetes_version: str = "1.35"
    """`asya:kubernetesVersion`: of the cluster that is made."""
    node_types: tuple[str, ...] = ("t4g.large",)
    """`asya:nodeTypes`: instance types of the node group, all of one architecture. They cost by the hour."""
    nodes_min: int = 2
    """`asya:nodesMin`: nodes at least."""
    nodes_max: int = 4
    """`asya:nodesMax`: nodes at most."""
    admins: tuple[str, ...] = ()
    """`asya:admins`: ARNs of IAM roles and users that administer the cluster besides whoever makes it."""
    api_cidrs: tuple[str, ...] = ()
    """`asya:apiCidrs`: from where the cluster's API is reached; empty is the VPC only."""
    database_class: str = "db.t4g.micro"
    """`asya:databaseClass`: instance class of the database. It costs by the hour."""
    database_gib: int = 20
    """`asya:databaseGib`: its storage."""
    database_multi_az: bool = False
    """`asya:databaseMultiAz`: keep a second one in another zone, at twice the price."""
    protect: bool = True
    """`asya:protect`: refuse to delete the database, the bucket and the key."""
    result_days: int = 90
    """`asya:resultDays`: results and errors are kept for so long."""
    claim_days: int = 14
    """`asya:claimDays`: large payloads that nobody cleared away go after so long; a queue may keep their envelope for 14."""
    log_days: int = 14
    """`asya:logDays`: the cluster's own logs."""


def read_aws_settings(read: ConfigReader) -> AwsSettings:
    """Read them.

    Raises:
        ConfigError: A value cannot be used, or one is missing.
    """
    found = AwsSettings(
        cidr=read.text("cidr", AwsSettings.cidr),
        zones=read.whole("zones", 2, 2, 3),
        nat=read.choice("nat", ("none", "single", "per-zone"), "single"),
        vpc_id=read.text("vpcId"),
        subnet_ids=read.texts("subnetIds"),
        cluster_name=read.text("clusterName"),
        kubernetes_version=read.text("kubernetesVersion", AwsSettings.kubernetes_version),
        node_types=read.texts("nodeTypes", AwsSettings.node_types),
        nodes_min=read.whole("nodesMin", 2, 1, 450),
        nodes_max=read.whole("nodesMax", 4, 1, 450),
        admins=read.texts("admins"),
        api_cidrs=read.texts("apiCidrs"),
        database_class=read.text("databaseClass", AwsSettings.database_class),
        database_gib=read.whole("databaseGib", 20, 20, 65_536),
        database_multi_az=read.flag("databaseMultiAz", False),
        protect=read.flag("protect", True),
        result_days=read.whole("resultDays", 90, 1, 3650),
        claim_days=read.whole("claimDays", 14, 14, 3650),
        log_days=read.whole("logDays", 14, 1, 3653),
    )
    _check(read, found)
    return found


def _check(read: ConfigReader, found: AwsSettings) -> None:
    for key, cidr in [("cidr", found.cidr), *(("apiCidrs", cidr) for cidr in found.api_cidrs)]:
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError:
            raise read.refuse(key, f"{cidr!r} is no network like 10.60.0.0/16", "10.60.0.0/16") from None
        if key == "cidr" and network.prefixlen != 16:
            raise read.refuse(key, f"{cidr!r} is no /16", "10.60.0.0/16")
    if found.nodes_min > found.nodes_max:
        text = f"{found.nodes_min} is more than asya:nodesMax ({found.nodes_max})"
        raise read.refuse("nodesMin", text, found.nodes_max)
    if found.vpc_id and len(found.subnet_ids) < 2:
        raise read.refuse("subnetIds", "must name private subnets in two zones at least, with asya:vpcId")
    if found.subnet_ids and not found.vpc_id:
        raise read.refuse("vpcId", "is not set, but asya:subnetIds is; set both or neither")
    for arn in found.admins:
        if not _ARN.fullmatch(arn):
            raise read.refuse("admins", f"{arn!r} is no ARN of a role or user")
