"""One actor under test: a real sidecar and runtime, with the test as producer and as both end actors."""

import asyncio
import json
import time
from types import TracebackType
from typing import Any, Self

from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import Consumer, Delivery, QueueSpec
from asya_transport.settings import read_transport_settings
from tests.support.fleet import Fleet, Replica

WAIT_S = 120.0


class ActorBench:
    """Runs ``handlers.py`` text as one actor; use as an async context manager.

    ``suffix`` goes to the names of the actor and of both end actors, on a broker that other tests use too.
    """

    def __init__(self, environ: dict[str, str], code: str, handler: str, suffix: str = "", **settings: str) -> None:
        self.actor, self.happy_end, self.error_end = (f"{name}{suffix}" for name in ("actor", "happy-end", "error-end"))
        self.fleet = Fleet(
            {
                **environ,
                "ASYA_ACTOR_HAPPY_END": self.happy_end,
                "ASYA_ACTOR_ERROR_END": self.error_end,
                "ASYA_RETRY_INITIAL_DELAY": "50ms",
                "ASYA_RUNTIME_TIMEOUT": "20s",
                **settings,
            }
        )
        (self.fleet.folder / "handlers.py").write_text(code)
        self.fleet.add(self.actor, handler, 1, PYTHONPATH=str(self.fleet.folder))
        self._settings = read_transport_settings(environ)
        self._consumers: dict[str, Consumer] = {}

    @property
    def replica(self) -> Replica:
        """The only one."""
        return self.fleet.replicas[0]

    async def __aenter__(self) -> Self:
        self.admin = open_admin(self._settings)
        self.transport = open_transport(self._settings)
        await self.transport.connect()
        for actor in (self.actor, self.happy_end, self.error_end):
            await self.admin.create(QueueNames().queue(actor), QueueSpec())
        self.fleet.keep_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.fleet.logs())
        self.fleet.stop()
        await self.transport.close()
        for actor in (self.actor, self.happy_end, self.error_end):
            await self.admin.delete(QueueNames().queue(actor), force=True)
        await self.admin.close()
        self.fleet.remove()

    async def send(self, body: bytes | dict[str, Any]) -> None:
        """Put a body on the actor's queue."""
        await self.transport.send(
            QueueNames().queue(self.actor), body if isinstance(body, bytes) else json.dumps(body).encode()
        )

    async def send_payload(self, payload: object, envelope_id: str = "e1", **fields: object) -> None:
        """Put an envelope for this actor on its queue."""
        await self.send({"id": envelope_id, "route": {"actors": [self.actor]}, "payload": payload, **fields})

    async def take(self, queue: str) -> Delivery:
        """Wait for the next delivery of a queue and acknowledge it."""
        if queue not in self._consumers:
            self._consumers[queue] = await self.transport.consume(queue, prefetch=1)
        consumer = self._consumers[queue]
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            self.fleet.keep_up()
            for delivery in await consumer.receive(1, 1.0):
                await consumer.ack(delivery)
                return delivery
        raise AssertionError(f"nothing came on {queue}")

    async def result(self) -> dict[str, Any]:
        """Next envelope at happy-end."""
        return self._decoded(await self.take(QueueNames().queue(self.happy_end)))

    async def failure(self) -> dict[str, Any]:
        """Next envelope at error-end."""
        return self._decoded(await self.take(QueueNames().queue(self.error_end)))

    async def dead(self) -> Delivery:
        """Next dead letter of the actor."""
        return await self.take(QueueNames().dlq(self.actor))

    async def until_acknowledged(self) -> None:
        """Wait until the actor's queue holds nothing, not even in flight: a result is sent before that."""
        async with asyncio.timeout(WAIT_S):
            while (await self.admin.measure(QueueNames().queue(self.actor))).total:
                await asyncio.sleep(0.01)

    async def works(self, envelope_id: str = "next") -> None:
        """Show that the next envelope is processed."""
        await self.send_payload({"fine": True}, envelope_id)
        document = await self.result()
        assert (document["id"], document["payload"]) == (envelope_id, {"fine": True})

    @staticmethod
    def _decoded(delivery: Delivery) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(delivery.body)
        return document
