"""EKS on moto's server: clusters and node groups; what moto lacks is in ``emulated.py``. Source: boto3's EKS reference.

moto's clusters have no API server behind them. ``STANDIN_KUBE_ENDPOINT`` and ``STANDIN_KUBE_CA`` name one that takes its
place, so that a kubeconfig made from a cluster's outputs leads somewhere.
"""

import os
from typing import Any, Final

from lab.pulumi_standins.aws import rules
from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.emulated import Emulated, forget, note
from lab.pulumi_standins.aws.resource import Resource
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties

CLUSTER: Final = "cluster"
"""What is noted of a cluster by its name, as moto changes nothing of one: its inputs."""
_MODES: Final = frozenset({"API", "API_AND_CONFIG_MAP", "CONFIG_MAP"})


class Cluster(Resource):
    """A cluster; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name", "roleArn", "bootstrapSelfManagedAddons"})

    def check(self, inputs: Properties) -> list[Problem]:
        """What the real plugin checks before it calls AWS."""
        found: list[Problem] = []
        mode = (inputs.get("accessConfig") or {}).get("authenticationMode", "API")
        if isinstance(mode, str) and "-" not in mode and mode not in _MODES:
            found.append(("accessConfig.authenticationMode", f"expected one of {sorted(_MODES)}, got {mode}"))
        return found

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateCluster; whoever makes it is let in by an entry that EKS writes."""
        rules.auto_mode(inputs)
        rules.zones_of_a_cluster((), *_zones(clients, inputs))
        clients["eks"].create_cluster(
            name=inputs["name"],
            roleArn=inputs["roleArn"],
            resourcesVpcConfig=_vpc(inputs["vpcConfig"]),
            tags=clients.tags(inputs),
            **({"version": inputs["version"]} if "version" in inputs else {}),
        )
        # EKS makes a group for traffic between itself and its nodes; moto does not.
        subnets = clients["ec2"].describe_subnets(SubnetIds=inputs["vpcConfig"]["subnetIds"])["Subnets"]
        clients["ec2"].create_security_group(
            GroupName=group_name(inputs["name"]), Description="Made by EKS", VpcId=subnets[0]["VpcId"]
        )
        note(CLUSTER, inputs["name"], inputs)
        access = inputs.get("accessConfig") or {}
        if access.get("bootstrapClusterCreatorAdminPermissions", True):
            note("access-entry", f"{inputs['name']}:{clients['sts'].get_caller_identity()['Arn']}")
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeCluster."""
        found = aws["eks"].describe_cluster(name=identifier)["cluster"]
        tags = found.get("tags") or {}
        live = {"name": identifier, "roleArn": found["roleArn"]}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        outputs: Properties = {
            "arn": found["arn"],
            "endpoint": os.environ.get("STANDIN_KUBE_ENDPOINT") or found["endpoint"],
            "certificateAuthority": {
                "data": os.environ.get("STANDIN_KUBE_CA") or found["certificateAuthority"]["data"]
            },
            "certificateAuthorities": [found["certificateAuthority"]],
            "identities": [{"oidcs": [{"issuer": found.get("identity", {}).get("oidc", {}).get("issuer", "")}]}],
            "platformVersion": found.get("platformVersion", ""),
            "status": found["status"],
            "version": state.get("version") or found["version"],
            "createdAt": str(found.get("createdAt", "")),
            "tagsAll": tags,
            "vpcConfig": {**(state.get("vpcConfig") or {}), **_made_by_eks(aws, identifier)},
        }
        return Live(live, {**live, **outputs})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateClusterConfig and tags; moto keeps only the tags."""
        rules.auto_mode(new)
        rules.zones_of_a_cluster(_zones(clients, old)[0], *_zones(clients, new))
        note(CLUSTER, identifier, new)
        gone, changed = tag_changes(old, new)
        arn = clients["eks"].describe_cluster(name=identifier)["cluster"]["arn"]
        if gone:
            clients["eks"].untag_resource(resourceArn=arn, tagKeys=gone)
        if changed:
            clients["eks"].tag_resource(resourceArn=arn, tags=changed)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteCluster, which refuses one with node groups."""
        rules.deletion("cluster", state)
        if state.get("enabledClusterLogTypes"):
            note("late-logs", f"/aws/eks/{identifier}/cluster")
        group = _made_by_eks(aws, identifier)["clusterSecurityGroupId"]
        aws["eks"].delete_cluster(name=identifier)
        forget(CLUSTER, identifier)
        if group:
            aws["ec2"].delete_security_group(GroupId=group)


class NodeGroup(Resource):
    """A managed node group; its id is ``cluster:name``."""

    autoname = "nodeGroupName"
    force_new = frozenset(
        {
            "clusterName",
            "nodeGroupName",
            "nodeRoleArn",
            "subnetIds",
            "instanceTypes",
            "amiType",
            "capacityType",
            "diskSize",
        }
    )

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateNodegroup."""
        rules.scaling(inputs["scalingConfig"])
        rules.architecture(inputs.get("amiType", ""), inputs.get("instanceTypes") or ())
        extra: dict[str, Any] = {key: inputs[key] for key in ("instanceTypes", "labels", "amiType") if inputs.get(key)}
        if inputs.get("launchTemplate"):
            extra["launchTemplate"] = {
                k: v for k, v in inputs["launchTemplate"].items() if k in {"id", "version", "name"}
            }
        clients["eks"].create_nodegroup(
            clusterName=inputs["clusterName"],
            nodegroupName=inputs["nodeGroupName"],
            nodeRole=inputs["nodeRoleArn"],
            subnets=inputs["subnetIds"],
            scalingConfig=inputs["scalingConfig"],
            **({"capacityType": inputs["capacityType"]} if inputs.get("capacityType") else {}),
            **extra,
        )
        return f"{inputs['clusterName']}:{inputs['nodeGroupName']}"

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeNodegroup."""
        cluster, _, name = identifier.partition(":")
        found = aws["eks"].describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
        live = {"clusterName": cluster, "nodeGroupName": name, "nodeRoleArn": found["nodeRole"]}
        live |= {"scalingConfig": found["scalingConfig"]}
        return Live(live, {**live, "arn": found["nodegroupArn"], "status": found["status"]})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateNodegroupConfig is not in moto: the change is taken as done."""
        rules.scaling(new["scalingConfig"])

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteNodegroup."""
        cluster, _, name = identifier.partition(":")
        aws["eks"].delete_nodegroup(clusterName=cluster, nodegroupName=name)


def _zones(clients: Clients, inputs: Properties) -> tuple[set[str], set[str]]:
    """Names and ids of the zones of a cluster's subnets."""
    listed = clients["ec2"].describe_subnets(SubnetIds=inputs["vpcConfig"]["subnetIds"])["Subnets"]
    return {subnet["AvailabilityZone"] for subnet in listed}, {subnet["AvailabilityZoneId"] for subnet in listed}


