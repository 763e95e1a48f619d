"""The SQS client: two boto3 clients with a bounded thread pool each, and a cache of queue URLs.

Botocore blocks, so every call runs in a thread. Long polls have a pool of their own, or a few of them would keep sends
and settlements waiting for 20 s. Botocore's ``session`` is used without boto3's upper half, which costs 3 MB and adds
only resources. Everything that a call raises leaves here translated.
"""

import asyncio
import functools
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar, cast
from urllib.parse import urlsplit

import botocore.loaders
import botocore.session
from botocore.config import Config

from asya_protocol.errors import QueueMissing, TransportError
from asya_transport.settings import TransportSettings
from asya_transport.sqs.errors import FOREIGN, translate

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

CALLERS: Final = 8
"""Sends and settlements under way at once, each of up to ten entries."""
POLLERS: Final = 64
"""Long polls under way at once; their threads and connections are made when first needed."""
CONNECT_TIMEOUT_S: Final = 3.0
CALL_TIMEOUT_S: Final = 10.0
"""An ordinary call takes milliseconds; one that takes this long is tried again."""
CALL_ATTEMPTS: Final = 3
POLL_GRACE_S: Final = 10.0
"""What a long poll may take beyond its own wait. Its retries are the consumer's business, so it has none here."""
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
"""What a queue can be called; SQS answers for others that a parameter is wrong, and not that there is no such queue.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
"""

Answer = TypeVar("Answer")


@functools.cache
def _loader() -> botocore.loaders.Loader:
    """The service descriptions, read once per process: transport and admin need the same 9 MB of them."""
    return botocore.loaders.create_loader()


class SqsClient:
    """A connection to SQS.

    Args:
        settings: Region, endpoint and wait time.
    """

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="sqs-call")
        self._pollers = ThreadPoolExecutor(POLLERS, thread_name_prefix="sqs-poll")
        self._clients: tuple[SQSClient, SQSClient] | None = None
        self._building = threading.Lock()
        self._urls: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        """By SQS's name of the call; each try is one, as SQS bills them."""
        self._closed = False

    async def call(self, queue: str, ask: "Callable[[SQSClient], Answer]") -> Answer:
        """Run one call in a thread.

        Args:
            queue: Queue that it is about.
            ask: The call; blocks, and may use nothing but the client.

        Raises:
            TransportError: Or one of its kinds, as the answer says.
        """
        return await self._run(self._callers, queue, lambda: ask(self._build()[0]))

    async def poll(self, queue: str, ask: "Callable[[SQSClient], Answer]") -> Answer:
        """Run one long poll in a thread; not tried again when it fails."""
        return await self._run(self._pollers, queue, lambda: ask(self._build()[1]))

    async def url(self, queue: str) -> str:
        """Look up a queue's URL; remembered until the queue turns out to be missing.

        Raises:
            QueueMissing: There is no such queue, or can be none of that name.
        """
        known = self._urls.get(queue)
        if known is None:
            if not NAME.fullmatch(queue):
                raise QueueMissing(queue)
            answer = await self.call(queue, lambda client: client.get_queue_url(QueueName=queue))
            known = self._urls[queue] = self.rebase(answer["QueueUrl"])
        return known

    def rebase(self, url: str) -> str:
        """Put the custom endpoint's scheme and host into a queue URL: a stand-in may answer with a name of its own."""
        if self._settings.sqs_endpoint is None:
            return url
        endpoint, found = urlsplit(self._settings.sqs_endpoint), urlsplit(url)
        return found._replace(scheme=endpoint.scheme, netloc=endpoint.netloc).geturl()

    def forget(self, queue: str) -> None:
        """Look the queue's URL up again next time."""
        self._urls.pop(queue, None)

    async def close(self) -> None:
        """Close the connections; calls under way in threads end by their own timeouts."""
        self._closed = True
        for pool in (self._callers, self._pollers):
            pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients or ():
            client.close()

    async def _run(self, pool: ThreadPoolExecutor, queue: str, work: Callable[[], Answer]) -> Answer:
        if self._closed:
            raise TransportError("the SQS transport is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except FOREIGN as exc:
            error = translate(exc, queue)
            if isinstance(error, QueueMissing):
                self.forget(queue)
            raise error from exc

    def _build(self) -> "tuple[SQSClient, SQSClient]":
        with self._building:
            if self._clients is None:
                session = botocore.session.get_session()
                session.register_component("data_loader", _loader())
                wait_s = self._settings.sqs_wait_time_s
                self._clients = (
                    self._build_one(session, CALL_TIMEOUT_S, CALL_ATTEMPTS, CALLERS),
                    self._build_one(session, wait_s + POLL_GRACE_S, 1, POLLERS),
                )
            return self._clients

    def _build_one(
        self, session: botocore.session.Session, read_timeout_s: float, attempts: int, connections: int
    ) -> "SQSClient":
        access_key, secret_key = self._settings.aws_credentials or (None, None)
        client = session.create_client(
            "sqs",
            region_name=self._settings.aws_region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            endpoint_url=self._settings.sqs_endpoint,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=read_timeout_s,
                retries={"mode": "standard", "total_max_attempts": attempts},
                max_pool_connections=connections,
                tcp_keepalive=True,
            ),
        )
        client.meta.events.register("before-send.sqs", self._count)
        return cast("SQSClient", client)

    def _count(self, event_name: str, **_: object) -> None:
        self.requests[event_name.rpartition(".")[2]] += 1
