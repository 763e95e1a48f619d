"""A consumer of one SQS queue: long polls, batched settlements, and a clock for the leases.

SQS takes settlements of an expired lease without a word, so the consumer keeps each lease's end itself: what has
expired is ``LeaseLost``. A poll is never abandoned half-way: SQS may already have handed envelopes to it, and they
would then be invisible until their lease ends. So ``stop`` waits for the poll under way and releases what it brings
(https://github.com/celery/kombu/pull/2049), and a cancelled ``receive`` releases its envelopes when they arrive.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asya_protocol import names
from asya_protocol.errors import LeaseLost, TransportError
from asya_transport.port import Delivery
from asya_transport.settings import TransportSettings
from asya_transport.sqs.batch import MAX_ENTRIES, Coalescer
from asya_transport.sqs.body import decode, encode_dead
from asya_transport.sqs.client import SqsClient
from asya_transport.sqs.sender import MAX_DELAY_S, SqsSender

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

DEFAULT_LEASE_S: Final = 60.0
MAX_LEASE_S: Final = 43_200.0
"""SQS counts it from the receive, extensions included.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
"""

RENEW_AT: Final = 10
"""Half of the usual maxReceiveCount."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Lease:
    """One delivery that is out.

    Attributes:
        handle: SQS's receipt handle.
        taken_s: When the receive was asked for; SQS's clock cannot have started earlier.
        ends_s: When it is no longer ours.
    """

    handle: str
    taken_s: float
    ends_s: float

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.ends_s


class _Change(NamedTuple):
    """A visibility to be set: the lease from now on; 0 releases the envelope."""

    handle: str
    visible_in_s: int


