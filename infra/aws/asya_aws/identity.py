"""Roles for pods, by EKS Pod Identity: one per duty, each bound to exactly one service account."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pulumi

from asya_aws import naming, policies
from asya_aws.scope import Scope
from asya_infra.installation import CREW, OPERATOR
from asya_infra.target import Policy, Rights

GATEWAY: Final = "asya-gateway"
KEDA_NAMESPACE: Final = "keda"
KEDA_ACCOUNT: Final = "keda-operator"


SCOPE_KEYS: Final = {
    "region": "region",
    "account": "account",
    "partition": "partition",
    "dnsSuffix": "dns_suffix",
    "prefix": "prefix",
    "keyArn": "key_arn",
    "bucket": "bucket",
}
"""Output: field of ``Scope``."""


def facts(name: str, scope: Scope, cluster: str, cluster_arn: str, role_args: Mapping[str, str]) -> dict[str, Any]:
    """What a platform's stack tells the programs of teams. Pure."""
    told = {key: getattr(scope, attribute) for key, attribute in SCOPE_KEYS.items()}
    more = {"name": name, "clusterName": cluster, "clusterArn": cluster_arn, "roleArgs": dict(role_args)}
    return {"kind": "aws", **told, **more}


class ActorRoles:
    """Gives actors' pods roles.

    Args:
        name: Begins the roles' names.
        cluster_name: The EKS cluster.
        cluster_arn: The same.
        scope: The mesh, with bucket and key.
        provider: Of AWS.
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
        role_args: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self._cluster_name, self._cluster_arn = name, cluster_name, cluster_arn
        self._scope, self._provider, self._role_args = scope, provider, role_args
        self.ready: Sequence[pulumi.Resource] = ()

    @property
    def facts(self) -> pulumi.Output[Mapping[str, Any]]:
        """What another program needs to make roles like these."""
        return pulumi.Output.all(self._scope, self._cluster_name, self._cluster_arn).apply(
            lambda known: facts(self._name, known[0], known[1], known[2], self._role_args or {})
        )

    def of_actor(
        self, actor: str, namespace: pulumi.Input[str], rights: Rights, parent: pulumi.Resource
    ) -> tuple[pulumi.Input[str], Sequence[pulumi.Resource]]:
        """A role of the actor's own, for a service account of its own or the one that it names."""
        account = rights.service_account or f"asya-{actor}"

        def write(scope: Scope) -> pulumi.Output[policies.Document]:
            sends: pulumi.Output[Any] = pulumi.Output.from_input(
                None if rights.sends_to is None else list(rights.sends_to)
            )
            return sends.apply(
                lambda names: policies.crew(scope, actor) if actor in CREW else policies.actor(scope, actor, names)
            )

        opts = pulumi.ResourceOptions(parent=parent, providers=[self._provider])
        role = self._role(f"actor-{actor}", namespace, account, write, opts=opts, more=rights.policies)
        return account, (role,)

    def _role(
        self,
        duty: str,
        namespace: pulumi.Input[str],
        account: pulumi.Input[str],
        policy: Callable[[Scope], pulumi.Input[policies.Document]],
        *,
        opts: pulumi.ResourceOptions,
        more: Sequence[Policy] = (),
    ) -> "PodRole":
        return PodRole(
            f"{self._name}-{duty}",
            namespace=namespace,
            service_account=account,
            policy=policy,
            more=more,
            cluster_name=self._cluster_name,
            cluster_arn=self._cluster_arn,
            scope=self._scope,
            role_args=self._role_args,
            opts=opts,
        )


class PodRoles(ActorRoles):
    """The same, and roles for the mesh's own pods.

    The gateway's is there before a gateway is: EKS gives credentials only to a pod that starts some seconds after its
    association, and nothing makes a gateway anew that came too early when it was added to a living mesh.

    Args:
        name: Begins the roles' names.
        system_namespace: Of the operator and the gateway.
        cluster: ``ActorRoles``' other arguments.
    """

    def __init__(self, name: str, *, system_namespace: str, **cluster: Any) -> None:  # noqa: ANN401
        super().__init__(name, **cluster)
        duties: list[tuple[str, str, str, Callable[[Scope], policies.Document]]] = [
            ("operator", system_namespace, OPERATOR, policies.operator),
            ("keda", KEDA_NAMESPACE, KEDA_ACCOUNT, policies.keda),
            ("gateway", system_namespace, GATEWAY, policies.gateway),
        ]
        opts = pulumi.ResourceOptions(providers=[self._provider])
        self.ready = [
            self._role(duty, namespace, account, write, opts=opts) for duty, namespace, account, write in duties
        ]


class PodRole(pulumi.ComponentResource):
    """A role, what it allows, and the service account that has it.

    Args:
        name: Of the resources; cut to the limit of a role's name.
        namespace: Of the service account.
        service_account: The only one that has it.
        policy: What it allows.
        more: ARNs of policies that it has besides, and statements of IAM as AWS writes them.
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
        namespace: pulumi.Input[str],
        service_account: pulumi.Input[str],
        policy: Callable[[Scope], pulumi.Input[policies.Document]],
        more: Sequence[Policy] = (),
        cluster_name: pulumi.Output[str],
        cluster_arn: pulumi.Output[str],
        scope: pulumi.Output[Scope],
        role_args: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("asya:aws:PodRole", name, {}, opts)
        from pulumi_aws import eks, iam

        child = pulumi.ResourceOptions(parent=self)
        trust = pulumi.Output.all(scope, cluster_arn, namespace, service_account).apply(
            lambda known: policies.dump(policies.trusts_pod(*known))
        )
        short = naming.shortened(name, naming.ROLE)
        role: Any = iam.Role(short, assume_role_policy=trust, opts=child, **(role_args or {}))
        allowed = [iam.RolePolicy(short, role=role.id, policy=scope.apply(policy).apply(policies.dump), opts=child)]
        statements = [dict(each) for each in more if isinstance(each, Mapping)]
        if statements:
            text = pulumi.Output.from_input(statements).apply(lambda known: policies.dump(policies.document(*known)))
            allowed.append(iam.RolePolicy(f"{short}-own", role=role.id, policy=text, opts=child))
        allowed += [
            iam.RolePolicyAttachment(f"{short}-{place}", role=role.name, policy_arn=each, opts=child)
            for place, each in enumerate(more)
            if not isinstance(each, Mapping)
        ]
        eks.PodIdentityAssociation(
            short,
            cluster_name=cluster_name,
            namespace=namespace,
            service_account=service_account,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=allowed)),
        )
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})