def group_name(cluster: str) -> str:
    """Of the security group that EKS makes of a cluster's nodes and control plane."""
    return f"eks-cluster-sg-{cluster}"


def _made_by_eks(aws: Clients, cluster: str) -> Properties:
    named = [{"Name": "group-name", "Values": [group_name(cluster)]}]
    groups = aws["ec2"].describe_security_groups(Filters=named)["SecurityGroups"]
    return {
        "clusterSecurityGroupId": groups[0]["GroupId"] if groups else "",
        "vpcId": groups[0]["VpcId"] if groups else "",
    }


def _vpc(inputs: Properties) -> dict[str, Any]:
    names = ("subnetIds", "securityGroupIds", "endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs")
    return {name: inputs[name] for name in names if name in inputs}


def _arn(noun: str) -> Any:
    def outputs(clients: Clients, identifier: str, inputs: Properties) -> Properties:
        arn = f"arn:aws:eks:{clients.region}:{clients.account}:{noun}/{identifier.replace(':', '/')}"
        named = {"addon": "arn", "access-entry": "accessEntryArn", "podidentityassociation": "associationArn"}
        return {named[noun]: arn, "tagsAll": clients.tags(inputs), **_decided(noun, identifier)}

    return outputs


def _decided(noun: str, identifier: str) -> Properties:
    if noun == "podidentityassociation":
        return {"associationId": f"a-{identifier.replace(':', '-')}"}
    return {"type": "STANDARD", "userName": ""} if noun == "access-entry" else {"createdAt": "", "modifiedAt": ""}


KINDS: Final[dict[str, Resource]] = {
    "aws:eks/cluster:Cluster": Cluster(),
    "aws:eks/nodeGroup:NodeGroup": NodeGroup(),
    "aws:eks/addon:Addon": Emulated(
        "addon",
        lambda inputs: f"{inputs['clusterName']}:{inputs['addonName']}",
        frozenset({"clusterName", "addonName"}),
        _arn("addon"),
    ),
    "aws:eks/accessEntry:AccessEntry": Emulated(
        "access-entry",
        lambda inputs: f"{inputs['clusterName']}:{inputs['principalArn']}",
        frozenset({"clusterName", "principalArn", "type"}),
        _arn("access-entry"),
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Emulated(
        "access-policy",
        lambda inputs: f"{inputs['clusterName']}#{inputs['principalArn']}#{inputs['policyArn']}",
        frozenset({"clusterName", "principalArn", "policyArn", "accessScope"}),
        lambda clients, identifier, inputs: {"associatedAt": "", "modifiedAt": ""},
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Emulated(
        "pod-identity",
        lambda inputs: f"{inputs['clusterName']}:{inputs['namespace']}:{inputs['serviceAccount']}",
        frozenset({"clusterName", "namespace", "serviceAccount"}),
        _arn("podidentityassociation"),
    ),
}