class SqsConsumer:
    """A subscription to one queue.

    Args:
        client: Shared with the transport.
        sender: For dead letters.
        queue: Full name.
        settings: Lease, wait time and linger.
        on_close: Told when it is closed.
    """

    returns_are_free = False  # maxReceiveCount counts every receive

    def __init__(
        self,
        client: SqsClient,
        sender: SqsSender,
        queue: str,
        settings: TransportSettings,
        on_close: "Callable[[SqsConsumer], object]",
    ) -> None:
        self._on_close = on_close
        self._client = client
        self._sender = sender
        self._queue = queue
        self.lease_s = settings.sqs_visibility_timeout_s or DEFAULT_LEASE_S
        if self.lease_s > MAX_LEASE_S:
            raise ValueError(f"a lease of {self.lease_s} s is outside SQS's 0 to {MAX_LEASE_S:g} s")
        self._wait_s = settings.sqs_wait_time_s
        self.last_poll_s = time.monotonic()
        self._out: set[_Lease] = set()
        self._polls: set[asyncio.Task[list[Delivery]]] = set()
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._returns: set[asyncio.Task[None]] = set()
        self._stopping = False
        linger_s, max_bytes = settings.sqs_linger_s, settings.sqs_max_body_bytes
        self._deletes = Coalescer(self._delete_batch, self._delete_one, linger_s=linger_s, max_bytes=max_bytes)
        self._changes = Coalescer(self._change_batch, self._change_one, linger_s=linger_s, max_bytes=max_bytes)

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries, at most ten, in one long poll."""
        if self._stopping:
            return []
        poll = asyncio.ensure_future(self._poll(min(limit, MAX_ENTRIES), min(wait_s, self._wait_s)))
        self._polls.add(poll)
        poll.add_done_callback(self._polls.discard)
        try:
            return await asyncio.shield(poll)
        except asyncio.CancelledError:
            if not poll.done():
                self._abandoned.add(poll)
                poll.add_done_callback(self._abandoned.discard)
            elif not poll.cancelled() and poll.exception() is None:
                self._keep(self._release_all(_leases(poll.result())))
            raise

    async def ack(self, delivery: Delivery) -> None:
        """Settle: done."""
        lease = self._claim(delivery)
        expired = lease.expired
        await self._settle(lease, self._deletes.do(_Change(lease.handle, 0)))
        if expired:
            # The work is done, so deleting was right and may have spared a repetition; nobody can tell whether.
            raise LeaseLost(f"the lease on a delivery of {self._queue!r} had ended before it was settled")

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Settle: let it come again.

        SQS counts every receive, also one that was given back (ApproximateReceiveCount against the redrive policy's
        maxReceiveCount): after many a confirmed copy takes the message's place, whose count starts anew. A crash between copy
        and delete duplicates.
        """
        if not 0 <= delay_s <= MAX_LEASE_S:
            raise ValueError(f"delay of {delay_s} s is outside SQS's 0 to {MAX_LEASE_S:g} s")
        lease = self._claim_living(delivery)
        if delivery.delivery_count >= RENEW_AT:
            await self._settle(lease, self._renew(delivery, lease, min(delay_s, MAX_DELAY_S)))
            return
        change = _Change(lease.handle, min(math.ceil(delay_s), _remaining(lease)))
        await self._settle(lease, self._changes.do(change))

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Settle: move it to the dead letter queue."""
        lease = self._claim_living(delivery)
        await self._settle(lease, self._move(delivery, lease, reason))

    async def extend(self, deliveries: Sequence[Delivery], lease_s: float) -> None:
        """Keep deliveries ours for another ``lease_s``; those settled meanwhile are left alone.

        Raises:
            LeaseLost: At least one is no longer ours; the others were extended.
            TransportUnavailable: At least one was not extended.
        """
        leases = [lease for lease in _leases(deliveries) if lease in self._out]
        results = await asyncio.gather(*(self._extend_one(lease, lease_s) for lease in leases), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def set_prefetch(self, prefetch: int) -> None:
        """Nothing to do: SQS never pushes."""

    async def pause(self) -> None:
        """Nothing to do: SQS never pushes."""

    async def stop(self) -> None:
        """Take nothing more: wait for the polls under way, and release what they bring."""
        self._stopping = True
        while under_way := self._polls | self._returns:
            await asyncio.wait(under_way)

    async def close(self) -> None:
        """Stop, and release everything that is out; never raises."""
        try:
            await self.stop()
            await self._release_all(list(self._out))
            await self._deletes.finish()
            await self._changes.finish()
        finally:
            self._on_close(self)

    async def _poll(self, limit: int, wait_s: float) -> list[Delivery]:
        url = await self._client.url(self._queue)
        started_s = time.monotonic()
        answer = await self._client.poll(
            self._queue,
            lambda client: client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=limit,
                # Rounded up: a fraction rounded down would be a short poll, and a loop of those is a hot one.
                WaitTimeSeconds=math.ceil(wait_s),
                VisibilityTimeout=math.ceil(self.lease_s),
                AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            ),
        )
        self.last_poll_s = time.monotonic()
        deliveries = [self._accept(each, started_s) for each in answer.get("Messages", [])]
        if deliveries and (self._stopping or asyncio.current_task() in self._abandoned):
            await self._release_all(_leases(deliveries))
            return []
        return deliveries

    def _accept(self, found: "MessageTypeDef", asked_s: float) -> Delivery:
        # The broker starts the lease somewhere within a long poll; from its end it is ours for nearly all of it.
        lease = _Lease(found["ReceiptHandle"], asked_s, time.monotonic() + self.lease_s)
        self._out.add(lease)
        body, attributes = decode(found["Body"], found.get("MessageAttributes", {}))
        about = found.get("Attributes", {})
        count = int(about.get("ApproximateReceiveCount", "1"))
        sent_s = int(about["SentTimestamp"]) / 1000 if "SentTimestamp" in about else None
        return Delivery(body, lease, max(count, 1), attributes, sent_s)

    def _claim(self, delivery: Delivery) -> _Lease:
        lease = delivery.receipt
        if not isinstance(lease, _Lease) or lease not in self._out:
            raise LeaseLost(f"the delivery is settled already, or was not received by this consumer of {self._queue!r}")
        self._out.discard(lease)
        return lease

    def _claim_living(self, delivery: Delivery) -> _Lease:
        lease = self._claim(delivery)
        if lease.expired:
            raise LeaseLost(f"the lease on a delivery of {self._queue!r} has ended; SQS hands it out again")
        return lease

    async def _settle(self, lease: _Lease, settling: Coroutine[Any, Any, None]) -> None:
        """Perform a settlement; one that failed can be tried again as long as the lease lasts."""
        try:
            await settling
        except LeaseLost:
            raise
        except (TransportError, asyncio.CancelledError):
            self._out.add(lease)
            raise

    async def _move(self, delivery: Delivery, lease: _Lease, reason: str) -> None:
        text = encode_dead(delivery.body, delivery.attributes, reason, self._queue, self._sender.limit_bytes)
        await self._sender.send_text(names.dlq_name(self._queue), text)
        await self._deletes.do(_Change(lease.handle, 0))

    async def _renew(self, delivery: Delivery, lease: _Lease, delay_s: float) -> None:
        try:
            await self._sender.send(self._queue, delivery.body, delay_s, delivery.attributes)
        except TransportError as exc:
            log.warning("no copy made, given back as it is", extra={"queue": self._queue, "why": str(exc)})
            await self._changes.do(_Change(lease.handle, min(math.ceil(delay_s), _remaining(lease))))
            return
        await self._deletes.do(_Change(lease.handle, 0))

    async def _extend_one(self, lease: _Lease, lease_s: float) -> None:
        asked_s, whole_s = time.monotonic(), min(math.ceil(lease_s), _remaining(lease))
        if not lease.expired and whole_s > 0:
            try:
                await self._changes.do(_Change(lease.handle, whole_s))
            except LeaseLost:
                if lease not in self._out:
                    return  # settled while we asked
                self._out.discard(lease)
                raise
            lease.ends_s = asked_s + whole_s
            return
        self._out.discard(lease)
        raise LeaseLost(f"the lease on a delivery of {self._queue!r} has ended and cannot be extended")

    async def _release_all(self, leases: Iterable[_Lease]) -> None:
        ours = [lease for lease in leases if lease in self._out]
        self._out.difference_update(ours)
        changes = (self._changes.do(_Change(lease.handle, 0)) for lease in ours)
        for error in await asyncio.gather(*changes, return_exceptions=True):
            if isinstance(error, TransportError) and not isinstance(error, LeaseLost):
                log.warning(
                    "not given back, returns when its lease ends", extra={"queue": self._queue, "why": str(error)}
                )

    def _keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)

    async def _delete_batch(self, batch: Sequence[_Change]) -> Collection[int]:
        url = await self._client.url(self._queue)
        answer = await self._client.call(
            self._queue,
            lambda client: client.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(index), "ReceiptHandle": each.handle} for index, each in enumerate(batch)],
            ),
        )
        done = {each["Id"] for each in answer.get("Successful", [])}
        return [index for index in range(len(batch)) if str(index) not in done]

    async def _delete_one(self, change: _Change) -> None:
        url = await self._client.url(self._queue)
        await self._client.call(
            self._queue, lambda client: client.delete_message(QueueUrl=url, ReceiptHandle=change.handle)
        )

    async def _change_batch(self, batch: Sequence[_Change]) -> Collection[int]:
        url = await self._client.url(self._queue)
        answer = await self._client.call(
            self._queue,
            lambda client: client.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": each.handle, "VisibilityTimeout": each.visible_in_s}
                    for index, each in enumerate(batch)
                ],
            ),
        )
        done = {each["Id"] for each in answer.get("Successful", [])}
        return [index for index in range(len(batch)) if str(index) not in done]

    async def _change_one(self, change: _Change) -> None:
        url = await self._client.url(self._queue)
        await self._client.call(
            self._queue,
            lambda client: client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=change.handle, VisibilityTimeout=change.visible_in_s
            ),
        )


def _leases(deliveries: Iterable[Delivery]) -> list[_Lease]:
    return [each.receipt for each in deliveries if isinstance(each.receipt, _Lease)]


def _remaining(lease: _Lease) -> int:
    return int(MAX_LEASE_S - (time.monotonic() - lease.taken_s)) - 1
