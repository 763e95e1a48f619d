"""A session with a memory broker in another process (``memory_server``), over its Unix socket.

It connects when first used and again after the connection dropped; what had been handed out on the old connection is
then ``LeaseLost``, because the server has given it back. One event loop uses one session.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from asya_protocol.errors import EnvelopeTooLarge, LeaseLost, TransportError, TransportUnavailable
from asya_transport.memory import frames
from asya_transport.memory.broker import DEFAULT_MAX_BODY_BYTES
from asya_transport.memory.link import FrameLink
from asya_transport.port import Delivery, Depth, QueueSpec

_MAX_BACKOFF_S = 30.0
_LEAVE_S = 2.0
"""How long a closing session waits for the server's word; the server gives everything back either way."""

Value = TypeVar("Value")


class _Receipt(NamedTuple):
    """What settles a delivery: valid only on the connection that handed it out."""

    connection: int
    tag: int


class RemoteSession:
    """A connection to a memory broker in another process.

    Args:
        path: The broker's Unix socket.
        attempts: How often ``connect`` tries.
        backoff_s: Its first pause, doubled each time, at most 30 s.
    """

    def __init__(self, path: str, *, attempts: int = 1, backoff_s: float = 1.0) -> None:
        self._path = path
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._numbers = itertools.count(1)
        self._link: FrameLink | None = None
        self._connection = 0
        self._connecting = asyncio.Lock()
        self._pending: dict[int, asyncio.Future[frames.Reply]] = {}
        self._abandoned: set[int] = set()
        self._stopped: set[int] = set()
        self._max_body_bytes = DEFAULT_MAX_BODY_BYTES
        self._closed = False

    @property
    def max_body_bytes(self) -> int:
        """Largest body that the broker takes; its default until connected."""
        return self._max_body_bytes

    async def connect(self) -> None:
        """Reach the broker, with the attempts that were allowed."""
        pause_s = self._backoff_s
        for attempt in range(1, self._attempts + 1):
            try:
                await self._linked()
            except TransportUnavailable:
                if attempt == self._attempts:
                    raise
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_BACKOFF_S)

    async def send(self, queue: str, body: bytes, delay_s: float, attributes: Mapping[str, str] | None) -> None:
        """Store one body."""
        link = self._link or await self._linked()
        if len(body) > self._max_body_bytes:
            raise EnvelopeTooLarge(len(body), self._max_body_bytes)
        marks = dict(attributes) if attributes else None
        await self._ask(link, frames.Send(next(self._numbers), queue, body, delay_s, marks))

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""
        if consumer in self._stopped:
            return []
        link = self._link or await self._linked()
        connection, number = self._connection, next(self._numbers)
        try:
            reply = await self._ask(link, frames.Receive(number, consumer, queue, limit, wait_s))
        except asyncio.CancelledError:
            if link is self._link:
                self._abandoned.add(number)
                link.write(frames.encode_request(frames.Cancel(number)))
            raise
        return [
            Delivery(each.body, _Receipt(connection, each.tag), each.delivery_count, each.attributes)
            for each in _read(frames.decode_taken, reply)
        ]

    async def ack(self, receipt: object) -> None:
        """Forget a delivery."""
        link, tag = self._lease(receipt)
        await self._ask(link, frames.Ack(next(self._numbers), tag))

    async def release(self, receipt: object, delay_s: float) -> None:
        """Give a delivery back."""
        link, tag = self._lease(receipt)
        await self._ask(link, frames.Release(next(self._numbers), tag, delay_s))

    async def dead_letter(self, receipt: object, reason: str) -> None:
        """Move a delivery to the dead letter queue."""
        link, tag = self._lease(receipt)
        await self._ask(link, frames.DeadLetter(next(self._numbers), tag, reason))

    async def stop(self, consumer: int) -> None:
        """Let a consumer's waiting and later receives end empty."""
        self._stopped.add(consumer)
        if self._link is not None:
            with contextlib.suppress(TransportUnavailable):  # a lost connection receives nothing either
                await self._ask(self._link, frames.Stop(next(self._numbers), consumer))

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Make a queue and its dead letter queue."""
        await self._request(frames.Create(next(self._numbers), queue, spec.max_deliveries))

    async def measure(self, queue: str) -> Depth:
        """Count a queue."""
        reply = await self._request(frames.Measure(next(self._numbers), queue))
        return Depth(*_read(frames.decode_depth, reply))

    async def list_queues(self, prefix: str) -> list[str]:
        """Name the queues with a prefix, sorted."""
        return _read(frames.decode_names, await self._request(frames.ListQueues(next(self._numbers), prefix)))

    async def drain(self, queue: str) -> int:
        """Throw away what waits."""
        return _read(frames.decode_count, await self._request(frames.Drain(next(self._numbers), queue)))

    async def delete(self, queue: str, force: bool) -> bool:
        """Delete a queue and its dead letter queue."""
        return _read(frames.decode_flag, await self._request(frames.Delete(next(self._numbers), queue, force)))

    async def close(self) -> None:
        """Give everything back and disconnect; never raises."""
        self._closed = True
        link = self._link
        if link is None:
            return
        with contextlib.suppress(TransportError, TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._ask(link, frames.Close(next(self._numbers)))
        link.close()
        self._on_lost(None)

    async def _linked(self) -> FrameLink:
        async with self._connecting:
            if self._link is not None:
                return self._link
            if self._closed:
                raise TransportError("the session with the memory broker is closed")
            loop = asyncio.get_running_loop()
            try:
                link = (
                    await loop.create_unix_connection(lambda: FrameLink(self._on_frames, self._on_lost), self._path)
                )[1]
            except OSError as exc:
                raise TransportUnavailable(f"no memory broker answers on {self._path}: {exc}") from exc
            self._link = link
            self._connection += 1
            self._max_body_bytes = _read(frames.decode_count, await self._ask(link, frames.Hello(next(self._numbers))))
            return link

    async def _request(self, request: frames.Request) -> frames.Reply:
        return await self._ask(self._link or await self._linked(), request)

    async def _ask(self, link: FrameLink, request: frames.Request) -> frames.Reply:
        if not link.writable:
            await link.wait_writable()
        if link is not self._link:
            raise TransportUnavailable("the connection to the memory broker is gone")
        answered: asyncio.Future[frames.Reply] = asyncio.get_running_loop().create_future()
        self._pending[request.number] = answered
        link.write(frames.encode_request(request))
        try:
            reply = await answered
        finally:
            self._pending.pop(request.number, None)
        if reply.error is not None:
            raise frames.rebuild_error(reply)
        return reply

    def _lease(self, receipt: object) -> tuple[FrameLink, int]:
        if not isinstance(receipt, _Receipt) or self._link is None or receipt.connection != self._connection:
            raise LeaseLost("the connection that handed the delivery out is gone")
        return self._link, receipt.tag

    def _on_frames(self, received: list[bytes]) -> None:
        for frame in received:
            try:
                reply = frames.decode_reply(frame)
            except msgspec.DecodeError:
                if self._link is not None:
                    self._link.abort()  # no memory broker of ours listens there
                return
            answered = self._pending.get(reply.number)
            if answered is not None and not answered.done():
                answered.set_result(reply)
            elif reply.number in self._abandoned:
                self._abandoned.discard(reply.number)
                self._give_back(reply)

    def _give_back(self, reply: frames.Reply) -> None:
        """Release what came for a receive that was cancelled meanwhile."""
        if reply.error is not None or self._link is None:
            return
        for each in frames.decode_taken(reply.value):
            self._link.write(frames.encode_request(frames.Release(next(self._numbers), each.tag)))

    def _on_lost(self, _: BaseException | None) -> None:
        self._link = None
        self._abandoned.clear()
        pending, self._pending = self._pending, {}
        for answered in pending.values():
            if not answered.done():
                answered.set_exception(TransportUnavailable("the connection to the memory broker dropped"))


def _read(decode: Callable[[msgspec.Raw], Value], reply: frames.Reply) -> Value:
    try:
        return decode(reply.value)
    except msgspec.DecodeError as exc:
        raise TransportError(f"the memory broker answered something else: {exc}") from exc
