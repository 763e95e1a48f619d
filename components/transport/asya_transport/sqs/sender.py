"""Sends bodies to SQS queues, coalesced per queue, confirmed one by one."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from asya_protocol.errors import EnvelopeTooLarge
from asya_transport.settings import TransportSettings
from asya_transport.sqs.batch import Coalescer
from asya_transport.sqs.body import Text, encode
from asya_transport.sqs.client import SqsClient

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_DELAY_S: Final = 900.0
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


class _Sending(NamedTuple):
    text: Text
    delay_s: int


class SqsSender:
    """Sends to any queue; safe to use concurrently.

    Args:
        client: Shared with the consumers.
        settings: Size limit and linger.
    """

    def __init__(self, client: SqsClient, settings: TransportSettings) -> None:
        self._client = client
        self._linger_s = settings.sqs_linger_s
        self.limit_bytes = settings.sqs_max_body_bytes
        self._coalescers: dict[str, Coalescer[_Sending]] = {}

    async def send(self, queue: str, body: bytes, delay_s: float, attributes: Mapping[str, str] | None) -> None:
        """Put one body on a queue; return when SQS has confirmed it.

        Raises:
            EnvelopeRefused: SQS cannot carry the body.
            EnvelopeTooLarge: The body and its attributes are over the limit.
            QueueMissing: Nothing was sent.
            TransportUnavailable: Not confirmed.
        """
        if not 0 <= delay_s <= MAX_DELAY_S:
            raise ValueError(f"delay of {delay_s} s is outside SQS's 0 to {MAX_DELAY_S:g} s")
        await self.send_text(queue, encode(body, attributes, self.limit_bytes), delay_s)

    async def send_text(self, queue: str, text: Text, delay_s: float = 0.0) -> None:
        """Put a prepared body on a queue; as ``send``."""
        # Outside of the batch, so that a missing queue is an error at once, and of its own sender only.
        await self._client.url(queue)
        await self._coalescer(queue).do(_Sending(text, math.ceil(delay_s)), text.size_bytes)

    async def finish(self) -> None:
        """Wait for everything that is under way."""
        for coalescer in list(self._coalescers.values()):
            await coalescer.finish()

    def _coalescer(self, queue: str) -> Coalescer[_Sending]:
        coalescer = self._coalescers.get(queue)
        if coalescer is None:

            async def perform(batch: Sequence[_Sending]) -> Collection[int]:
                return await self._send_batch(queue, batch)

            async def perform_one(sending: _Sending) -> None:
                await self._send_one(queue, sending)

            coalescer = self._coalescers[queue] = Coalescer(
                perform, perform_one, linger_s=self._linger_s, max_bytes=self.limit_bytes
            )
        return coalescer

    async def _send_batch(self, queue: str, batch: Sequence[_Sending]) -> Collection[int]:
        url = await self._client.url(queue)
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(index),
                "MessageBody": each.text.body,
                "DelaySeconds": each.delay_s,
                "MessageAttributes": each.text.shape_attributes(),
            }
            for index, each in enumerate(batch)
        ]
        answer = await self._client.call(queue, lambda client: client.send_message_batch(QueueUrl=url, Entries=entries))
        sent = {each["Id"] for each in answer.get("Successful", [])}
        return [index for index in range(len(batch)) if str(index) not in sent]

    async def _send_one(self, queue: str, sending: _Sending) -> None:
        url, text = await self._client.url(queue), sending.text
        try:
            await self._client.call(
                queue,
                lambda client: client.send_message(
                    QueueUrl=url,
                    MessageBody=text.body,
                    DelaySeconds=sending.delay_s,
                    MessageAttributes=text.shape_attributes(),
                ),
            )
        except EnvelopeTooLarge as exc:  # the broker's limit is below the one that our settings name
            raise EnvelopeTooLarge(text.size_bytes, exc.limit_bytes) from exc
