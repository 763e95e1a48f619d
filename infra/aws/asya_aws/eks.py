"""An EKS cluster for one mesh: its API, who may use it, its add-ons, and nodes by Auto Mode or in managed groups.

With node groups order matters: network add-on and Pod Identity agent come before the nodes, so that the first pod has an
address and a role. Access is by access entries only; whoever makes the cluster is let in, since the same program installs
the mesh in it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import pulumi

from asya_aws import naming, node_objects, policies
from asya_aws.instances import accelerator
from asya_aws.logs import log_group
from asya_aws.node_groups import node_group
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_infra.errors import ConfigError

TYPE: Final = "asya:aws:EksCluster"
ADMIN_POLICY: Final = "AmazonEKSClusterAdminPolicy"
AUTO_NODE_POLICY: Final = "AmazonEKSAutoNodePolicy"
CLUSTER_POLICIES: Final = ("AmazonEKSClusterPolicy",)
AUTO_POLICIES: Final = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
"""Source: https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html"""
NODE_POLICIES: Final = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy")
AUTO_NODE_POLICIES: Final = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
BEFORE_NODES: Final = ("vpc-cni", "eks-pod-identity-agent", "kube-proxy")
AFTER_NODES: Final = ("coredns", "metrics-server")
SubnetIds = pulumi.Input[Sequence[pulumi.Input[str]]]
LOGS: Final = ("api", "audit", "authenticator")
_CNI: Final = json.dumps({"enableNetworkPolicy": "true"})
"""Without it NetworkPolicies have no effect."""


def kubeconfig(name: str, endpoint: str, certificate: str, region: str, *, role: str = "", profile: str = "") -> str:
    """A kubeconfig that asks the aws command for a token each time: nothing that ends after fifteen minutes is kept. Pure.

    Args:
        name: Of the cluster.
        endpoint: Of its API.
        certificate: Of who signs for it, in base64.
        region: Where it is.
        role: That made the cluster and may use it, where that is not the caller's own.
        profile: Of the AWS configuration.
    """
    more = [*(["--role-arn", role] if role else []), *(["--profile", profile] if profile else [])]
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json", *more],
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
        network: What must be there before the cluster and its nodes.
        caller: ARN of whoever makes it, who is let in without an entry.
        tags: Of nodes and volumes.
        key_arn: Encrypts volumes; ``None`` leaves it to AWS's own key.
        device_plugin: Image that tells of GPUs in managed groups.
        opts: With the provider.
    """

    cluster_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Of nodes and control plane."""
    objects: list[dict[str, Any]]
    """Kubernetes objects that pods and volumes need, for whoever has a provider of the cluster."""
    ready: tuple[pulumi.Resource, ...]
    """What pods need."""
    way_in: Sequence[pulumi.Resource]
    """By which the private API is reached: made before whatever is in the cluster, and gone after it."""

    def __init__(
        self,
        name: str,
        *,
        subnet_ids: SubnetIds,
        settings: AwsSettings,
        scope: pulumi.Output[Scope],
        network: Sequence[pulumi.Resource] = (),
        caller: pulumi.Input[str] = "",
        tags: Mapping[str, str] | None = None,
        key_arn: pulumi.Output[str] | None = None,
        device_plugin: str = node_objects.DEVICE_PLUGIN_IMAGE,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        from pulumi_aws import eks, iam

        self._eks, self._iam, self._scope, self._name = eks, iam, scope, name
        self._settings, self._tags, self._key = settings, dict(tags or {}), key_arn
        self._caller = pulumi.Output.from_input(caller)
        self._auto = settings.compute == "auto"
        self._cluster = self._made(subnet_ids, network)
        self.cluster_name, self.arn = self._cluster.name, self._cluster.arn
        self.security_group_id = self._cluster.vpc_config.apply(
            lambda found: output_field(found, "cluster_security_group_id")
        )
        self.way_in = self._let_in(settings.api_sources)
        self._admins(settings.admins)
        if self._auto:
            self.objects, self.ready = self._auto_mode(subnet_ids)
        else:
            self.objects, self.ready = self._groups(subnet_ids, network, device_plugin)
        if settings.pod_logs:
            self.ready = (*self.ready, self._pod_logs())
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(
                self._cluster.name, self._cluster.endpoint, self._cluster.certificate_authority, scope
            ).apply(
                lambda k: kubeconfig(
                    k[0],
                    k[1],
                    output_field(k[2], "data"),
                    k[3].region,
                    role=settings.assume_role,
                    profile=settings.profile,
                )
            )
        )
        self.register_outputs({"clusterName": self.cluster_name, "arn": self.arn})

    def _child(self, **more: Any) -> pulumi.ResourceOptions:  # noqa: ANN401 - ResourceOptions' own keywords
        return pulumi.ResourceOptions(parent=self, **more)

    def _made(self, subnet_ids: SubnetIds, network: Sequence[pulumi.Resource]) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
        settings, name = self._settings, self._name
        log = log_group(name, f"/aws/eks/{name}/cluster", settings.log_days, self._tags, self._child())
        trust = policies.trusts_service("eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession"))
        role = self._role("cluster", trust, (*CLUSTER_POLICIES, *(AUTO_POLICIES if self._auto else ())))
        own = [self._own_policy("cluster", role[0], policies.cluster)] if self._auto else []
        # All three or none, and none is said as well: left out, a cluster that had them would keep them. Without pools of
        # EKS's own, so that nodes and volumes carry the stack's tags; see node_objects.
        auto = {"enabled": self._auto}
        return self._eks.Cluster(
            name,
            name=name,
            version=settings.kubernetes_version,
            role_arn=role[0].arn,
            vpc_config={
                "subnet_ids": subnet_ids,
                "endpoint_private_access": True,
                "endpoint_public_access": bool(settings.api_cidrs),
                **({"public_access_cidrs": list(settings.api_cidrs)} if settings.api_cidrs else {}),
            },
            access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
            # Our own list of add-ons, in our own order.
            bootstrap_self_managed_addons=False,
            # What is on its way out says no more: EKS would write it after the end, into a group that it makes anew.
            enabled_cluster_log_types=list(LOGS) if settings.protect else [],
            # Extended support costs six times as much: rather be upgraded.
            upgrade_policy={"support_type": "STANDARD"},
            deletion_protection=settings.protect,
            compute_config=auto,
            kubernetes_network_config={"elastic_load_balancing": auto},
            storage_config={"block_storage": auto},
            # EKS keeps to the zones that it was made with; nodes go into new ones without it.
            opts=self._child(depends_on=[log, *own, *role[1:], *network], ignore_changes=["vpcConfig.subnetIds"]),
        )

    def _role(self, duty: str, trust: Any, managed: Sequence[str]) -> tuple[Any, ...]:  # noqa: ANN401 - a document or its output
        name = naming.shortened(f"{self._name}-{duty}", naming.ROLE)
        text = pulumi.Output.from_input(trust).apply(policies.dump)
        role = self._iam.Role(name, assume_role_policy=text, opts=self._child(), **self._settings.role_args)
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

    def _own_policy(self, duty: str, role: Any, write: Callable[[Scope], policies.Document]) -> Any:  # noqa: ANN401
        return self._iam.RolePolicy(
            naming.shortened(f"{self._name}-{duty}", naming.ROLE),
            role=role.id,
            policy=self._scope.apply(write).apply(policies.dump),
            opts=self._child(),
        )

    def _let_in(self, sources: Sequence[str]) -> list[pulumi.Resource]:
        """Open the private endpoint, which else only nodes reach."""
        from pulumi_aws import vpc

        made = []
        for source in sources:
            whom = {"referenced_security_group_id": source} if source.startswith("sg-") else {"cidr_ipv4": source}
            made.append(
                vpc.SecurityGroupIngressRule(
                    naming.told_apart(f"{self._name}-api", source),
                    security_group_id=self.security_group_id,
                    ip_protocol="tcp",
                    from_port=443,
                    to_port=443,
                    opts=self._child(),
                    **whom,
                )
            )
        return made

    def _admins(self, arns: Sequence[str]) -> None:
        heirs: set[str] = set()
        for arn in dict.fromkeys(arns):
            short = f"{self._name}-{arn.rpartition('/')[2]}"
            label = naming.told_apart(short, arn)
            # What was made under the short name is kept: a second entry for the same ARN would be refused.
            before = [] if short in heirs else [pulumi.Alias(name=short)]
            heirs.add(short)
            self._entry(label, self._caller.apply(partial(another_than, arn)), ADMIN_POLICY, before)

    def _entry(
        self, label: str, principal: pulumi.Input[str], policy: str, before: Sequence[pulumi.Alias] = (), kind: str = ""
    ) -> pulumi.Resource:
        entry = self._eks.AccessEntry(
            label,
            cluster_name=self._cluster.name,
            principal_arn=principal,
            opts=self._child(aliases=list(before)),
            **({"type": kind} if kind else {}),
        )
        made: pulumi.Resource = self._eks.AccessPolicyAssociation(
            label,
            cluster_name=self._cluster.name,
            principal_arn=principal,
            policy_arn=self._scope.apply(
                lambda scope: f"arn:{scope.partition}:eks::aws:cluster-access-policy/{policy}"
            ),
            access_scope={"type": "cluster"},
            opts=self._child(depends_on=[entry], aliases=list(before)),
        )
        return made

    def _addon(self, addon: str, after: Sequence[pulumi.Resource], **more: Any) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
        version = self._eks.get_addon_version_output(
            addon_name=addon,
            kubernetes_version=self._settings.kubernetes_version,
            opts=pulumi.InvokeOptions(parent=self),
        )
        return self._eks.Addon(
            f"{self._name}-{addon}",
            cluster_name=self._cluster.name,
            addon_name=addon,
            # The default of that Kubernetes: an upgrade of the cluster takes its add-ons along.
            addon_version=version.version,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            opts=self._child(depends_on=list(after)),
            **more,
        )

    def _auto_mode(self, subnet_ids: SubnetIds) -> tuple[list[Any], tuple[pulumi.Resource, ...]]:
        """EKS makes the nodes; what network, identity, volumes and load balancers need is built in."""
        role = self._role("node", policies.trusts_service("ec2.amazonaws.com"), AUTO_NODE_POLICIES)
        self._own_policy("node", role[0], policies.node)
        joins = self._entry(f"{self._name}-node", role[0].arn, AUTO_NODE_POLICY, kind="EC2")
        objects = [
            node_objects.network_policy_switch(),
            node_objects.node_class(role[0].name, subnet_ids, self.security_group_id, self._tags, self._key),
            *node_objects.node_pools(self._settings.gpus),
            node_objects.storage_class(auto=True, tags=self._tags, key_arn=self._key),
        ]
        return objects, (joins, *role[1:], self._addon("metrics-server", [self._cluster]))

    def _groups(
        self,
        subnet_ids: SubnetIds,
        network: Sequence[pulumi.Resource],
        device_plugin: str,
    ) -> tuple[list[Any], tuple[pulumi.Resource, ...]]:
        early = [
            self._addon(addon, (), **({"configuration_values": _CNI} if addon == "vpc-cni" else {}))
            for addon in BEFORE_NODES
        ]
        role = self._role("node", policies.trusts_service("ec2.amazonaws.com"), NODE_POLICIES)
        self._own_policy("node", role[0], policies.node)
        nodes = [
            node_group(
                group,
                cluster=self._name,
                cluster_name=self._cluster.name,
                settings=self._settings,
                role_arn=role[0].arn,
                subnet_ids=subnet_ids,
                tags=self._tags,
                key_arn=self._key,
                opts=self._child(),
                after=[*role[1:], *early, *network],
            )
            for group in self._settings.groups
        ]
        late = [self._addon(addon, nodes) for addon in AFTER_NODES]
        late.append(
            self._addon_with_role("aws-ebs-csi-driver", "ebs-csi-controller-sa", "AmazonEBSCSIDriverPolicy", nodes)
        )
        objects = [node_objects.storage_class(auto=False, tags=self._tags, key_arn=self._key)]
        if any(accelerator(group.types[0]) == "nvidia" for group in self._settings.groups):
            objects.append(node_objects.device_plugin(device_plugin))
        return objects, (*nodes, *early, *late)

    def _addon_with_role(self, addon: str, account: str, policy: str, after: Sequence[Any], **more: Any) -> Any:  # noqa: ANN401
        namespace = "amazon-cloudwatch" if addon == "amazon-cloudwatch-observability" else "kube-system"
        trust = pulumi.Output.all(self._scope, self._cluster.arn).apply(
            lambda known: policies.trusts_pod(known[0], known[1], namespace, account)
        )
        duty = policy.removeprefix("Amazon").removesuffix("Policy")
        role, attached = self._role(duty.lower(), trust, (f"service-role/{policy}" if "EBS" in policy else policy,))
        identity = [{"role_arn": role.arn, "service_account": account}]
        return self._addon(addon, [*after, attached], pod_identity_associations=identity, **more)

    def _pod_logs(self) -> pulumi.Resource:
        """What pods log, in CloudWatch: groups of our own, since those that the add-on makes are kept for ever."""
        name, days = self._name, self._settings.log_days
        groups = [
            log_group(f"{name}-{kind}", f"/aws/containerinsights/{name}/{kind}", days, self._tags, self._child())
            for kind in ("application", "dataplane", "host", "performance")
        ]
        made: pulumi.Resource = self._addon_with_role(
            "amazon-cloudwatch-observability", "cloudwatch-agent", "CloudWatchAgentServerPolicy", [*groups, *self.ready]
        )
        return made


def another_than(arn: str, caller: str) -> str:
    """An administrator's ARN, which must not be the caller's: EKS has let that one in, and refuses a second entry.

    Raises:
        ConfigError: It is.
    """
    if arn == caller:
        raise ConfigError("asya:admins", f"names {arn}, who runs this and is let in already; take it out")
    return arn


def output_field(found: Any, name: str) -> Any:  # noqa: ANN401 - an output object
    """A field of a nested output: an attribute where the SDK knows its class, a key where it does not."""
    return getattr(found, name) if hasattr(found, name) else found[name]
