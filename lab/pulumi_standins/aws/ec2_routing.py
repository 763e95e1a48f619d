"""EC2's routing: route tables, NAT, endpoints of AWS's services, flow logs, and the templates of nodes."""

from collections.abc import Mapping
from typing import Any, Final

from lab.pulumi_standins.aws import rules
from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.ec2 import Calls, Thing
from lab.pulumi_standins.aws.resource import Resource, as_tags, capitalised, given
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.wire import Properties


class Route(Resource):
    """One route of a table; its id names both."""

    force_new = frozenset({"routeTableId", "destinationCidrBlock"})
    _TARGETS: Final = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId", "vpcEndpointId": "VpcEndpointId"}

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateRoute."""
        clients["ec2"].create_route(**given(inputs, "routeTableId", "destinationCidrBlock", **self._TARGETS))
        return f"r-{inputs['routeTableId']}/{inputs['destinationCidrBlock']}"

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeRouteTables."""
        table, _, destination = identifier.removeprefix("r-").partition("/")
        tables = aws["ec2"].describe_route_tables(RouteTableIds=[table])["RouteTables"]
        for route in tables[0]["Routes"] if tables else []:
            if route.get("DestinationCidrBlock") == destination:
                live = {"routeTableId": table, "destinationCidrBlock": destination}
                live |= {name: route[key] for name, key in self._TARGETS.items() if route.get(key)}
                return Live(live, {"state": route.get("State", "active"), "origin": route.get("Origin", "")})
        return None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ReplaceRoute."""
        clients["ec2"].replace_route(**given(new, "routeTableId", "destinationCidrBlock", **self._TARGETS))

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteRoute."""
        table, _, destination = identifier.removeprefix("r-").partition("/")
        aws["ec2"].delete_route(RouteTableId=table, DestinationCidrBlock=destination)


