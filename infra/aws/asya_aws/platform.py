"""Roles for the actors of a team's own program, from what the platform's stack tells."""

from collections.abc import Mapping
from typing import Any

import pulumi

from asya_aws.identity import SCOPE_KEYS, ActorRoles
from asya_aws.scope import Scope
from asya_infra.config_reader import ConfigReader


def actor_roles(told: Mapping[str, Any], read: ConfigReader, opts: pulumi.ResourceOptions | None = None) -> ActorRoles:
    """Roles for a team's actors, made in its own program by whatever credentials that has.

    Args:
        told: What the platform exported.
        read: The team's settings: ``asya:profile`` and ``asya:assumeRole``.
        opts: Of the provider's resource.
    """
    import pulumi_aws

    profile, role = read.text("profile"), read.text("assumeRole")
    provider = pulumi_aws.Provider(
        "asya-aws",
        region=told["region"],
        allowed_account_ids=[told["account"]],
        default_tags={"tags": {"asya:project": pulumi.get_project(), "asya:stack": pulumi.get_stack()}},
        assume_roles=[pulumi_aws.ProviderAssumeRoleArgs(role_arn=role)] if role else None,
        **({"profile": profile} if profile else {}),
        opts=opts,
    )
    return ActorRoles(
        str(told["name"]),
        cluster_name=pulumi.Output.from_input(str(told["clusterName"])),
        cluster_arn=pulumi.Output.from_input(str(told["clusterArn"])),
        scope=pulumi.Output.from_input(Scope(**{attribute: told[key] for key, attribute in SCOPE_KEYS.items()})),
        provider=provider,
        role_args=told["roleArgs"],
    )
