"""An EKS cluster for one mesh, or a way to one that exists.

Order matters: network add-on and Pod Identity agent come before the nodes, so that the first pod has an address and a role.
Access is by access entries only; whoever makes the cluster is let in, since the same program installs the mesh in it.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pulumi

from asya_aws import naming, policies
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings

TYPE: Final = "asya:aws:EksCluster"
ADMIN_POLICY: Final = "AmazonEKSClusterAdminPolicy"
NODE_POLICIES: Final = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy")
BEFORE_NODES: Final = ("vpc-cni", "eks-pod-identity-agent", "kube-proxy")
AFTER_NODES: Final = ("coredns", "metrics-server")
LOGS: Final = ("api", "audit", "authenticator")
NODE_DISK_GIB: Final = 50
_ARM: Final = ("a1", "t4g", "g5g", "hpc7g", "im4gn", "is4gen", "x2gd")


def image_type(types: Sequence[str]) -> str:
    """The node image that fits instance types. Pure.

    Raises:
        ValueError: They are of two architectures.
    """
    arms = {_is_arm(each) for each in types}
    if len(arms) != 1:
        raise ValueError(f"{', '.join(types)} are of two architectures; a node group has one")
    return "AL2023_ARM_64_STANDARD" if arms.pop() else "AL2023_x86_64_STANDARD"


def _is_arm(instance: str) -> bool:
    family = instance.split(".", maxsplit=1)[0]
    # Graviton families end in g, and letters for disks and networks: m7g, c7gn, r6gd.
    digits = [place for place, letter in enumerate(family) if letter.isdigit()]
    return family in _ARM or (bool(digits) and "g" in family[digits[-1] + 1 :] and not family.startswith(("g", "p")))


def kubeconfig(name: str, endpoint: str, certificate: str, region: str) -> str:
    """A kubeconfig that asks the aws command for a token each time: nothing that ends after fifteen minutes is kept. Pure."""
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
            "interactiveMode": "Never",
        }
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": user}],
    }
    return json.dumps(document, sort_keys=True)


class EksCluster(pulumi.ComponentResource):
    """The cluster, its nodes and its add-ons.

    Args:
        name: Of the cluster.
        subnet_ids: Private, in two zones at least.
        settings: Versions and sizes.
        scope: The account.
        network: What must be there before a node starts.
        opts: With the provider.
    """

    cluster_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Of nodes and control plane."""
    ready: tuple[pulumi.Resource, ...]
    """What pods need."""

    def __init__(
        self,
        name: str,
        *,
        subnet_ids: Sequence[pulumi.Input[str]],
        settings: AwsSettings,
        scope: pulumi.Output[Scope],
        network: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        from pulumi_aws import cloudwatch, eks, iam

        self._eks, self._iam, self._scope, self._name = eks, iam, scope, name
        log = cloudwatch.LogGroup(
            name, name=f"/aws/eks/{name}/cluster", retention_in_days=settings.log_days, opts=self._child()
        )
        role = self._role("cluster", policies.trusts_service("eks.amazonaws.com"), ("AmazonEKSClusterPolicy",))
        self._cluster = eks.Cluster(
            name,
            name=name,
            version=settings.kubernetes_version,
            role_arn=role[0].arn,
            vpc_config={
                "subnet_ids": list(subnet_ids),
                "endpoint_private_access": True,
                "endpoint_public_access": bool(settings.api_cidrs),
                **({"public_access_cidrs": list(settings.api_cidrs)} if settings.api_cidrs else {}),
            },
            access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
            # Our own list of add-ons, in our own order.
            bootstrap_self_managed_addons=False,
            enabled_cluster_log_types=list(LOGS),
            # Extended support costs six times as much: rather be upgraded.
            upgrade_policy={"support_type": "STANDARD"},
            deletion_protection=settings.protect,
            opts=self._child(depends_on=[log, *role[1:]]),
        )
        self._admins(settings.admins)
        early = [self._addon(addon, ()) for addon in BEFORE_NODES]
        nodes = self._nodes(settings, subnet_ids, [*early, *network])
        late = [self._addon(addon, [nodes]) for addon in AFTER_NODES]
        self.cluster_name, self.arn = self._cluster.name, self._cluster.arn
        self.security_group_id = self._cluster.vpc_config.apply(
            lambda found: output_field(found, "cluster_security_group_id")
        )
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(
                self._cluster.name, self._cluster.endpoint, self._cluster.certificate_authority, scope
            ).apply(lambda k: kubeconfig(k[0], k[1], output_field(k[2], "data"), k[3].region))
        )
        self.ready = (nodes, *early, *late)
        self.register_outputs({"clusterName": self.cluster_name, "arn": self.arn})

    def _child(self, **more: Any) -> pulumi.ResourceOptions:  # noqa: ANN401 - ResourceOptions' own keywords
        return pulumi.ResourceOptions(parent=self, **more)

    def _role(self, duty: str, trust: policies.Document, managed: Sequence[str]) -> tuple[Any, ...]:
        name = naming.shortened(f"{self._name}-{duty}", naming.ROLE)
        role = self._iam.Role(name, assume_role_policy=policies.dump(trust), opts=self._child())
        attached = [
            self._iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=self._scope.apply(partial(Scope.managed_policy, name=policy)),
                opts=self._child(),
            )
            for policy in managed
        ]
        return (role, *attached)

    def _admins(self, arns: Sequence[str]) -> None:
        heirs: set[str] = set()
        for arn in dict.fromkeys(arns):
            short = f"{self._name}-{arn.rpartition('/')[2]}"
            label = naming.told_apart(short, arn)
            # What was made under the short name is kept: a second entry for the same ARN would be refused.
            before = [] if short in heirs else [pulumi.Alias(name=short)]
            heirs.add(short)
            entry = self._eks.AccessEntry(
                label, cluster_name=self._cluster.name, principal_arn=arn, opts=self._child(aliases=before)
            )
            self._eks.AccessPolicyAssociation(
                label,
                cluster_name=self._cluster.name,
                principal_arn=arn,
                policy_arn=self._scope.apply(
                    lambda scope: f"arn:{scope.partition}:eks::aws:cluster-access-policy/{ADMIN_POLICY}"
                ),
                access_scope={"type": "cluster"},
                opts=self._child(depends_on=[entry], aliases=before),
            )

    def _addon(self, addon: str, after: Sequence[pulumi.Resource]) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
        return self._eks.Addon(
            f"{self._name}-{addon}",
            cluster_name=self._cluster.name,
            addon_name=addon,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            opts=self._child(depends_on=list(after)),
        )

    def _nodes(self, settings: AwsSettings, subnet_ids: Sequence[pulumi.Input[str]], after: Sequence[Any]) -> Any:  # noqa: ANN401
        from pulumi_aws import ec2

        role = self._role("node", policies.trusts_service("ec2.amazonaws.com"), NODE_POLICIES)
        template = ec2.LaunchTemplate(
            f"{self._name}-node",
            # One hop: a pod cannot take the node's role by asking for its metadata.
            metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {"volume_size": NODE_DISK_GIB, "volume_type": "gp3", "encrypted": "true"},
                }
            ],
            opts=self._child(),
        )
        return self._eks.NodeGroup(
            f"{self._name}-nodes",
            cluster_name=self._cluster.name,
            node_role_arn=role[0].arn,
            subnet_ids=list(subnet_ids),
            instance_types=list(settings.node_types),
            ami_type=image_type(settings.node_types),
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            scaling_config={
                "min_size": settings.nodes_min,
                "max_size": settings.nodes_max,
                "desired_size": settings.nodes_min,
            },
            update_config={"max_unavailable": 1},
            # A cluster autoscaler decides it from then on.
            opts=self._child(depends_on=[*role[1:], *after], ignore_changes=["scalingConfig.desiredSize"]),
        )


def output_field(found: Any, name: str) -> Any:  # noqa: ANN401 - an output object
    """A field of a nested output: an attribute where the SDK knows its class, a key where it does not."""
    return getattr(found, name) if hasattr(found, name) else found[name]
