"""Delayed sends on RabbitMQ, which has none: queues without consumers, whose expired messages move to their target.

A vhost has up to 13 delay queues, one per level: level n holds delays of up to 2^n seconds. A body waits there with
its own exact expiry and is then dead-lettered to a direct exchange with its routing key, the target queue's name.
RabbitMQ expires only the head of a queue, so a body may wait behind one of the same level: at most 2^n seconds late.

Dead-lettering is at-least-once where the broker can (3.10), so a body survives a restart and a lost confirm. Such a
broker keeps what it cannot route and stops moving the level after 32 of those; therefore targets are bound to the
direct exchange on purpose, and what has no target any more (its queue was deleted meanwhile) falls through the
alternate exchange into ``asya_delay_lost``, where it blocks nobody and is not lost.

The names hold underscores, which no actor's name can, so no actor's queue ever meets them.
"""

import asyncio
import math
import time
from typing import Any, Final

from pika.exchange_type import ExchangeType
from pika.spec import Queue

from asya_protocol.errors import QueueMissing
from asya_transport.rabbitmq.errors import NOT_FOUND, PRECONDITION_FAILED, ChannelRefused
from asya_transport.rabbitmq.link import Channel, Link

LEVELS: Final = 13
"""Levels 0 to 12: up to 1 s, 2 s, 4 s, ... 4,096 s."""
MAX_DELAY_S: Final = float(2 ** (LEVELS - 1))
RETURN_EXCHANGE: Final = "asya_delay_return"
"""Direct exchange from the delay queues to their targets, routing key = target queue."""
LOST: Final = "asya_delay_lost"
"""Exchange and queue of delayed bodies whose target queue is gone."""
# How long a target that was seen is believed to be there.
TARGET_SEEN_S: Final = 10.0
AT_LEAST_ONCE_SINCE: Final = (3, 10)


def level_of(delay_s: float) -> int:
    """Choose the lowest level that holds a delay.

    Raises:
        ValueError: It is no positive number, or longer than the highest level holds.
    """
    if not 0 < delay_s <= MAX_DELAY_S:  # Also refuses NaN.
        raise ValueError(f"a delay of {delay_s} s is outside 0 to {MAX_DELAY_S:g} s")
    return max(0, math.ceil(math.log2(delay_s)))


def delay_name(level: int) -> str:
    """Name the exchange and the queue of a level."""
    return f"asya_delay_{level}"


def delay_ms(delay_s: float) -> int:
    """Convert to the broker's unit; rounded up, since 0 would mean: expire unless a consumer waits right now."""
    return max(1, math.ceil(delay_s * 1000))


def level_arguments(level: int, version: tuple[int, ...]) -> dict[str, Any]:
    """Choose the arguments of a level's queue.

    Args:
        level: The level.
        version: The broker's version; quorum queues expire bodies since 3.10.
    """
    arguments: dict[str, Any] = {"x-message-ttl": 1000 * 2**level, "x-dead-letter-exchange": RETURN_EXCHANGE}
    if version >= AT_LEAST_ONCE_SINCE:
        arguments |= {
            "x-queue-type": "quorum",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # At-least-once asks for it.
        }
    return arguments


class Delays:
    """Makes what a delayed send needs, once per connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = asyncio.Lock()
        self._generation = -1
        self._levels: set[int] = set()
        self._targets: dict[str, float] = {}

    async def prepare(self, queue: str, delay_s: float) -> str:
        """Make sure that a level is there and leads to a queue.

        Returns:
            The exchange to publish to.

        Raises:
            QueueMissing: The target does not exist.
            TransportUnavailable: The broker is away.
            TransportError: The user may not declare queues and exchanges.
        """
        level = level_of(delay_s)
        if not self._is_ready(queue, level):
            async with self._lock:
                if not self._is_ready(queue, level):
                    await self._make(queue, level)
        return delay_name(level)

    def forget(self) -> None:
        """Look at everything again before the next delayed send, since something was missing."""
        self._levels.clear()
        self._targets.clear()

    def _is_ready(self, queue: str, level: int) -> bool:
        if self._generation != self._link.generation:
            return False
        return level in self._levels and time.monotonic() < self._targets.get(queue, 0.0)

    async def _make(self, queue: str, level: int) -> None:
        generation = self._link.generation
        if generation != self._generation:
            self.forget()
        if level not in self._levels:
            await declare_return(self._link)
            await self._declare_level(level)
            self._levels.add(level)
        await bind_return(self._link, queue)
        now_s = time.monotonic()
        self._targets = {name: until_s for name, until_s in self._targets.items() if until_s > now_s}
        self._targets[queue] = now_s + TARGET_SEEN_S
        self._generation = generation

    async def _declare_level(self, level: int) -> None:
        name = delay_name(level)
        async with self._link.throwaway() as channel:
            await channel.call(
                lambda done: channel.raw.exchange_declare(name, ExchangeType.fanout, durable=True, callback=done)
            )
        await declare_queue(self._link, name, level_arguments(level, self._link.version))
        async with self._link.throwaway() as channel:
            await channel.call(lambda done: channel.raw.queue_bind(name, name, callback=done))


async def declare_queue(link: Link, name: str, arguments: dict[str, Any]) -> bool:
    """Declare a durable queue; one that exists with other arguments stays as it is.

    Returns:
        Whether it is now as asked; false when it exists with other arguments.
    """
    async with link.throwaway() as channel:
        try:
            await channel.call(
                lambda done: channel.raw.queue_declare(name, durable=True, arguments=arguments, callback=done)
            )
        except ChannelRefused as exc:
            if exc.code != PRECONDITION_FAILED:
                raise
            return False
        return True


async def declare_return(link: Link) -> None:
    """Make the way back from the delay queues, and the queue for what has nowhere to go."""
    await declare_queue(link, LOST, {"x-queue-type": "quorum"} if link.version >= AT_LEAST_ONCE_SINCE else {})
    async with link.throwaway() as channel:
        raw = channel.raw
        await channel.call(lambda done: raw.exchange_declare(LOST, ExchangeType.fanout, durable=True, callback=done))
        await channel.call(lambda done: raw.queue_bind(LOST, LOST, callback=done))
        await channel.call(
            lambda done: raw.exchange_declare(
                RETURN_EXCHANGE,
                ExchangeType.direct,
                durable=True,
                arguments={"alternate-exchange": LOST},
                callback=done,
            )
        )


async def bind_return(link: Link, queue: str) -> None:
    """Lead delayed bodies to a queue.

    Raises:
        QueueMissing: It does not exist.
    """
    async with link.throwaway() as channel:
        await passive_declare(channel, queue)
        try:
            await channel.call(
                lambda done: channel.raw.queue_bind(queue, RETURN_EXCHANGE, routing_key=queue, callback=done)
            )
        except ChannelRefused as exc:
            if exc.code == NOT_FOUND:  # Deleted between the two requests.
                raise QueueMissing(queue) from exc
            raise


async def passive_declare(channel: Channel, queue: str) -> Queue.DeclareOk:
    """Look at a queue without changing it; the channel dies when it does not exist.

    Returns:
        The answer, with ``message_count`` (ready ones) and ``consumer_count``.

    Raises:
        QueueMissing: It does not exist.
    """
    try:
        frame = await channel.call(lambda done: channel.raw.queue_declare(queue, passive=True, callback=done))
    except ChannelRefused as exc:
        if exc.code == NOT_FOUND:
            raise QueueMissing(queue) from exc
        raise
    answer: Queue.DeclareOk = frame.method
    return answer
