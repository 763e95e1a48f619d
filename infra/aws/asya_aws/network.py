"""A VPC for one mesh: public subnets for the way out, private ones for nodes, closed ones for the database.

Addresses follow one formula, so that an upgrade never moves a subnet: of the VPC's /16, zone ``i`` has ``x.y.i.0/24`` public,
``x.y.(8+i).0/24`` for the database, and the ``(1+i)``-th /20 for nodes and pods. The rest stays free.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from asya_aws import policies
from asya_aws.flow_logs import keep_flow_logs
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings

TYPE = "asya:aws:Network"
SERVICES: Final = (
    "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "sts", "sqs", "kms", "logs",
)  # fmt: skip
"""What nodes, add-ons and pods call: the first seven a cluster, the others a mesh."""
UNFIT_ZONES: Final = ("use1-az3", "usw1-az2", "cac1-az3")
"""Ids of zones that have no EKS control plane, under whichever name an account knows them.

Source: https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html, "Subnet requirements for clusters".
"""


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """Addresses in one zone."""

    public: str
    private: str
    database: str


def plan(cidr: str, zones: int) -> tuple[ZonePlan, ...]:
    """Cut a /16 into the subnets of so many zones, by the formula above. Pure."""
    network = ipaddress.IPv4Network(cidr)
    small, large = list(network.subnets(new_prefix=24)), list(network.subnets(new_prefix=20))
    return tuple(ZonePlan(str(small[zone]), str(large[1 + zone]), str(small[8 + zone])) for zone in range(zones))


class Network(pulumi.ComponentResource):
    """The VPC and its subnets.

    Args:
        name: Begins every resource's name.
        settings: Addresses, zones, NAT.
        scope: For the policy of the way to S3.
        after: What must be there before anything that costs.
        opts: With the provider.
    """

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]
    """Where nodes live, one per zone."""
    database_subnet_ids: list[pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]
    """Routes: without them a node finds nothing."""

    def __init__(
        self,
        name: str,
        settings: AwsSettings,
        scope: pulumi.Output[Scope],
        *,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        from pulumi_aws import ec2, get_region_output

        self._ec2, self._name, self._child = ec2, name, pulumi.ResourceOptions(parent=self)
        self._stays = settings.protect
        ask = pulumi.InvokeOptions(parent=self)
        zones = _ordinary_zones(ask)
        self._zones = [zones[place] for place in range(settings.zones)]
        self._vpc = ec2.Vpc(
            name,
            cidr_block=settings.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=list(after))),
        )
        # Who forgets to name a security group gets one that lets nothing in or out.
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self._vpc.id, opts=self._child)
        internet = ec2.InternetGateway(name, vpc_id=self._vpc.id, opts=self._child)
        plans = plan(settings.cidr, settings.zones)
        public = self._subnets("public", [zone.public for zone in plans], {"kubernetes.io/role/elb": "1"})
        private = self._subnets("private", [zone.private for zone in plans], {"kubernetes.io/role/internal-elb": "1"})
        database = self._subnets("database", [zone.database for zone in plans], {})
        outside = self._table("public")
        self._join("public", outside, public)
        way_out = [self._route("public", outside, gateway_id=internet.id)]
        tables, routes = self._private(settings, public, private, way_out)
        self._join("database", self._table("database"), database)
        region = get_region_output(opts=ask).region
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self._vpc.id,
            service_name=region.apply(lambda known: f"com.amazonaws.{known}.s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            policy=scope.apply(lambda known: policies.endpoint_policy(known, settings.s3_buckets)).apply(policies.dump),
            opts=self._child,
        )
        if settings.flow_log_days:
            keep_flow_logs(name, self._vpc.id, settings, self._child)
        if settings.nat == "none" or settings.endpoints:
            routes += self._interfaces(settings.cidr, private, ask)
        self.vpc_id = self._vpc.id
        self.private_subnet_ids = [subnet.id for subnet in private]
        self.database_subnet_ids = [subnet.id for subnet in database]
        self.ready = tuple(routes)
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    def _subnets(self, kind: str, cidrs: list[str], tags: dict[str, str]) -> list[Any]:
        # Zones come and go, and a place in their list is then another zone's; a subnet stays where it was made. And it stays,
        # for nodes live in it: fewer zones are refused in the preview, where AWS would refuse half-way.
        kept = pulumi.ResourceOptions(ignore_changes=["availabilityZone"], protect=self._stays)
        stays = pulumi.ResourceOptions.merge(self._child, kept)
        return [
            self._ec2.Subnet(
                f"{self._name}-{kind}-{place}",
                vpc_id=self._vpc.id,
                cidr_block=cidr,
                availability_zone=self._zones[place],
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._name}-{kind}-{place}", **tags},
                opts=stays,
            )
            for place, cidr in enumerate(cidrs)
        ]

    def _table(self, kind: str) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
        return self._ec2.RouteTable(
            f"{self._name}-{kind}", vpc_id=self._vpc.id, tags={"Name": f"{self._name}-{kind}"}, opts=self._child
        )

    def _join(self, kind: str, table: Any, subnets: list[Any], first: int = 0) -> list[Any]:  # noqa: ANN401
        """A subnet has one association for ever, named after the subnet: another table changes it in place.

        AWS refuses a second one (``Resource.AlreadyAssociated``), and Pulumi makes the new before it ends the old.
        """
        return [
            self._ec2.RouteTableAssociation(
                f"{self._name}-{kind}-{place}",
                subnet_id=subnet.id,
                route_table_id=table.id,
                opts=pulumi.ResourceOptions.merge(
                    self._child, pulumi.ResourceOptions(aliases=[pulumi.Alias(name=f"{self._name}-private-{place}-0")])
                )
                if first
                else self._child,
            )
            for place, subnet in enumerate(subnets, first)
        ]

    def _interfaces(self, cidr: str, private: list[Any], ask: pulumi.InvokeOptions) -> list[Any]:
        """Ways to AWS's services that stay in the VPC, for nodes and pods without a way out.

        Source: https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html
        """
        from pulumi_aws import vpc

        name = f"{self._name}-endpoints"
        group = self._ec2.SecurityGroup(
            name, vpc_id=self._vpc.id, description="Who may reach AWS's services", opts=self._child
        )
        vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self._child,
        )
        return [
            self._ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self._vpc.id,
                # Partitions begin these names differently, China even by service.
                service_name=self._ec2.get_vpc_endpoint_service_output(
                    service=service, service_type="Interface", opts=ask
                ).service_name,
                vpc_endpoint_type="Interface",
                subnet_ids=[subnet.id for subnet in private],
                security_group_ids=[group.id],
                private_dns_enabled=True,
                opts=self._child,
            )
            for service in SERVICES
        ]

    def _route(self, kind: str, table: Any, **target: Any) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
        return self._ec2.Route(
            f"{self._name}-{kind}",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            opts=self._child,
            **target,
        )

    def _private(
        self, settings: AwsSettings, public: list[Any], private: list[Any], way_out: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Route tables of the nodes' subnets: one way out per zone, one for all, or none."""
        gateways = {"none": 0, "single": 1, "per-zone": settings.zones}[settings.nat]
        tables, routes = [], []
        for place in range(max(1, gateways)):
            kind = f"private-{place}"
            table = self._table(kind)
            tables.append(table)
            if gateways <= 1:
                routes += self._join("private-0", table, private)
            else:
                routes += self._join("private-0", table, [private[place]], place)
            if not gateways:
                continue
            address = self._ec2.Eip(f"{self._name}-nat-{place}", domain="vpc", opts=self._child)
            after = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=way_out))
            nat = self._ec2.NatGateway(
                f"{self._name}-nat-{place}", allocation_id=address.id, subnet_id=public[place].id, opts=after
            )
            routes.append(self._route(kind, table, nat_gateway_id=nat.id))
        return tables, routes


def _ordinary_zones(ask: pulumi.InvokeOptions) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
    """Names of the region's zones where EKS can be: none that an account opts into (Local, Wavelength), no unfit ones.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html, filter opt-in-status.
    """
    from pulumi_aws import GetAvailabilityZonesFilterArgs, get_availability_zones_output

    ordinary = GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])
    return get_availability_zones_output(
        state="available", filters=[ordinary], exclude_zone_ids=list(UNFIT_ZONES), opts=ask
    ).names
