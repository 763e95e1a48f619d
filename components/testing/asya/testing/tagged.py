"""A transport that gives a run queues of its own behind plain actor names, and counts what is sent and settled.

Envelopes, routes and sidecars carry plain actor names; only the queues' names hold the pipeline's tag. So a handler that
changes its route need not know of it, and two runs on one broker never meet.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from asya.testing.errors import NotInPipeline
from asya.testing.large import make_whole
from asya.testing.ledger import ATTRIBUTE, Ledger
from asya.testing.outcome import read_dead_letter
from asya_protocol import names
from asya_protocol.errors import StoreUnavailable
from asya_store.claims import ClaimCheck, ClaimLost
from asya_transport.port import Consumer, Delivery, Transport


class TaggedTransport:
    """A transport that only knows one pipeline's queues.

    Args:
        inner: The broker's own.
        queues: Full name of the queue by actor, end actors included.
        ledger: Records every send and settlement.
        desk: Where large payloads are left.
        on_send: Called with the actor before something is sent to it.
    """

    def __init__(
        self,
        inner: Transport,
        queues: Mapping[str, str],
        ledger: Ledger,
        desk: ClaimCheck,
        on_send: Callable[[str], None],
    ) -> None:
        self._inner = inner
        self._queues = queues
        self._ledger = ledger
        self._desk = desk
        self._on_send = on_send

    @property
    def name(self) -> str:
        """The broker's."""
        return self._inner.name

    @property
    def max_body_bytes(self) -> int:
        """The broker's."""
        return self._inner.max_body_bytes

    @property
    def max_delay_s(self) -> float:
        """The broker's."""
        return self._inner.max_delay_s

    @property
    def requests(self) -> Mapping[str, int]:
        """See the port."""
        return self._inner.requests

    async def connect(self) -> None:
        """See the port."""
        await self._inner.connect()

    async def ping(self) -> None:
        """See the port."""
        await self._inner.ping()

    async def send(
        self, queue: str, body: bytes, *, delay_s: float = 0.0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """See the port.

        Raises:
            NotInPipeline: The pipeline has no such actor; nothing was sent.
        """
        actor, tagged = self._look_up(queue)
        self._on_send(actor)
        token = self._ledger.sending(actor, body)
        try:
            await self._inner.send(tagged, body, delay_s=delay_s, attributes={**(attributes or {}), ATTRIBUTE: token})
        except BaseException:
            self._ledger.not_sent(token)
            raise

    async def consume(self, queue: str, *, prefetch: int = 1) -> "CountingConsumer":
        """See the port."""
        actor, tagged = self._look_up(queue)
        inner = await self._inner.consume(tagged, prefetch=prefetch)
        return CountingConsumer(inner, actor, self._ledger, self._desk)

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()

    def _look_up(self, queue: str) -> tuple[str, str]:
        actor = names.QueueNames().actor(queue)
        if actor not in self._queues:
            raise NotInPipeline(actor, [each for each in self._queues if each not in names.RESERVED_ACTORS])
        return actor, self._queues[actor]


class CountingConsumer:
    """A consumer that records in the ledger what it receives and settles."""

    def __init__(self, inner: Consumer, actor: str, ledger: Ledger, desk: ClaimCheck) -> None:
        self._desk = desk
        self._inner = inner
        self._actor = actor
        self._ledger = ledger

    @property
    def lease_s(self) -> float | None:
        """See the port."""
        return self._inner.lease_s

    @property
    def last_poll_s(self) -> float:
        """See the port."""
        return self._inner.last_poll_s

    @property
    def returns_are_free(self) -> bool:
        """See the port."""
        return self._inner.returns_are_free

    async def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """See the port."""
        deliveries = await self._inner.receive(limit, wait_s)
        for delivery in deliveries:
            self._ledger.mark(token_of(delivery), taken=True)
        return deliveries

    async def ack(self, delivery: Delivery) -> None:
        """See the port; an acknowledgement that the broker did not take leaves the delivery open, for it comes again."""
        await self._inner.ack(delivery)
        self._ledger.settled(token_of(delivery))

    async def release(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """See the port."""
        await self._inner.release(delivery, delay_s)
        self._ledger.mark(token_of(delivery), taken=False)

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """See the port."""
        await self._inner.dead_letter(delivery, reason)
        body = delivery.body
        with suppress(ClaimLost, StoreUnavailable):  # Then perhaps that is the reason; it is told without its payload.
            body = await make_whole(self._desk, body)
        self._ledger.arrived(token_of(delivery), read_dead_letter(self._actor, body, reason))
        self._ledger.settled(token_of(delivery))

    async def extend(self, deliveries: Sequence[Delivery], lease_s: float) -> None:
        """See the port."""
        await self._inner.extend(deliveries, lease_s)

    async def set_prefetch(self, prefetch: int) -> None:
        """See the port."""
        await self._inner.set_prefetch(prefetch)

    async def pause(self) -> None:
        """See the port."""
        await self._inner.pause()

    async def stop(self) -> None:
        """See the port."""
        await self._inner.stop()

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()


def token_of(delivery: Delivery) -> str:
    """The token that a delivery's body was sent with; empty when others sent it."""
    return delivery.attributes.get(ATTRIBUTE, "")
