"""Envelopes in, results out: how e2e tests talk to the brokers and the store, from the machine beside the cluster."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, Self, TypeVar

from asya_store.factory import open_store
from asya_store.settings import StoreSettings
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import Depth, QueueAdmin, Transport
from asya_transport.settings import TransportSettings
from tests.support.cluster import eventually
from tests.support.installed import BUCKET, Brokers

T = TypeVar("T")


class Wire:
    """Blocking calls; a thread runs the loop that the clients live on."""

    def __init__(self, brokers: Brokers) -> None:
        amqp = f"amqp://guest:guest@{brokers.host}:{brokers.amqp_port}/"
        management = f"http://guest:guest@{brokers.host}:{brokers.management_port}"
        self._settings = {
            "rabbitmq": TransportSettings("rabbitmq", rabbitmq_url=amqp, rabbitmq_management_url=management),
            "sqs": TransportSettings("sqs", sqs_endpoint=brokers.aws, aws_credentials=("test", "test")),
        }
        store = open_store(StoreSettings(bucket=BUCKET, endpoint=brokers.aws, access_key="test", secret_key="test"))
        assert store is not None
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._transports: dict[str, Transport] = {}
        self._admins: dict[str, QueueAdmin] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for transport in self._transports.values():
            self._run(transport.close())
        for admin in self._admins.values():
            self._run(admin.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    def send(self, transport: str, envelopes: Iterable[dict[str, Any]]) -> None:
        """Send envelopes, each to the first actor of its route; returns when the broker has confirmed all."""
        self._run(self._send(transport, list(envelopes)))

    def depth(self, transport: str, queue: str) -> Depth:
        """Count a queue."""
        return self._run(self._admin(transport).measure(queue))

    def queues(self, transport: str) -> list[str]:
        """Names of all queues of actors."""
        return list(self._run(self._admin(transport).list_queues("asya-")))

    def delete_queue(self, transport: str, queue: str) -> None:
        """Delete a queue behind the operator's back."""
        assert self._run(self._admin(transport).delete(queue, force=True))

    def result(self, envelope_id: str, *, prefix: str = "happy-asya/", timeout_s: float = 240) -> dict[str, Any]:
        """Wait for the object that an end actor keeps of an envelope."""
        found = eventually(
            lambda: self._store.get(f"{prefix}{envelope_id}.json"),
            lambda body: body is not None,
            timeout_s,
            f"an object of {envelope_id} below {prefix}",
        )
        assert found is not None
        return dict(json.loads(found))

    def finished(self, prefix: str = "happy-asya/") -> set[str]:
        """Ids of all envelopes that an end actor keeps."""
        keys = self._store.list(prefix)
        names = [key.removeprefix(prefix) for key in keys]
        return {name.removesuffix(".json") for name in names if "/" not in name}

    async def _send(self, name: str, envelopes: list[dict[str, Any]]) -> None:
        if name not in self._transports:
            self._transports[name] = open_transport(self._settings[name])
            await self._transports[name].connect()
        transport = self._transports[name]
        await asyncio.gather(
            *(transport.send(f"asya-{each['route']['actors'][0]}", json.dumps(each).encode()) for each in envelopes)
        )

    def _admin(self, name: str) -> QueueAdmin:
        if name not in self._admins:
            self._admins[name] = open_admin(self._settings[name])
        return self._admins[name]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(180)


def envelope(envelope_id: str, *actors: str, **payload: Any) -> dict[str, Any]:
    """An envelope at the beginning of its route."""
    return {"id": envelope_id, "route": {"actors": list(actors), "current": 0}, "payload": payload}
