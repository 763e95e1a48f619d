"""The SQS transport, for AWS, LocalStack and other servers that speak its protocol.

This folder is the only one that imports botocore, and is imported only when SQS is the chosen transport.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from asya_process.backoff import pauses
from asya_protocol.errors import QueueMissing, TransportError, TransportUnavailable
from asya_transport.settings import TransportSettings
from asya_transport.sqs.client import SqsClient
from asya_transport.sqs.consumer import SqsConsumer
from asya_transport.sqs.sender import MAX_DELAY_S, SqsSender

_PROBE_QUEUE: Final = "asya-connection-probe"
"""Never created: any answer about it, even a refusal, shows that SQS is there; it needs no permission of its own."""

_MAX_BACKOFF_S: Final = 30.0


class SqsTransport:
    """A connection to SQS; credentials come from the AWS default chain.

    Args:
        settings: Region, endpoint, lease, wait time and limits.
    """

    name = "sqs"
    max_delay_s = MAX_DELAY_S

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._client = SqsClient(settings)
        self._sender = SqsSender(self._client, settings)
        self._consumers: set[SqsConsumer] = set()

    @property
    def max_body_bytes(self) -> int:
        """Largest body with its attributes."""
        return self._settings.sqs_max_body_bytes

    @property
    def requests(self) -> Mapping[str, int]:
        """See the port."""
        return self._client.requests

    async def connect(self) -> None:
        """Reach SQS; how often that is tried is in the settings."""
        settings = self._settings
        for pause_s in pauses(settings.queue_retry_backoff_s, _MAX_BACKOFF_S, settings.queue_retry_max_attempts):
            try:
                await self.ping()
            except TransportUnavailable:
                await asyncio.sleep(pause_s)
            else:
                return
        await self.ping()

    async def ping(self) -> None:
        """See the port."""
        try:
            await self._client.url(_PROBE_QUEUE)
        except QueueMissing:
            return
        except TransportError as exc:
            if isinstance(exc, TransportUnavailable) or "AccessDenied" not in str(exc):
                raise
            # a role that names its own queues only

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Put one body on a queue; return when SQS has confirmed it."""
        await self._sender.send(queue, body, delay_s, attributes)

    async def consume(self, queue: str, *, prefetch: int = 1) -> SqsConsumer:
        """Open a consumer; nothing is taken before ``receive``."""
        self._client.forget(queue)  # ask, so that a queue deleted meanwhile is noticed here
        await self._client.url(queue)
        consumer = SqsConsumer(self._client, self._sender, queue, self._settings, self._consumers.discard)
        self._consumers.add(consumer)
        return consumer

    async def close(self) -> None:
        """Finish polls and sends under way, release what is out, and disconnect."""
        await asyncio.gather(*(consumer.close() for consumer in list(self._consumers)), return_exceptions=True)
        await self._sender.finish()
        await self._client.close()
