"""Creates, measures and deletes SQS queues, each with a dead letter queue; changes attributes in place.

SQS's counts are approximate: they settle within a minute of the last change.
"""

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from asya_protocol import names
from asya_protocol.errors import QueueMissing, TransportError
from asya_transport.port import Depth, QueueSpec
from asya_transport.settings import TransportSettings
from asya_transport.sqs.batch import MAX_ENTRIES
from asya_transport.sqs.client import SqsClient

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType
    from types_boto3_sqs.type_defs import ListQueuesRequestTypeDef

_READY: Final = "ApproximateNumberOfMessages"
_IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"
_DELAYED: Final = "ApproximateNumberOfMessagesDelayed"
_LONG_POLL_S: Final = 20
"""Also an attribute of the queue, for readers that ask for no wait of their own."""
_DRAIN_WAIT_S: Final = 1
"""A short poll asks only some of SQS's servers, so only a long one proves a queue empty."""
_PAGE: Final = 1000
BOUNDS: Final = {
    "VisibilityTimeout": (0, 43_200),
    "MessageRetentionPeriod": (60, 1_209_600),
    "maxReceiveCount": (1, 1000),
}
"""What AWS takes; LocalStack takes more. Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
TAG_OWNER: Final = ("asya.sh/managed-by", "asya")
TAG_ACTOR: Final = "asya.sh/actor"


class SqsAdmin:
    """Creates, measures and deletes queues.

    Args:
        settings: Region and endpoint.
    """

    def __init__(self, settings: TransportSettings) -> None:
        self._client = SqsClient(settings)
        self._names = settings.queue_names

    version = ""  # a service has none
    alarms = ()

    @property
    def requests(self) -> Mapping[str, int]:
        """See the port."""
        return self._client.requests

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make the queue and its dead letter queue be as the spec says; content stays."""
        dead = names.dlq_name(queue)
        common: dict[QueueAttributeNameType, str] = {
            "VisibilityTimeout": _bounded("VisibilityTimeout", spec.lease_s),
            "ReceiveMessageWaitTimeSeconds": str(_LONG_POLL_S),
        }
        if spec.encryption_key:
            common["KmsMasterKeyId"] = spec.encryption_key
        retention = [_bounded("MessageRetentionPeriod", each) for each in (spec.retention_s, spec.dlq_retention_s)]
        receives = int(_bounded("maxReceiveCount", spec.max_deliveries))
        await self._ensure(dead, queue, {**common, "MessageRetentionPeriod": retention[1]})
        redrive = {"deadLetterTargetArn": await self._arn(dead), "maxReceiveCount": receives}
        wanted: dict[QueueAttributeNameType, str] = {
            **common,
            "MessageRetentionPeriod": retention[0],
            "RedrivePolicy": json.dumps(redrive),
        }
        await self._ensure(queue, queue, wanted)
        if spec.tls_only:
            for each in (dead, queue):  # a policy names its queue by ARN, which a new queue has only now
                await self._ensure(each, queue, {"Policy": tls_only_policy(await self._arn(each))})

    async def measure(self, queue: str) -> Depth:
        """Count a queue's envelopes."""
        attributes = await self._attributes(queue, [_READY, _IN_FLIGHT, _DELAYED])
        return Depth(int(attributes[_READY]), int(attributes[_IN_FLIGHT]), int(attributes[_DELAYED]))

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """The queues that start with ``prefix``, sorted; SQS does not tell with the list what they hold."""
        found = await self._client.call(prefix, lambda client: _list_pages(client, prefix))
        return dict.fromkeys(sorted(url.rsplit("/", 1)[-1] for url in found))

    async def drain(self, queue: str) -> int:
        """Purge what can be received; delayed envelopes and those in flight stay.

        Received and deleted, not purged: SQS allows one PurgeQueue a minute and throws away what is sent after it.
        """
        url = await self._client.url(queue)
        count = 0
        while deleted := await self._client.poll(queue, lambda client: _delete_some(client, url)):
            count += deleted
        return count

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """Delete a queue and its dead letter queue; whether it is gone."""
        both = (queue, names.dlq_name(queue))
        if not force:
            for each in both:
                self._client.forget(each)
                with contextlib.suppress(QueueMissing):
                    if (await self.measure(each)).total:
                        return False
        for each in both:
            with contextlib.suppress(QueueMissing):
                await self._delete_one(each)
            self._client.forget(each)
        return True

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()

    async def _ensure(self, queue: str, owner: str, wanted: "Mapping[QueueAttributeNameType, str]") -> None:
        self._client.forget(queue)
        try:
            present = await self._attributes(queue, ["All"])
        except QueueMissing:
            if await self._create(queue, owner, wanted):
                return
            present = await self._attributes(queue, ["All"])
        changed = {name: value for name, value in wanted.items() if not _same(present.get(name), value)}
        if changed:
            url = await self._client.url(queue)
            await self._client.call(queue, lambda client: client.set_queue_attributes(QueueUrl=url, Attributes=changed))

    async def _delete_one(self, queue: str) -> None:
        url = await self._client.url(queue)
        await self._client.call(queue, lambda client: client.delete_queue(QueueUrl=url))

    async def _create(self, queue: str, owner: str, wanted: "Mapping[QueueAttributeNameType, str]") -> bool:
        tags = dict([TAG_OWNER, (TAG_ACTOR, self._names.actor(owner))])
        try:
            await self._client.call(
                queue, lambda client: client.create_queue(QueueName=queue, Attributes=dict(wanted), tags=tags)
            )
        except TransportError as exc:
            if "QueueNameExists" in str(exc) or "QueueAlreadyExists" in str(exc):
                return False  # somebody else made it meanwhile, with other attributes
            raise
        return True

    async def _arn(self, queue: str) -> str:
        return (await self._attributes(queue, ["QueueArn"]))["QueueArn"]

    async def _attributes(
        self, queue: str, wanted: "list[QueueAttributeNameType]"
    ) -> "dict[QueueAttributeNameType, str]":
        url = await self._client.url(queue)
        answer = await self._client.call(
            queue, lambda client: client.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)
        )
        return answer["Attributes"]


