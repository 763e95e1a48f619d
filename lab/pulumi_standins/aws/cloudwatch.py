"""CloudWatch: log groups and alarms. Source: boto3's references of logs and cloudwatch."""

from typing import Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.emulated import noted
from lab.pulumi_standins.aws.resource import Resource, given
from lab.pulumi_standins.kind import Live
from lab.pulumi_standins.wire import Properties


class LogGroup(Resource):
    """A log group; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "logGroupClass"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateLogGroup and PutRetentionPolicy."""
        clients["logs"].create_log_group(logGroupName=inputs["name"], tags=clients.tags(inputs) or {"pulumi": "yes"})
        self._retain(clients, inputs)
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeLogGroups."""
        for group in aws["logs"].describe_log_groups(logGroupNamePrefix=identifier)["logGroups"]:
            if group["logGroupName"] == identifier:
                live = {"name": identifier, "retentionInDays": group.get("retentionInDays", 0)}
                return Live(live, {**live, "arn": group["arn"].removesuffix(":*")})
        return None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """PutRetentionPolicy."""
        self._retain(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteLogGroup; where a cluster went that wrote there, EKS makes it again for what is still on its way."""
        logs = aws["logs"]
        # LocalStack gives the next group of that name the tags of the one before; AWS does not.
        tags = logs.list_tags_log_group(logGroupName=identifier).get("tags") or {}
        if tags:
            logs.untag_log_group(logGroupName=identifier, tags=list(tags))
        logs.delete_log_group(logGroupName=identifier)
        if identifier in noted("late-logs"):
            logs.create_log_group(logGroupName=identifier)

    def _retain(self, aws: Clients, inputs: Properties) -> None:
        if inputs.get("retentionInDays"):
            aws["logs"].put_retention_policy(logGroupName=inputs["name"], retentionInDays=inputs["retentionInDays"])


class MetricAlarm(Resource):
    """An alarm; its id is its name."""

    autoname = "name"
    force_new = frozenset({"name"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """PutMetricAlarm."""
        dimensions = [{"Name": k, "Value": v} for k, v in (inputs.get("dimensions") or {}).items()]
        clients["cloudwatch"].put_metric_alarm(
            AlarmName=inputs["name"],
            Dimensions=dimensions,
            **given(
                inputs, "comparisonOperator", "evaluationPeriods", "metricName", "namespace", "period", "statistic"
            ),
            **given(inputs, "threshold", "alarmDescription", "alarmActions", "treatMissingData"),
        )
        return str(inputs["name"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """DescribeAlarms."""
        found = aws["cloudwatch"].describe_alarms(AlarmNames=[identifier])["MetricAlarms"]
        live = {"name": identifier}
        return Live(live, {**live, "arn": found[0]["AlarmArn"]}) if found else None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """PutMetricAlarm replaces it."""
        self.create(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteAlarms."""
        aws["cloudwatch"].delete_alarms(AlarmNames=[identifier])


KINDS: Final = {
    "aws:cloudwatch/logGroup:LogGroup": LogGroup(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": MetricAlarm(),
}
