"""Flow logs: who talked to whom in a VPC, accepted and refused, in a log group of its own.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html. The role makes no group, so none comes back
after the stack's end.
"""

import pulumi

from asya_aws import naming, policies
from asya_aws.settings import AwsSettings


def keep_flow_logs(name: str, vpc_id: pulumi.Input[str], settings: AwsSettings, opts: pulumi.ResourceOptions) -> None:
    """Record them.

    Args:
        name: Begins the resources' names.
        vpc_id: Of the VPC.
        settings: For how long, and what every role has.
        opts: With parent and provider.
    """
    from pulumi_aws import cloudwatch, ec2, iam

    label = f"{name}-flow"
    group = cloudwatch.LogGroup(label, retention_in_days=settings.flow_log_days, opts=opts)
    trust = policies.dump(policies.trusts_service("vpc-flow-logs.amazonaws.com"))
    short = naming.shortened(label, naming.ROLE)
    role = iam.Role(short, assume_role_policy=trust, opts=opts, **settings.role_args)
    text = group.arn.apply(policies.flow_logs).apply(policies.dump)
    allowed = iam.RolePolicy(short, role=role.id, policy=text, opts=opts)
    ec2.FlowLog(
        label,
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[allowed])),
    )
