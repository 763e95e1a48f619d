"""Roles for pods, by EKS Pod Identity: one per duty, each bound to exactly one service account."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pulumi

from asya_aws import naming, policies
from asya_aws.scope import Scope
from asya_infra.installation import CREW, OPERATOR

GATEWAY: Final = "asya-gateway"
KEDA_NAMESPACE: Final = "keda"
KEDA_ACCOUNT: Final = "keda-operator"


class PodRoles:
    """Gives pods their roles.

    Args:
        name: Begins the roles' names.
        cluster_name: The EKS cluster.
        cluster_arn: The same.
        scope: The mesh, with bucket and key.
        provider: Of AWS.
        system_namespace: Of the operator and the gateway.
        gateway: Whether there is one.
        role_args: What every role has besides its trust: path, permissions boundary.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster_name: pulumi.Output[str],
        cluster_arn: pulumi.Output[str],
        scope: pulumi.Output[Scope],
        provider: pulumi.ProviderResource,
        system_namespace: str,
        gateway: bool,
        role_args: Mapping[str, str] | None = None,
    ) -> None:
        self._role_args = role_args
        self._name, self._cluster_name, self._cluster_arn = name, cluster_name, cluster_arn
        self._scope, self._provider = scope, provider
        duties: list[tuple[str, str, str, Callable[[Scope], policies.Document]]] = [
            ("operator", system_namespace, OPERATOR, policies.operator),
            ("keda", KEDA_NAMESPACE, KEDA_ACCOUNT, policies.keda),
        ]
        if gateway:
            duties.append(("gateway", system_namespace, GATEWAY, policies.gateway))
        opts = pulumi.ResourceOptions(providers=[provider])
        self.ready: Sequence[pulumi.Resource] = [
            self._role(duty, namespace, account, write, opts) for duty, namespace, account, write in duties
        ]

    def of_actor(
        self, actor: str, namespace: str, sends_to: Sequence[str] | None, parent: pulumi.Resource
    ) -> tuple[str, Sequence[pulumi.Resource]]:
        """A role of the actor's own, for a service account of its own."""
        account = f"asya-{actor}"

        def write(scope: Scope) -> policies.Document:
            return policies.crew(scope, actor) if actor in CREW else policies.actor(scope, actor, sends_to)

        opts = pulumi.ResourceOptions(parent=parent, providers=[self._provider])
        role = self._role(f"actor-{actor}", namespace, account, write, opts)
        return account, (role,)

    def _role(
        self,
        duty: str,
        namespace: str,
        account: str,
        policy: Callable[[Scope], policies.Document],
        opts: pulumi.ResourceOptions,
    ) -> "PodRole":
        return PodRole(
            f"{self._name}-{duty}",
            namespace=namespace,
            service_account=account,
            policy=policy,
            cluster_name=self._cluster_name,
            cluster_arn=self._cluster_arn,
            scope=self._scope,
            role_args=self._role_args,
            opts=opts,
        )


class PodRole(pulumi.ComponentResource):
    """A role, what it allows, and the service account that has it.

    Args:
        name: Of the resources; cut to the limit of a role's name.
        namespace: Of the service account.
        service_account: The only one that has it.
        policy: What it allows.
        cluster_name: The only cluster whose pods have it.
        cluster_arn: The same.
        scope: The mesh.
        role_args: What the role has besides its trust.
        opts: With the provider.
    """

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        namespace: str,
        service_account: str,
        policy: Callable[[Scope], policies.Document],
        cluster_name: pulumi.Output[str],
        cluster_arn: pulumi.Output[str],
        scope: pulumi.Output[Scope],
        role_args: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:PodRole", name, {}, opts)
        from pulumi_aws import eks, iam

        child = pulumi.ResourceOptions(parent=self)
        trust = pulumi.Output.all(scope, cluster_arn).apply(
            lambda known: policies.dump(policies.trusts_pod(known[0], known[1], namespace, service_account))
        )
        short = naming.shortened(name, naming.ROLE)
        role: Any = iam.Role(short, assume_role_policy=trust, opts=child, **(role_args or {}))
        allowed = iam.RolePolicy(short, role=role.id, policy=scope.apply(policy).apply(policies.dump), opts=child)
        eks.PodIdentityAssociation(
            short,
            cluster_name=cluster_name,
            namespace=namespace,
            service_account=service_account,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[allowed])),
        )
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})