def tls_only_policy(arn: str) -> str:
    """A queue's policy that refuses callers without TLS; which callers may come at all is up to their own policies."""
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _bounded(attribute: str, value: float) -> str:
    """Write a number as SQS takes it; one that AWS would refuse is refused here, on every stand-in too."""
    (low, high), number = BOUNDS[attribute], round(value)
    if not low <= number <= high:
        raise TransportError(f"SQS: {attribute} of {number} is outside {low} to {high}")
    return str(number)


def _same(present: str | None, wanted: str) -> bool:
    if present is None or present == wanted:
        return present is not None
    try:
        # RedrivePolicy: SQS writes its JSON in its own way, numbers as numbers or as text.
        return {k: str(v) for k, v in json.loads(present).items()} == {k: str(v) for k, v in json.loads(wanted).items()}
    except (ValueError, AttributeError):
        return False


def _list_pages(client: "SQSClient", prefix: str) -> list[str]:
    urls: list[str] = []
    request: ListQueuesRequestTypeDef = {"MaxResults": _PAGE}
    if prefix:
        request["QueueNamePrefix"] = prefix
    while True:
        answer = client.list_queues(**request)
        urls += answer.get("QueueUrls", [])
        token = answer.get("NextToken")
        if not token:
            return urls
        request["NextToken"] = token


def _delete_some(client: "SQSClient", url: str) -> int:
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=MAX_ENTRIES, WaitTimeSeconds=_DRAIN_WAIT_S)
    found = answer.get("Messages", [])
    if not found:
        return 0
    client.delete_message_batch(  # what fails comes again and is drained again
        QueueUrl=url,
        Entries=[{"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]} for index, each in enumerate(found)],
    )
    return len(found)
