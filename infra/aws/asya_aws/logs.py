"""Log groups by the names that AWS's services write to: made with an age, and never found in the way half-way.

EKS's own role (``AWSServiceRoleForAmazonEKS``) writes what the control plane still says after the cluster is deleted, and makes
the group anew for it: what the next ``up`` would make is there already. So an unprotected cluster, which is on its way out,
keeps no logs of its control plane, and a group that is left all the same is said in the preview.
Source: https://github.com/terraform-aws-modules/terraform-aws-eks/issues/2763, where the maker is seen in CloudTrail.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pulumi

from asya_infra.errors import ConfigError

OURS: Final = ("asya:project", "asya:stack")
"""Tags by which a stack knows what it made; groups that AWS makes have none."""


def log_group(label: str, name: str, days: int, tags: Mapping[str, str], opts: pulumi.ResourceOptions) -> Any:  # noqa: ANN401 - pulumi_aws is not read by mypy
    """Make one.

    Args:
        label: Of the resource.
        name: Of the group, which AWS knows.
        days: What it keeps.
        tags: Of everything in the stack.
        opts: With parent and provider.
    """
    from pulumi_aws import cloudwatch

    ask = pulumi.InvokeOptions(parent=opts.parent)

    def judged(listed: Any) -> pulumi.Input[str]:  # noqa: ANN401 - an invoke's answer
        if name not in listed.log_group_names:
            return name
        there = cloudwatch.get_log_group_output(name=name, opts=ask)
        known: pulumi.Output[str] = there.tags.apply(partial(own_name, name, tags))
        return known

    listed = cloudwatch.get_log_groups_output(log_group_name_prefix=name, opts=ask)
    free: pulumi.Output[str] = pulumi.Output.from_input(listed).apply(judged)
    return cloudwatch.LogGroup(label, name=free, retention_in_days=days, opts=opts)


def own_name(name: str, tags: Mapping[str, str], found: Mapping[str, str] | None) -> str:
    """The name of a group that is there, if it is the stack's own. Pure.

    Args:
        name: Of the group.
        tags: Of everything in the stack.
        found: Those of the group.

    Raises:
        ConfigError: It is not.
    """
    if all((found or {}).get(key) == tags.get(key) for key in OURS):
        return name
    raise ConfigError(
        "asya:cluster",
        f"eks writes to the log group {name}, which is there and not this stack's: an earlier cluster left it, or one of that "
        f"name lives; once nobody needs it: aws logs delete-log-group --log-group-name {name}",
    )
