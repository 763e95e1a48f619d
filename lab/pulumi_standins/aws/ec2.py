"""EC2's network: what a VPC is made of. Source: boto3's EC2 reference; ForceNew of terraform-provider-aws."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, as_tags, given
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.wire import Properties


@dataclass(frozen=True, slots=True)
class Calls:
    """How EC2 names one type of thing.

    Attributes:
        noun: As in ``create_NOUN`` and ``delete_NOUN``.
        listed: The list in the answer of ``describe``.
        identified: The key of a thing's id, in its description and in calls.
        describe: The call that lists them.
        one: The key of the thing in the answer of ``create``.
        inputs: Inputs, and their parameters of ``create``.
        outputs: Outputs, and their keys in a description.
    """

    noun: str
    listed: str
    identified: str
    describe: str = ""
    one: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


class Thing(Resource):
    """A type whose calls follow EC2's pattern; what does not is in a subclass."""

    def __init__(self, calls: Calls, *force_new: str) -> None:
        self.calls = calls
        self.force_new = frozenset(force_new or calls.inputs)  # type: ignore[misc]

    def parameters(self, inputs: Properties) -> dict[str, Any]:
        """Further parameters of ``create``."""
        del inputs
        return {}

    def after_create(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        """What ``create`` has no parameters for."""

    def before_delete(self, aws: Clients, found: Mapping[str, Any]) -> None:
        """What must go first."""

    def create(self, clients: Clients, inputs: Properties) -> str:
        """``create_NOUN``, then tags."""
        calls = self.calls
        made = getattr(clients["ec2"], f"create_{calls.noun}")(
            **given(inputs, **dict(calls.inputs)), **self.parameters(inputs)
        )
        one = made if calls.identified in made else made[calls.one or calls.identified.removesuffix("Id")]
        identifier = str(one[calls.identified])
        self._tag(clients, identifier, inputs)
        self.after_create(clients, identifier, inputs)
        return identifier

    def describe(self, aws: Clients, identifier: str) -> dict[str, Any] | None:
        """The thing as EC2 describes it."""
        calls = self.calls
        call = getattr(aws["ec2"], calls.describe or f"describe_{calls.noun}s")
        listed = call(**{f"{calls.identified}s": [identifier]})[calls.listed]
        return dict(listed[0]) if listed and listed[0].get("State") not in {"deleted", "deleting"} else None

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """``describe_NOUNs``."""
        found = self.describe(aws, identifier)
        if found is None:
            return None
        tags = as_tags(found.get("Tags"))
        live = {name: found[key] for name, key in self.calls.inputs.items() if found.get(key) not in (None, "", [])}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        outputs = {name: found[key] for name, key in self.calls.outputs.items() if key in found}
        arn = f"arn:aws:ec2:{aws.region}:{found.get('OwnerId') or aws.account}:{self.calls.noun.replace('_', '-')}"
        return Live(live, {**live, **outputs, "arn": f"{arn}/{identifier}", "tagsAll": tags})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """Tags, and what ``after_create`` sets."""
        gone, changed = tag_changes(old, new)
        if gone:
            clients["ec2"].delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in gone])
        if changed:
            self._tag(clients, identifier, new)
        self.after_create(clients, identifier, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """``delete_NOUN``."""
        found = self.describe(aws, identifier)
        if found is not None:
            self.before_delete(aws, found)
            getattr(aws["ec2"], f"delete_{self.calls.noun}")(**{self.calls.identified: identifier})

    def _tag(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        tags = aws.tag_list(inputs)
        if tags:
            aws["ec2"].create_tags(Resources=[identifier], Tags=tags)


class Vpc(Thing):
    """A VPC."""

    def after_create(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        """The two switches can only be set one by one."""
        for name, parameter in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
            if name in inputs:
                aws["ec2"].modify_vpc_attribute(VpcId=identifier, **{parameter: {"Value": inputs[name]}})

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """With the group and tables that every VPC is born with."""
        live = super().look(aws, identifier, state)
        if live is not None:
            of_vpc = [{"Name": "vpc-id", "Values": [identifier]}]
            groups = aws["ec2"].describe_security_groups(Filters=of_vpc)["SecurityGroups"]
            tables = aws["ec2"].describe_route_tables(Filters=of_vpc)["RouteTables"]
            main = [t["RouteTableId"] for t in tables if any(a.get("Main") for a in t.get("Associations", []))]
            default = [g["GroupId"] for g in groups if g["GroupName"] == "default"]
            live.outputs |= {"defaultSecurityGroupId": default[0] if default else ""}
            live.outputs |= {"mainRouteTableId": main[0] if main else ""}
        return live


class Subnet(Thing):
    """A subnet."""

    def after_create(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        """Whether what starts in it gets a public address."""
        if "mapPublicIpOnLaunch" in inputs:
            shown = {"Value": inputs["mapPublicIpOnLaunch"]}
            aws["ec2"].modify_subnet_attribute(SubnetId=identifier, MapPublicIpOnLaunch=shown)


class InternetGateway(Thing):
    """A gateway, attached to its VPC."""

    def after_create(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        """Attach it, once."""
        found = self.describe(aws, identifier)
        if inputs.get("vpcId") and not (found or {}).get("Attachments"):
            aws["ec2"].attach_internet_gateway(InternetGatewayId=identifier, VpcId=inputs["vpcId"])

    def before_delete(self, aws: Clients, found: Mapping[str, Any]) -> None:
        """Detach it."""
        for attachment in found.get("Attachments", []):
            aws["ec2"].detach_internet_gateway(InternetGatewayId=found["InternetGatewayId"], VpcId=attachment["VpcId"])


class Eip(Thing):
    """A public address."""

    def create(self, clients: Clients, inputs: Properties) -> str:
        """AllocateAddress."""
        identifier = str(clients["ec2"].allocate_address(Domain=inputs.get("domain", "vpc"))["AllocationId"])
        self._tag(clients, identifier, inputs)
        return identifier

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """ReleaseAddress."""
        aws["ec2"].release_address(AllocationId=identifier)


class SecurityGroup(Thing):
    """A security group with the rules that are written in it."""

    autoname: ClassVar[str | None] = "name"

    def parameters(self, inputs: Properties) -> dict[str, Any]:
        """EC2 insists on a description; the real plugin writes this one."""
        return {"Description": inputs.get("description", "Managed by Pulumi")}

    def after_create(self, aws: Clients, identifier: str, inputs: Properties) -> None:
        """Exactly the rules given; with none given, the ones it has are left alone."""
        found = self.describe(aws, identifier) or {}
        for way, key, name in (("ingress", "IpPermissions", "ingress"), ("egress", "IpPermissionsEgress", "egress")):
            if name not in inputs:
                continue
            if found.get(key):
                getattr(aws["ec2"], f"revoke_security_group_{way}")(GroupId=identifier, IpPermissions=found[key])
            wanted = [_permission(rule, identifier) for rule in inputs[name]]
            if wanted:
                getattr(aws["ec2"], f"authorize_security_group_{way}")(GroupId=identifier, IpPermissions=wanted)


class DefaultSecurityGroup(SecurityGroup):
    """The group that every VPC is born with, adopted: its rules are replaced, and deleting it leaves it as it is."""

    autoname = None

    def create(self, clients: Clients, inputs: Properties) -> str:
        """Find it, and set its rules."""
        named = [{"Name": "vpc-id", "Values": [inputs["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
        identifier = str(clients["ec2"].describe_security_groups(Filters=named)["SecurityGroups"][0]["GroupId"])
        self.after_create(clients, identifier, {"ingress": [], "egress": [], **inputs})
        self._tag(clients, identifier, inputs)
        return identifier

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """It goes with its VPC."""


class SecurityGroupRule(Resource):
    """One rule of a group, as a resource of its own; its id is EC2's."""

    force_new = frozenset({"securityGroupId"})

    def __init__(self, way: str) -> None:
        self._way = way

    def create(self, clients: Clients, inputs: Properties) -> str:
        """AuthorizeSecurityGroupIngress or -Egress."""
        permission = {"IpProtocol": inputs["ipProtocol"], **given(inputs, "fromPort", "toPort")}
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **given(inputs, "description")}]
        if inputs.get("referencedSecurityGroupId"):
            pair = {"GroupId": inputs["referencedSecurityGroupId"], **given(inputs, "description")}
            permission["UserIdGroupPairs"] = [pair]
        if inputs.get("prefixListId"):
            permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"]}]
        made = getattr(clients["ec2"], f"authorize_security_group_{self._way}")(
            GroupId=inputs["securityGroupId"], IpPermissions=[permission]
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeSecurityGroupRules."""
        found = aws["ec2"].describe_security_group_rules(SecurityGroupRuleIds=[identifier])["SecurityGroupRules"]
        if not found:
            return None
        arn = f"arn:aws:ec2:{aws.region}:{aws.account}:security-group-rule/{identifier}"
        live = {"securityGroupId": found[0]["GroupId"], "ipProtocol": found[0]["IpProtocol"]}
        return Live(live, {"arn": arn, "securityGroupRuleId": identifier})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """Take it away and write it again would change its id; tags are all that is changed in place."""
        if {k: v for k, v in old.items() if k in new and k != "tags"} != {k: v for k, v in new.items() if k != "tags"}:
            raise NotImplementedError("the stand-in cannot change a security group rule in place")

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """RevokeSecurityGroupIngress or -Egress."""
        getattr(aws["ec2"], f"revoke_security_group_{self._way}")(
            GroupId=state["securityGroupId"], SecurityGroupRuleIds=[identifier]
        )


def _permission(rule: Properties, own: str) -> dict[str, Any]:
    groups = [*(rule.get("securityGroups") or []), *([own] if rule.get("self") else [])]
    described = given(rule, "description")
    every = str(rule["protocol"]) == "-1"
    permission: dict[str, Any] = {"IpProtocol": str(rule["protocol"])}
    permission |= {} if every else {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    if rule.get("cidrBlocks"):
        permission["IpRanges"] = [{"CidrIp": block, **described} for block in rule["cidrBlocks"]]
    if groups:
        permission["UserIdGroupPairs"] = [{"GroupId": group, **described} for group in groups]
    return permission


KINDS: Final[dict[str, Resource]] = {
    "aws:ec2/vpc:Vpc": Vpc(
        Calls(
            "vpc", "Vpcs", "VpcId", inputs={"cidrBlock": "CidrBlock"},
            outputs={"ownerId": "OwnerId", "dhcpOptionsId": "DhcpOptionsId"},
        )
    ),
    "aws:ec2/subnet:Subnet": Subnet(
        Calls(
            "subnet", "Subnets", "SubnetId",
            inputs={"vpcId": "VpcId", "cidrBlock": "CidrBlock", "availabilityZone": "AvailabilityZone"},
            outputs={"ownerId": "OwnerId", "availabilityZoneId": "AvailabilityZoneId"},
        )
    ),
    "aws:ec2/internetGateway:InternetGateway": InternetGateway(
        Calls("internet_gateway", "InternetGateways", "InternetGatewayId", outputs={"ownerId": "OwnerId"}), "vpcId"
    ),
    "aws:ec2/eip:Eip": Eip(
        Calls(
            "address", "Addresses", "AllocationId", describe="describe_addresses", inputs={"domain": "Domain"},
            outputs={"publicIp": "PublicIp", "allocationId": "AllocationId"},
        )
    ),
    "aws:ec2/securityGroup:SecurityGroup": SecurityGroup(
        Calls(
            "security_group", "SecurityGroups", "GroupId",
            inputs={"name": "GroupName", "vpcId": "VpcId"}, outputs={"ownerId": "OwnerId"},
        ),
        "name", "namePrefix", "vpcId", "description",
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": DefaultSecurityGroup(
        Calls(
            "security_group", "SecurityGroups", "GroupId",
            inputs={"vpcId": "VpcId"}, outputs={"name": "GroupName", "ownerId": "OwnerId"},
        )
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": SecurityGroupRule("ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": SecurityGroupRule("egress"),
}  # fmt: skip
