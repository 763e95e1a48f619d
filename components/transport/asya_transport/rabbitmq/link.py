"""One AMQP connection, kept alive: reconnects with back-off, and turns pika's callbacks into futures.

``Link`` owns the connection, ``Channel`` wraps one of pika's channels. Everything runs on the running loop. Channels die with
their connection and are never reopened here: their users open others.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import pika
from pika.channel import Channel as PikaChannel

from asya_process.backoff import pause_after
from asya_protocol.errors import SettingsError, TransportError, TransportUnavailable
from asya_transport.rabbitmq.connection import CoalescingConnection
from asya_transport.rabbitmq.errors import FOREIGN, translate
from asya_transport.rabbitmq.hot_frames import publish_frames
from asya_transport.settings import TransportSettings

if TYPE_CHECKING:
    from pika.frame import Method  # Generic in its type stubs only.

HEARTBEAT_S: Final = 30
# Longer than a broker needs to get over a memory alarm's edge, shorter than anyone should wait unknowingly.
BLOCKED_TIMEOUT_S: Final = 60.0
DIAL_TIMEOUT_S: Final = 15.0
RPC_TIMEOUT_S: Final = 30.0
# Asya 0.1.1 dials five times; a longer wait is up to the process's supervisor.
DIAL_ATTEMPTS_MOST: Final = 5
REDIAL_FIRST_S: Final = 0.2
REDIAL_MOST_S: Final = 5.0
# A connection that was lost sooner counts as a failed attempt: something about us makes the broker drop it.
STABLE_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 5.0

log = logging.getLogger(__name__)


def pause_s(attempt: int, first_s: float, most_s: float) -> float:
    """Choose the pause before another attempt: doubled each time, capped, and spread over its upper half.

    Args:
        attempt: Failed attempts so far, counted from 1.
        first_s: Upper bound of the first pause.
        most_s: Upper bound of every pause.
    """
    return pause_after(attempt, first_s, most_s) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def count_failures(failures: int, lived_s: float) -> int:
    """Count the attempts that failed in a row, after a connection was lost that lived for ``lived_s``.

    Args:
        failures: Failed attempts before that connection.
        lived_s: Seconds from its opening to its loss.
    """
    return failures + 1 if lived_s < STABLE_S else 0


def read_parameters(url: str) -> pika.URLParameters:
    """Parse an AMQP URL and set what it leaves open.

    Raises:
        SettingsError: It is no AMQP URL; the text does not repeat it, since it may hold a password.
    """
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError):
        problem = "is no URL like amqp://user:password@host:port/vhost (escape special characters, as %40 for @)"
        raise SettingsError("ASYA_RABBITMQ_URL", problem) from None
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT_S
    if parameters.blocked_connection_timeout is None:
        parameters.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    parameters.connection_attempts = 1  # ``Link`` counts attempts.
    parameters.stack_timeout = DIAL_TIMEOUT_S
    return parameters


class Channel:
    """One of pika's channels; its requests are awaited, and fail when it closes."""

    def __init__(self, raw: PikaChannel, where: str) -> None:
        self.raw = raw
        self.reason: BaseException | None = None
        """Why it closed, as pika says it; ``None`` while it is open."""
        self.on_close: list[Callable[[BaseException], None]] = []
        """Called at once when it closes, before anything that waits on it wakes."""
        self._where = where
        self._calls: set[asyncio.Future[Any]] = set()
        connection = getattr(raw, "connection", None)
        self.stream = connection if isinstance(connection, CoalescingConnection) else None
        """The connection, where it reads and writes the hot path's frames by itself."""
        raw.add_on_close_callback(self._closed)

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self.reason is None and bool(self.raw.is_open)

    @property
    def where(self) -> str:
        """The broker in words, without credentials."""
        return self._where

    async def call(self, start: "Callable[[Callable[[Method[Any]], None]], object]") -> "Method[Any]":
        """Make one request and wait for its answer.

        Args:
            start: Makes the request, handing pika the callback that it is given.

        Returns:
            The answer's frame; its ``method`` has the fields.

        Raises:
            ChannelRefused: The broker closed the channel over it; the code says why.
            TransportError: It could not be made or was not answered.
        """
        answer: asyncio.Future[Method[Any]] = asyncio.get_running_loop().create_future()

        def done(frame: "Method[Any]") -> None:
            if not answer.done():
                answer.set_result(frame)

        self._calls.add(answer)
        try:
            start(done)
            async with asyncio.timeout(RPC_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise TransportUnavailable(f"{self._where}: no answer within {RPC_TIMEOUT_S:g} s") from None
        except FOREIGN as exc:
            raise translate(exc, self._where) from exc
        finally:
            self._calls.discard(answer)

    async def close(self) -> None:
        """Close it; never raises."""
        if not self.is_open:
            return
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_close.append(lambda _: None if closed.done() else closed.set_result(None))
        with suppress(*FOREIGN, TimeoutError):
            self.raw.close()
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await closed

    def publish(self, exchange: str, queue: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Publish a mandatory body of JSON, persistent; what has neither headers nor a delay goes the short way.

        Raises:
            Exception: One of ``FOREIGN``: it cannot be written.
        """
        stream = self.stream
        if stream is None or not self.is_open or properties.headers or properties.expiration:
            self.raw.basic_publish(exchange, queue, body, properties, mandatory=True)
            return
        frames = publish_frames(
            self.raw.channel_number,
            exchange,
            queue,
            body,
            message_id=properties.message_id or "",
            timestamp_s=properties.timestamp or 0,
            largest=stream.params.frame_max,
        )
        stream.emit(frames)

    def _closed(self, _raw: PikaChannel, reason: BaseException) -> None:
        self.reason = reason
        if self.stream is not None:
            self.stream.frames.forget(self.raw.channel_number)
        for call in self._calls:
            if not call.done():
                call.set_exception(translate(reason, self._where))
        for callback in self.on_close:
            callback(reason)
        self.on_close.clear()


class Link:
    """A connection that comes back by itself until it is closed."""

    def __init__(
        self,
        settings: TransportSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Note where the broker is; nothing is dialled yet.

        Args:
            settings: The broker's URL, and how often it is dialled at first.
            clock: Seconds that only grow; tells how long a connection lived.
            pause: Waits so many seconds before another dial.
        """
        self._clock = clock
        self._pause = pause
        self._opened_s = 0.0
        self._parameters = read_parameters(settings.rabbitmq_url)
        self._attempts = min(DIAL_ATTEMPTS_MOST, settings.queue_retry_max_attempts)
        self._backoff_s = settings.queue_retry_backoff_s
        self._connection: CoalescingConnection | None = None
        self._lost: asyncio.Future[BaseException] | None = None
        self._up = asyncio.Event()
        self._trouble: TransportError | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self.where = f"RabbitMQ at {self._parameters.host}:{self._parameters.port}, vhost {self.vhost!r}"
        self.generation = 0
        """Counts connections; what was found out on an older one may no longer hold."""
        self.version: tuple[int, ...] = ()
        """The broker's version, e.g. ``(3, 10)``; empty where it does not tell."""
        # pika logs every failure that it also reports; the report is what gets handled and logged, once.
        if (pika_log := logging.getLogger("pika")).level == logging.NOTSET:
            pika_log.setLevel(logging.CRITICAL)

    @property
    def vhost(self) -> str:
        """Virtual host of every queue on this connection."""
        return str(self._parameters.virtual_host)

    @property
    def credentials(self) -> pika.PlainCredentials | None:
        """User name and password; ``None`` where the client proves itself by a certificate."""
        found: object = self._parameters.credentials
        return found if isinstance(found, pika.PlainCredentials) else None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection right now."""
        return self._up.is_set()

    async def open(self) -> None:
        """Dial, as often as the settings allow; then keep the connection. Nothing to do when that was done.

        Raises:
            TransportUnavailable: The broker cannot be reached; names host and port.
        """
        async with self._opening:
            if self._keeper is not None:
                return
            for attempt in range(1, self._attempts + 1):
                try:
                    await self._dial()
                    break
                except TransportError as exc:
                    if attempt == self._attempts:
                        raise
                    log.warning("dialling failed", extra={"broker": self.where, "error": str(exc), "attempt": attempt})
                    await self._pause(pause_s(attempt, self._backoff_s, 30.0))
            self._keeper = asyncio.create_task(self._keep(), name="rabbitmq-link")

    async def wait_up(self, wait_s: float) -> None:
        """Wait until there is a connection.

        Raises:
            TransportUnavailable: There was none in time; says why.
        """
        if self._up.is_set():
            return
        if self._keeper is None:
            raise TransportUnavailable(f"{self.where}: not connected")
        try:
            async with asyncio.timeout(wait_s):
                await self._up.wait()
        except TimeoutError:
            raise TransportUnavailable(str(self._trouble or f"{self.where}: connection lost")) from None

    async def channel(self, wait_s: float = RPC_TIMEOUT_S) -> Channel:
        """Open a channel.

        Raises:
            TransportUnavailable: There is no connection, or none came within ``wait_s``.
        """
        await self.wait_up(wait_s)
        connection, lost = self._connection, self._lost
        if connection is None or lost is None:
            raise TransportUnavailable(f"{self.where}: connection lost")
        opened: asyncio.Future[PikaChannel] = asyncio.get_running_loop().create_future()
        try:
            raw = connection.channel(on_open_callback=lambda ch: None if opened.done() else opened.set_result(ch))
        except FOREIGN as exc:
            raise translate(exc, self.where) from exc
        channel = Channel(raw, self.where)
        either: set[asyncio.Future[Any]] = {opened, lost}
        await asyncio.wait(either, timeout=RPC_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done() or lost.done():
            raise TransportUnavailable(f"{self.where}: no channel could be opened")
        return channel

    @asynccontextmanager
    async def throwaway(self, wait_s: float = RPC_TIMEOUT_S) -> AsyncIterator[Channel]:
        """Open a channel for requests that the broker may answer by closing it; closed at the end."""
        channel = await self.channel(wait_s)
        try:
            yield channel
        finally:
            await channel.close()

    async def close(self) -> None:
        """Disconnect for good; never raises."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        connection, lost = self._connection, self._lost
        if connection is not None and lost is not None and not lost.done():
            with suppress(*FOREIGN):
                connection.close()
            await asyncio.wait({lost}, timeout=CLOSE_TIMEOUT_S)
        self._up.clear()
        self._connection = None

    async def _keep(self) -> None:
        """Dial again whenever the connection is lost, for as long as it takes."""
        failures = 0
        while True:
            if self._lost is not None:
                reason = await asyncio.shield(self._lost)
                self._lost = None
                log.warning(
                    "connection lost", extra={"broker": self.where, "error": str(translate(reason, self.where))}
                )
                failures = count_failures(failures, self._clock() - self._opened_s)
                if failures:
                    await self._pause(pause_s(failures, REDIAL_FIRST_S, REDIAL_MOST_S))
            try:
                await self._dial()
                log.info("connected again", extra={"broker": self.where})
            except TransportError as exc:
                failures += 1
                self._trouble = exc
                log.warning("dialling failed", extra={"broker": self.where, "error": str(exc), "attempt": failures})
                await self._pause(pause_s(failures, REDIAL_FIRST_S, REDIAL_MOST_S))

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        lost: asyncio.Future[BaseException] = loop.create_future()

        def on_open(_connection: object) -> None:
            if not opened.done():
                opened.set_result(None)

        def on_open_error(_connection: object, exc: BaseException | str) -> None:
            if not opened.done():
                opened.set_exception(exc if isinstance(exc, BaseException) else TransportUnavailable(exc))

        def on_close(_connection: object, exc: BaseException) -> None:
            if lost is self._lost:
                self._up.clear()
            if not lost.done():
                lost.set_result(exc)

        try:
            connection = CoalescingConnection(
                self._parameters,
                on_open_callback=on_open,
                on_open_error_callback=on_open_error,
                on_close_callback=on_close,
                custom_ioloop=loop,
            )
        except FOREIGN as exc:
            raise translate(exc, self.where) from exc
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S + 5):
                await opened
        except FOREIGN as exc:
            raise translate(exc, self.where) from exc
        finally:
            if not opened.done() or opened.cancelled() or opened.exception() is not None:
                with suppress(*FOREIGN):
                    connection.close()
        self._connection, self._lost = connection, lost
        self.version = _read_version(connection)
        self._opened_s = self._clock()
        self.generation += 1
        if not lost.done():
            self._up.set()


def _read_version(connection: object) -> tuple[int, ...]:
    properties = getattr(connection, "server_properties", None) or {}
    numbers = str(properties.get("version", "")).split(".")[:2]
    return tuple(int(number) for number in numbers) if all(n.isdigit() for n in numbers) else ()
