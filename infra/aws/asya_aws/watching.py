"""Optional alarms by e-mail: for the budget, and for a database that fills up."""

from collections.abc import Callable, Mapping

import pulumi

from asya_aws.settings import AwsSettings

LOW_BYTES = 2 * 1024**3


def watch_budget(
    name: str, settings: AwsSettings, tags: Mapping[str, str], opts: Callable[[], pulumi.ResourceOptions]
) -> None:
    """A monthly budget of what carries the stack's tag; AWS counts by it once the tag is activated for billing.

    Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
    """
    if not settings.monthly_budget:
        return
    from pulumi_aws import budgets

    budgets.Budget(
        name,
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount=str(settings.monthly_budget),
        limit_unit="USD",
        cost_filters=[{"name": "TagKeyValue", "values": [f"user:asya:stack${tags['asya:stack']}"]}],
        notifications=[
            {
                "comparison_operator": "GREATER_THAN",
                "threshold": percent,
                "threshold_type": "PERCENTAGE",
                "notification_type": kind,
                "subscriber_email_addresses": [settings.alarm_email],
            }
            for percent, kind in ((80, "ACTUAL"), (100, "FORECASTED"))
        ],
        opts=opts(),
    )


def watch_database(
    name: str, identifier: pulumi.Output[str], settings: AwsSettings, opts: pulumi.ResourceOptions
) -> None:
    """An alarm for little free storage, by a mail that its reader has to confirm once."""
    if not settings.alarm_email:
        return
    from pulumi_aws import cloudwatch, sns

    topic = sns.Topic(f"{name}-alarms", opts=opts)
    sns.TopicSubscription(f"{name}-alarms", topic=topic.arn, protocol="email", endpoint=settings.alarm_email, opts=opts)
    cloudwatch.MetricAlarm(
        f"{name}-storage",
        namespace="AWS/RDS",
        metric_name="FreeStorageSpace",
        dimensions={"DBInstanceIdentifier": identifier},
        statistic="Minimum",
        period=300,
        evaluation_periods=3,
        comparison_operator="LessThanThreshold",
        threshold=LOW_BYTES,
        alarm_description="The gateway's database has less than 2 GiB left: raise asya:databaseGib or asya:databaseMaxGib",
        alarm_actions=[topic.arn],
        opts=opts,
    )
