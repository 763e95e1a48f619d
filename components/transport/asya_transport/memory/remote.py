"""A session with a memory broker in another process (``server``), over its Unix socket.

It connects when first used and again after the connection dropped; what had been handed out on the old connection is
then ``LeaseLost``, because the server has released it. One event loop uses one session.
"""

import asyncio
import contextlib
import itertools
from typing import cast

import msgspec

from asya_process.backoff import pauses
from asya_protocol.errors import TransportError, TransportUnavailable
from asya_transport.memory import requests
from asya_transport.memory.broker import DEFAULT_MAX_BODY_BYTES, Answer, Request, Taken
from asya_transport.memory.link import FrameLink

_MAX_BACKOFF_S = 30.0
_LEAVE_S = 2.0
"""How long a closing session waits for the server's word; the server releases everything either way."""


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
        self.connection = 0
        self._connecting = asyncio.Lock()
        self._pending: dict[int, asyncio.Future[requests.Reply]] = {}
        self._abandoned: set[int] = set()
        self.max_body_bytes = DEFAULT_MAX_BODY_BYTES  # until connected
        self._closed = False

    async def connect(self) -> None:
        """Reach the broker, with the attempts that were allowed."""
        for pause_s in pauses(self._backoff_s, _MAX_BACKOFF_S, self._attempts):
            try:
                await self._linked()
            except TransportUnavailable:
                await asyncio.sleep(pause_s)
            else:
                return
        await self._linked()

    async def ask(self, request: Request[Answer]) -> Answer:
        """Let the broker perform a request."""
        link = self._link or await self._linked()
        if isinstance(request, requests.Send):
            request.check_size(self.max_body_bytes)  # rather than send megabytes to be refused
        return await self._ask(link, next(self._numbers), request)

    async def receive(self, consumer: int, queue: str, limit: int, wait_s: float) -> list[Taken]:
        """Take up to ``limit`` deliveries; empty at the end of the wait or when the consumer is stopped."""
        link, number = self._link or await self._linked(), next(self._numbers)
        try:
            return await self._ask(link, number, requests.Receive(consumer, queue, limit, wait_s))
        except asyncio.CancelledError:
            if link is self._link:
                self._abandoned.add(number)
                link.write(requests.encode_request(next(self._numbers), requests.Cancel(number)))
            raise

    async def close(self) -> None:
        """Release everything and disconnect; never raises."""
        self._closed = True
        link = self._link
        if link is None:
            return
        with contextlib.suppress(TransportError, TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._ask(link, next(self._numbers), requests.Close())
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
            self.max_body_bytes = await self._ask(link, next(self._numbers), requests.Hello())
            return link

    async def _ask(self, link: FrameLink, number: int, request: Request[Answer]) -> Answer:
        if not link.writable:
            await link.wait_writable()
        if link is not self._link:
            raise TransportUnavailable("the connection to the memory broker is gone")
        answered: asyncio.Future[requests.Reply] = asyncio.get_running_loop().create_future()
        self._pending[number] = answered
        link.write(requests.encode_request(number, request))
        try:
            reply = await answered
        finally:
            self._pending.pop(number, None)
        if reply.error is not None:
            raise requests.rebuild_error(reply)
        try:
            return cast("Answer", requests.decoder_of(type(request)).decode(reply.value))
        except msgspec.DecodeError as exc:
            raise TransportError(f"the memory broker answered something else: {exc}") from exc

    def _on_frames(self, received: list[bytes]) -> None:
        for frame in received:
            try:
                reply = requests.decode_reply.decode(frame)
            except msgspec.DecodeError:
                if self._link is not None:
                    self._link.abort()  # no memory broker of ours listens there
                return
            answered = self._pending.get(reply.number)
            if answered is not None and not answered.done():
                answered.set_result(reply)
            elif reply.number in self._abandoned:
                self._abandoned.discard(reply.number)
                self._release(reply)

    def _release(self, reply: requests.Reply) -> None:
        """Release what came for a receive that was cancelled meanwhile."""
        if reply.error is not None or self._link is None:
            return
        for each in requests.decoder_of(requests.Receive).decode(reply.value):
            self._link.write(requests.encode_request(next(self._numbers), requests.Release(each.tag)))

    def _on_lost(self, _: BaseException | None) -> None:
        self._link = None
        self.connection += 1
        self._abandoned.clear()
        pending, self._pending = self._pending, {}
        for answered in pending.values():
            if not answered.done():
                answered.set_exception(TransportUnavailable("the connection to the memory broker dropped"))
