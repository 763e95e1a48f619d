"""SQS: queues and their policies. Source: boto3's SQS reference; ForceNew of terraform-provider-aws sqs/queue.go."""

from typing import Any, Final

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource
from lab.pulumi_standins.kind import Live, tag_changes
from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties

_ATTRIBUTES: Final = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "redrivePolicy": "RedrivePolicy",
    "policy": "Policy",
    "fifoQueue": "FifoQueue",
}
_LONGEST_VISIBILITY_S: Final = 43_200


class Queue(Resource):
    """A queue; its id is its URL."""

    autoname = "name"
    force_new = frozenset({"name", "namePrefix", "fifoQueue"})

    def check(self, inputs: Properties) -> list[Problem]:
        """Limits of SQS, and the pair that excludes one another."""
        found: list[Problem] = []
        visible = inputs.get("visibilityTimeoutSeconds", 0)
        if isinstance(visible, int) and not 0 <= visible <= _LONGEST_VISIBILITY_S:
            found.append(("visibilityTimeoutSeconds", f"expected 0 to {_LONGEST_VISIBILITY_S}, got {visible}"))
        if inputs.get("kmsMasterKeyId") and inputs.get("sqsManagedSseEnabled"):
            found.append(("kmsMasterKeyId", "conflicts with sqsManagedSseEnabled"))
        return found

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateQueue."""
        made = clients["sqs"].create_queue(
            QueueName=inputs["name"], Attributes=_attributes(inputs), tags=clients.tags(inputs)
        )
        return str(made["QueueUrl"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetQueueAttributes and ListQueueTags."""
        attributes = aws["sqs"].get_queue_attributes(QueueUrl=identifier, AttributeNames=["All"])["Attributes"]
        tags = aws["sqs"].list_queue_tags(QueueUrl=identifier).get("Tags", {})
        live = {name: _typed(attributes[a]) for name, a in _ATTRIBUTES.items() if a in attributes}
        live |= {"name": attributes["QueueArn"].rsplit(":", 1)[-1]}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        return Live(live, {**live, "arn": attributes["QueueArn"], "url": identifier, "tagsAll": tags})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """SetQueueAttributes; a removed attribute goes back to its default."""
        attributes = _attributes(new)
        for name in ("policy", "redrivePolicy", "kmsMasterKeyId"):
            if old.get(name) and not new.get(name):
                attributes[_ATTRIBUTES[name]] = ""
        clients["sqs"].set_queue_attributes(QueueUrl=identifier, Attributes=attributes)
        gone, changed = tag_changes(old, new)
        if gone:
            clients["sqs"].untag_queue(QueueUrl=identifier, TagKeys=gone)
        if changed:
            clients["sqs"].tag_queue(QueueUrl=identifier, Tags=changed)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteQueue."""
        aws["sqs"].delete_queue(QueueUrl=identifier)


class QueuePolicy(Resource):
    """The policy of a queue that is declared elsewhere."""

    force_new = frozenset({"queueUrl"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """SetQueueAttributes."""
        clients["sqs"].set_queue_attributes(QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]})
        return str(inputs["queueUrl"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """GetQueueAttributes."""
        found = aws["sqs"].get_queue_attributes(QueueUrl=identifier, AttributeNames=["Policy"]).get("Attributes", {})
        return Live({"queueUrl": identifier, "policy": found["Policy"]}) if found.get("Policy") else None

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """SetQueueAttributes."""
        self.create(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """An empty policy is none."""
        aws["sqs"].set_queue_attributes(QueueUrl=identifier, Attributes={"Policy": ""})


def _attributes(inputs: Properties) -> dict[str, str]:
    return {a: _text(inputs[name]) for name, a in _ATTRIBUTES.items() if inputs.get(name) not in (None, False)}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(value: str) -> Any:
    return int(value) if value.isdigit() else {"true": True, "false": False}.get(value, value)


KINDS: Final = {"aws:sqs/queue:Queue": Queue(), "aws:sqs/queuePolicy:QueuePolicy": QueuePolicy()}