class Association(Resource):
    """A table's subnet; its id is EC2's."""

    force_new = frozenset({"subnetId", "gatewayId"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """AssociateRouteTable."""
        subnet = str(inputs.get("subnetId") or "")
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        tables = clients["ec2"].describe_route_tables(Filters=filters)["RouteTables"] if subnet else []
        rules.association(subnet, [table["RouteTableId"] for table in tables])
        made = clients["ec2"].associate_route_table(**given(inputs, "routeTableId", "subnetId", "gatewayId"))
        return str(made["AssociationId"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeRouteTables."""
        # A table that was replaced left it under another id; its subnet has no second one.
        wanted = {identifier, state.get("subnetId") or identifier}
        for table in aws["ec2"].describe_route_tables()["RouteTables"]:
            for association in table["Associations"]:
                if wanted & {association["RouteTableAssociationId"], association.get("SubnetId")}:
                    live = {"routeTableId": table["RouteTableId"], "subnetId": association.get("SubnetId")}
                    return Live({name: value for name, value in live.items() if value})
        return None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ReplaceRouteTableAssociation, which gives it another id; the real plugin goes by the new one."""
        clients["ec2"].disassociate_route_table(AssociationId=identifier)
        clients["ec2"].associate_route_table(**given(new, "routeTableId", "subnetId", "gatewayId"))

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DisassociateRouteTable."""
        subnet = state.get("subnetId")
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        for table in aws["ec2"].describe_route_tables(Filters=filters)["RouteTables"] if subnet else []:
            found = [
                each["RouteTableAssociationId"] for each in table["Associations"] if each.get("SubnetId") == subnet
            ]
            identifier = found[0] if found else identifier
        aws["ec2"].disassociate_route_table(AssociationId=identifier)


class NatGateway(Thing):
    """A NAT gateway; EC2 keeps a deleted one in its lists for an hour."""

    def describe(self, aws: Clients, identifier: str) -> dict[str, Any] | None:
        """It is the one type whose parameter is named NatGatewayIds but whose address lies deeper."""
        found = super().describe(aws, identifier)
        if found is not None and found.get("NatGatewayAddresses"):
            first = found["NatGatewayAddresses"][0]
            found |= {key: first[key] for key in ("AllocationId", "PublicIp", "PrivateIp") if key in first}
        return found


class VpcEndpoint(Thing):
    """A way to one of AWS's services that stays inside the VPC."""

    _LISTS: Final = {
        "routeTableIds": "RouteTableIds",
        "subnetIds": "SubnetIds",
        "securityGroupIds": "SecurityGroupIds",
    }

    def parameters(self, inputs: Properties) -> dict[str, Any]:
        """Lists and switches."""
        return given(inputs, "privateDnsEnabled", policy="PolicyDocument", **self._LISTS)

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """ModifyVpcEndpoint takes what to add and what to remove."""
        edits: dict[str, Any] = given(new, "privateDnsEnabled", policy="PolicyDocument")
        for name, parameter in self._LISTS.items():
            before, after = set(old.get(name) or []), set(new.get(name) or [])
            edits |= {f"Add{parameter}": sorted(after - before)} if after - before else {}
            edits |= {f"Remove{parameter}": sorted(before - after)} if before - after else {}
        clients["ec2"].modify_vpc_endpoint(VpcEndpointId=identifier, **edits)
        super().update(clients, identifier, old, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteVpcEndpoints."""
        aws["ec2"].delete_vpc_endpoints(VpcEndpointIds=[identifier])


class FlowLog(Resource):
    """A record of a VPC's traffic; its id is EC2's."""

    force_new = frozenset({"vpcId", "trafficType", "logDestination", "logDestinationType", "iamRoleArn"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateFlowLogs."""
        made = clients["ec2"].create_flow_logs(
            ResourceIds=[inputs["vpcId"]],
            ResourceType="VPC",
            **given(inputs, "trafficType", "logDestination", "logDestinationType", "maxAggregationInterval"),
            **given(inputs, iamRoleArn="DeliverLogsPermissionArn"),
        )
        return str(made["FlowLogIds"][0])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeFlowLogs."""
        found = aws["ec2"].describe_flow_logs(FlowLogIds=[identifier])["FlowLogs"]
        live = [{"vpcId": log["ResourceId"], "trafficType": log["TrafficType"]} for log in found]
        return Live(live[0]) if live else None

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteFlowLogs."""
        aws["ec2"].delete_flow_logs(FlowLogIds=[identifier])


class LaunchTemplate(Resource):
    """How a node starts; a change is a new version, which becomes the latest."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix"})
    _OWN: Final = frozenset(
        {"name", "namePrefix", "description", "tags", "updateDefaultVersion", "defaultVersion", "region"}
    )

    def _data(self, inputs: Properties) -> dict[str, Any]:
        renamed = {"vpcSecurityGroupIds": "securityGroupIds"}
        data = {renamed.get(k, k): v for k, v in inputs.items() if k not in self._OWN}
        for mapping in data.get("blockDeviceMappings") or []:
            # The plugin's schema has these two as text.
            disk = mapping.get("ebs") or {}
            disk |= {key: disk[key] == "true" for key in ("encrypted", "deleteOnTermination") if key in disk}
        tagged = [
            {"ResourceType": each["resourceType"], "Tags": [{"Key": k, "Value": v} for k, v in each["tags"].items()]}
            for each in data.pop("tagSpecifications", None) or []
        ]
        return {**capitalised(data), **({"TagSpecifications": tagged} if tagged else {})}

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateLaunchTemplate."""
        made = clients["ec2"].create_launch_template(
            LaunchTemplateName=inputs["name"], LaunchTemplateData=self._data(inputs)
        )
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeLaunchTemplates."""
        found = aws["ec2"].describe_launch_templates(LaunchTemplateIds=[identifier])["LaunchTemplates"]
        if not found:
            return None
        arn = f"arn:aws:ec2:{aws.region}:{aws.account}:launch-template/{identifier}"
        versions = {
            "latestVersion": found[0]["LatestVersionNumber"],
            "defaultVersion": found[0]["DefaultVersionNumber"],
        }
        named = {"name": found[0]["LaunchTemplateName"]}
        return Live(named, {**named, **versions, "arn": arn, "tagsAll": as_tags(found[0].get("Tags"))})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """CreateLaunchTemplateVersion."""
        clients["ec2"].create_launch_template_version(LaunchTemplateId=identifier, LaunchTemplateData=self._data(new))
        _, changed = tag_changes(old, new)
        if changed:
            clients["ec2"].create_tags(Resources=[identifier], Tags=clients.tag_list(new))

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteLaunchTemplate."""
        aws["ec2"].delete_launch_template(LaunchTemplateId=identifier)


_ENDPOINT: Final[Mapping[str, str]] = {
    "vpcId": "VpcId",
    "serviceName": "ServiceName",
    "vpcEndpointType": "VpcEndpointType",
}

KINDS: Final[dict[str, Resource]] = {
    "aws:ec2/routeTable:RouteTable": Thing(
        Calls("route_table", "RouteTables", "RouteTableId", inputs={"vpcId": "VpcId"}, outputs={"ownerId": "OwnerId"})
    ),
    "aws:ec2/route:Route": Route(),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Association(),
    "aws:ec2/natGateway:NatGateway": NatGateway(
        Calls(
            "nat_gateway", "NatGateways", "NatGatewayId",
            inputs={"subnetId": "SubnetId", "allocationId": "AllocationId", "connectivityType": "ConnectivityType"},
            outputs={"publicIp": "PublicIp", "privateIp": "PrivateIp"},
        )
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": VpcEndpoint(
        Calls("vpc_endpoint", "VpcEndpoints", "VpcEndpointId", inputs=_ENDPOINT, outputs={"state": "State"})
    ),
    "aws:ec2/flowLog:FlowLog": FlowLog(),
    "aws:ec2/launchTemplate:LaunchTemplate": LaunchTemplate(),
}  # fmt: skip
